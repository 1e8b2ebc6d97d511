//! The aggregated document of /api or /apis, as clients keep it by its tag.

use crate::negotiate::{Accepted, Media};
use crate::reply::{self, Reply, named};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use triad_machinery::schema::TypeId;

pub(super) struct Aggregated {
    document: Value,
    etag: HeaderValue,
}

impl Aggregated {
    pub(super) fn new(groups: Vec<Value>) -> Self {
        let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups});
        let digest = Sha512::digest(document.to_string());
        let digest: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let etag = HeaderValue::from_str(&format!("\"{digest}\""));
        Aggregated {
            document,
            etag: etag.unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    pub(super) fn answer(&self, headers: &HeaderMap, accepted: &Accepted) -> Reply {
        let mut reply = if headers
            .get(IF_NONE_MATCH)
            .is_some_and(|known| *known == self.etag)
        {
            reply::empty(304)
        } else {
            let mut reply = reply::object(200, &self.document, list_type(), accepted);
            let content_type = match accepted.media {
                Media::Json => {
                    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
                Media::Yaml => {
                    "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
                Media::Protobuf => {
                    "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
            };
            reply
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            reply
        };
        reply.headers_mut().insert(ETAG, self.etag.clone());
        reply
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Accept"));
        reply
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        reply
    }
}

fn list_type() -> TypeId {
    named("apidiscovery/v2.APIGroupDiscoveryList")
}
