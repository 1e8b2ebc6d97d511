//! Serves OpenAPI: /openapi/v2, the index /openapi/v3 and the document of each group-version below it (kube-openapi
//! pkg/handler, pkg/handler3; kube-aggregator's index). A document is made when it is first asked for and kept compressed;
//! at start nothing is made. When custom kinds come or go, what shows them is made anew by whoever asks next: of v2, which shows
//! all kinds, the parts that changed. Any method is answered, as upstream does.

mod built_in;
mod chunk;
mod customs;
mod index;
mod offer;
mod parts;
mod published;
mod shown;
mod swagger;
#[cfg(test)]
mod tests;

use crate::aggregation::Others;
use crate::body::CutShort;
use crate::clock::Clock;
use crate::endpoint::Endpoints;
use crate::negotiate;
use crate::query::Query;
use crate::reply::{self, Reply, takes_gzip};
use arc_swap::ArcSwap;
use built_in::BuiltIn;
use bytes::Bytes;
use customs::Customs;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, VARY,
};
use http::{HeaderMap, Method};
use index::Index;
use offer::{Offer, V2, V3};
use published::{Encoding, Maker, Published};
use serde_json::Value;
use shown::{Combined, Shown, Single, cannot_be_made};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use swagger::Swagger;
use triad_machinery::openapi::{Descriptions, Documents, v3_protobuf};
use triad_machinery::scheme::scheme;

/// The API that is described; which build serves it, /version says.
const API_VERSION: &str = "1.37";
const YEAR_SECONDS: i64 = 365 * 24 * 60 * 60;

pub(crate) struct OpenApi {
    documents: Documents<'static>,
    /// What built-in kinds are in the document of v2.
    built_in: OnceLock<Result<BuiltIn, CutShort>>,
    /// Those of built-in kinds: they never change.
    v3: BTreeMap<String, Published>,
    /// What changes with the custom kinds.
    state: ArcSwap<State>,
    v2: ArcSwap<Latest>,
    index: Index,
}

/// What there is while the custom kinds are the same.
struct State {
    customs: Customs,
    modified: HeaderValue,
}

impl State {
    fn new(customs: Customs) -> Self {
        State {
            customs,
            modified: http_date(0),
        }
    }
}

/// The document of v2 while custom kinds and other servers' documents are the same.
struct Latest {
    generations: (u64, u64),
    document: Swagger,
    modified: HeaderValue,
}

