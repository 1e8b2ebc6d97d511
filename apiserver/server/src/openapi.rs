//! Serves OpenAPI: /openapi/v2, the index /openapi/v3 and the document of each group-version below it (kube-openapi
//! pkg/handler, pkg/handler3; kube-aggregator's index). A document is made when it is first asked for and kept compressed;
//! at start nothing is made. Any method is answered, as upstream does.

mod published;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::endpoint::Endpoints;
use crate::negotiate;
use crate::query::Query;
use crate::reply::{self, Reply, takes_gzip};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, VARY,
};
use http::{HeaderMap, Method};
use published::{Encoding, Maker, Published};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use triad_machinery::openapi::{Descriptions, Documents, v2_protobuf, v3_protobuf};
use triad_machinery::scheme::scheme;

/// The API that is described; which build serves it, /version says.
const API_VERSION: &str = "1.37";
const YEAR_SECONDS: i64 = 365 * 24 * 60 * 60;

/// What may be asked for, in the order of preference.
struct Offer {
    media: &'static [(&'static str, &'static str)],
    protobuf: &'static str,
}

const V2: Offer = Offer {
    media: &[
        ("application", "json"),
        (
            "application",
            "com.github.proto-openapi.spec.v2@v1.0+protobuf",
        ),
        (
            "application",
            "com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
    ],
    protobuf: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
};
const V3: Offer = Offer {
    media: &[
        ("application", "json"),
        (
            "application",
            "com.github.proto-openapi.spec.v3.v1.0+protobuf",
        ),
        (
            "application",
            "com.github.proto-openapi.spec.v3@v1.0+protobuf",
        ),
    ],
    protobuf: "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
};

pub(crate) struct OpenApi {
    documents: Documents<'static>,
    v2: Published,
    v3: BTreeMap<String, Published>,
    index: OnceLock<Bytes>,
    /// Documents change when the server is started anew, not between.
    modified: HeaderValue,
}

impl OpenApi {
    pub(crate) fn new(endpoints: &Endpoints) -> Self {
        let resources = scheme().resources().iter();
        let served = resources.filter(|r| endpoints.get(&r.group, &r.version, &r.plural).is_some());
        Self::of(Documents::new(served, API_VERSION))
    }

    fn of(documents: Documents<'static>) -> Self {
        let v3 = documents
            .names()
            .into_iter()
            .map(|name| (name, Published::default()))
            .collect();
        OpenApi {
            documents,
            v2: Published::default(),
            v3,
            index: OnceLock::new(),
            modified: http_date(0),
        }
    }

    /// Answers a path of OpenAPI; None when the path is none.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Option<Reply> {
        match path.strip_prefix("/openapi/")? {
            "v2" => Some(tokio::task::block_in_place(|| self.v2(method, headers))),
            "v3" => Some(tokio::task::block_in_place(|| self.index(method, headers))),
            path => {
                let name = path.strip_prefix("v3/")?;
                Some(match self.v3.get(name) {
                    Some(document) => tokio::task::block_in_place(|| {
                        self.v3(name, document, method, headers, query)
                    }),
                    None => reply::empty(404),
                })
            }
        }
    }

    fn v2(&self, method: &Method, headers: &HeaderMap) -> Reply {
        let make = || self.documents.v2(&Descriptions::read(&triad_docs::text()));
        let maker = Maker {
            make: &make,
            protobuf: v2_protobuf,
        };
        let mut reply = self.document(&V2, &self.v2, &maker, method, headers);
        reply
            .headers_mut()
            .append(VARY, HeaderValue::from_static("Accept-Encoding"));
        reply
            .headers_mut()
            .append(VARY, HeaderValue::from_static("Accept"));
        reply
    }

    fn v3(
        &self,
        name: &str,
        document: &Published,
        method: &Method,
        headers: &HeaderMap,
        query: &Query,
    ) -> Reply {
        let make = || self.make_v3(name);
        let maker = Maker {
            make: &make,
            protobuf: v3_protobuf,
        };
        let mut reply = self.document(&V3, document, &maker, method, headers);
        let known = reply.status() != 406;
        let vary = if reply.headers().contains_key(CONTENT_ENCODING) {
            "Accept, Accept-Encoding"
        } else {
            "Accept"
        };
        match query.get("hash").filter(|hash| known && !hash.is_empty()) {
            Some(hash) if hash == document.etag(&maker) => {
                reply
                    .headers_mut()
                    .insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
                reply.headers_mut().insert(EXPIRES, http_date(YEAR_SECONDS));
            }
            Some(_) => reply = moved(name, document.etag(&maker), &reply),
            None => {}
        }
        reply
            .headers_mut()
            .insert(VARY, HeaderValue::from_static(vary));
        reply
    }

    fn make_v3(&self, name: &str) -> Value {
        self.documents
            .v3(name, &Descriptions::read(&triad_docs::text()))
            .unwrap_or_default()
    }

    /// The index: every document with the hash of what it says, so that it can be kept for good.
    fn index(&self, method: &Method, headers: &HeaderMap) -> Reply {
        if self.unmodified_since(method, headers) {
            return reply::empty(304);
        }
        let index = self.index.get_or_init(|| {
            let entry = |(name, document): (&String, &Published)| {
                let make = || self.make_v3(name);
                let hash = document.etag(&Maker {
                    make: &make,
                    protobuf: v3_protobuf,
                });
                (
                    name.clone(),
                    serde_json::json!({"serverRelativeURL": url(name, hash)}),
                )
            };
            let paths: serde_json::Map<_, _> = self.v3.iter().map(entry).collect();
            serde_json::json!({"paths": paths}).to_string().into()
        });
        let mut reply = reply::bytes(200, "text/plain; charset=utf-8", index.clone());
        reply
            .headers_mut()
            .insert(LAST_MODIFIED, self.modified.clone());
        reply
    }

    /// A document in the form that the client takes, or that it has it already, or that there is no such form.
    fn document(
        &self,
        offer: &Offer,
        document: &Published,
        maker: &Maker<'_>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Reply {
        let Some(chosen) = negotiate::choose(headers, offer.media) else {
            return reply::empty(406);
        };
        let (encoding, content_type) = if chosen == 0 {
            (Encoding::Json, "application/json")
        } else {
            (Encoding::Protobuf, offer.protobuf)
        };
        // First, for it gives the tag.
        let compressed = document.compressed(encoding, maker);
        let etag = format!("\"{}\"", document.etag(maker));
        let known = match headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()) {
            Some(tags) => tags
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag),
            None => self.unmodified_since(method, headers),
        };
        let mut reply = if known {
            reply::empty(304)
        } else if takes_gzip(headers) {
            let mut reply = reply::bytes(200, content_type, compressed.clone());
            reply
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            reply
        } else {
            reply::bytes(200, content_type, document.plain(encoding, maker))
        };
        if !known {
            reply
                .headers_mut()
                .insert(LAST_MODIFIED, self.modified.clone());
        }
        set(&mut reply, ETAG, &etag);
        reply
    }

    fn unmodified_since(&self, method: &Method, headers: &HeaderMap) -> bool {
        matches!(*method, Method::GET | Method::HEAD)
            && headers.get(IF_MODIFIED_SINCE) == Some(&self.modified)
    }
}

/// The answer to a hash that is out of date.
fn moved(name: &str, hash: &str, found: &Reply) -> Reply {
    let mut reply = reply::empty(301);
    for header in [CONTENT_TYPE, ETAG] {
        if let Some(value) = found.headers().get(&header) {
            reply.headers_mut().insert(header, value.clone());
        }
    }
    set(&mut reply, LOCATION, &url(name, hash));
    reply
}

fn url(name: &str, hash: &str) -> String {
    format!("/openapi/v3/{name}?hash={hash}")
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// So many seconds from now, as HTTP writes dates.
fn http_date(seconds: i64) -> HeaderValue {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = time::OffsetDateTime::from_unix_timestamp(Clock.unix_seconds() + seconds)
        .ok()
        .and_then(|date| date.format(format).ok());
    date.and_then(|text| HeaderValue::from_str(&text).ok())
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