impl Latest {
    fn new(customs: &Customs, others: &Others) -> Self {
        Latest {
            generations: (customs.generation(), others.generation),
            document: Swagger::new(customs.parts(), others.swagger()),
            modified: http_date(0),
        }
    }
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
        let state = State::new(Customs::default());
        OpenApi {
            documents,
            v2: ArcSwap::from_pointee(Latest::new(&state.customs, &Others::default())),
            built_in: OnceLock::new(),
            v3,
            state: ArcSwap::from_pointee(state),
            index: Index::default(),
        }
    }

    /// Whether a document of v3 is this server's own, by its name in the index.
    pub(crate) fn has_v3(&self, kinds: &crate::custom::Customs, name: &str) -> bool {
        self.v3.contains_key(name) || self.state(kinds).customs.document(name).is_some()
    }

    /// Answers a path of OpenAPI; None when the path is none.
    pub(crate) fn answer(
        &self,
        kinds: &crate::custom::Customs,
        others: &Others,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Option<Reply> {
        let path = path.strip_prefix("/openapi/")?;
        let state = self.state(kinds);
        let made = |work: &dyn Fn() -> Reply| Some(tokio::task::block_in_place(work));
        match path {
            "v2" => made(&|| self.v2(&self.latest(&state, others), method, headers)),
            "v3" => made(&|| self.index(&state, others, method, headers)),
            path => {
                let name = path.strip_prefix("v3/")?;
                let document = self.v3.get(name).or_else(|| state.customs.document(name));
                let Some(document) = document else {
                    return Some(reply::empty(404));
                };
                made(&|| self.v3(&state, name, document, method, headers, query))
            }
        }
    }

    /// What shows the custom kinds that are served now; documents of groups that did not change are kept.
    fn state(&self, kinds: &crate::custom::Customs) -> Arc<State> {
        let state = self.state.load_full();
        if state.customs.generation() == kinds.generation() {
            return state;
        }
        let customs = Customs::new(kinds, &state.customs);
        let state = Arc::new(State::new(customs));
        self.state.store(state.clone());
        state
    }

    /// The document of v2 as it is now; what did not change since it was last asked for is kept.
    fn latest(&self, state: &State, others: &Others) -> Arc<Latest> {
        let latest = self.v2.load_full();
        if latest.generations == (state.customs.generation(), others.generation) {
            return latest;
        }
        let latest = Arc::new(Latest::new(&state.customs, others));
        self.v2.store(latest.clone());
        latest
    }

    fn v2(&self, latest: &Latest, method: &Method, headers: &HeaderMap) -> Reply {
        let built_in = self.built_in.get_or_init(|| BuiltIn::new(&self.documents));
        let mut reply = match built_in {
            Ok(built_in) => {
                let document = Combined {
                    document: &latest.document,
                    built_in,
                };
                self.document(&latest.modified, &V2, &document, method, headers)
            }
            Err(cut_short) => cannot_be_made(cut_short),
        };
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
        state: &State,
        name: &str,
        document: &Published,
        method: &Method,
        headers: &HeaderMap,
        query: &Query,
    ) -> Reply {
        let make = || self.make_v3(state, name);
        let maker = Maker {
            make: &make,
            protobuf: v3_protobuf,
        };
        let shown = Single {
            document,
            maker: &maker,
        };
        let mut reply = self.document(&state.modified, &V3, &shown, method, headers);
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

    fn make_v3(&self, state: &State, name: &str) -> Value {
        let text = triad_docs::text();
        self.describe_v3(state, name, &Descriptions::read(&text))
    }

    fn describe_v3(&self, state: &State, name: &str, descriptions: &Descriptions<'_>) -> Value {
        let built_in = self.documents.v3(name, descriptions);
        let custom = || state.customs.make(name, descriptions);
        built_in.or_else(custom).unwrap_or_default()
    }

    /// The index: every document with the hash of what it says, so that it can be kept for good.
    fn index(&self, state: &State, others: &Others, method: &Method, headers: &HeaderMap) -> Reply {
        let generations = (state.customs.generation(), others.generation);
        let made = || self.make_index(state, others);
        let (index, modified) = self.index.of(generations, made);
        if unmodified_since(&modified, method, headers) {
            return reply::empty(304);
        }
        let mut reply = reply::bytes(200, "text/plain; charset=utf-8", index);
        reply.headers_mut().insert(LAST_MODIFIED, modified);
        reply
    }

    fn make_index(&self, state: &State, others: &Others) -> Bytes {
        // Unpacked once for all that have to be made, and only then.
        let (text, descriptions) = (OnceLock::new(), OnceLock::new());
        let described =
            || descriptions.get_or_init(|| Descriptions::read(text.get_or_init(triad_docs::text)));
        let entry = |(name, document): (&String, &Published)| {
            let make = || self.describe_v3(state, name, described());
            let hash = document.etag(&Maker {
                make: &make,
                protobuf: v3_protobuf,
            });
            let entry = serde_json::json!({"serverRelativeURL": url(name, hash)});
            (name.clone(), entry)
        };
        let own = self.v3.iter().chain(state.customs.documents()).map(entry);
        let mut paths: BTreeMap<String, Value> = own.collect();
        for shown in others.documents.values() {
            for (name, entry) in shown.open_api.as_object().into_iter().flatten() {
                paths
                    .entry(name.to_string())
                    .or_insert_with(|| entry.clone());
            }
        }
        let paths: serde_json::Map<_, _> = paths.into_iter().collect();
        serde_json::json!({"paths": paths}).to_string().into()
    }

    /// A document in the form that the client takes, or that it has it already, or that there is no such form.
    fn document(
        &self,
        modified: &HeaderValue,
        offer: &Offer,
        document: &dyn Shown,
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
        let etag = format!("\"{}\"", document.etag(encoding));
        let known = match headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()) {
            Some(tags) => tags
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag),
            None => unmodified_since(modified, method, headers),
        };
        let zipped = takes_gzip(headers);
        let body = match (known, zipped) {
            (true, _) => None,
            (false, true) => Some(document.zipped(encoding)),
            (false, false) => Some(document.plain(encoding)),
        };
        let mut reply = match body {
            None => reply::empty(304),
            Some(Err(cut_short)) => return cannot_be_made(&cut_short),
            Some(Ok(body)) => {
                let mut reply = reply::bytes(200, content_type, Bytes::new());
                *reply.body_mut() = body;
                reply
            }
        };
        if !known && zipped {
            reply
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if !known {
            reply.headers_mut().insert(LAST_MODIFIED, modified.clone());
        }
        set(&mut reply, ETAG, &etag);
        reply
    }
}

fn unmodified_since(modified: &HeaderValue, method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && headers.get(IF_MODIFIED_SINCE) == Some(modified)
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
    date(Clock.unix_seconds() + seconds)
}

/// A moment, as HTTP writes it.
fn date(unix_seconds: i64) -> HeaderValue {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = time::OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|date| date.format(format).ok());
    date.and_then(|text| HeaderValue::from_str(&text).ok())
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
