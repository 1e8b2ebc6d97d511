//! Any text as the head of a request: its query, what it asks for, the form of its answer, where it would go on to.
#![no_main]
#![allow(dead_code, reason = "parts of the server, taken by themselves")]

#[path = "."]
mod filters {
    #[path = "../../src/filters/request_info.rs"]
    pub(crate) mod request_info;
}
#[path = "../../src/proxy/location.rs"]
mod location;
#[path = "../../src/negotiate.rs"]
mod negotiate;
#[path = "../../src/query.rs"]
mod query;

use filters::request_info::{RequestInfo, percent_decode, percent_encode};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use negotiate::Offer;
use query::Query;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT"];

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let method = METHODS[usize::from(*which) % METHODS.len()];
    let mut parts = data.split(|byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (path, query, header) = (text(), text(), text());
    let encoded = percent_encode(&path, b"-_.~/");
    assert_eq!(percent_decode(&encoded), path);
    let query = Query::parse(&query);
    let again = Query::parse(&query.encoded()).encoded();
    assert_eq!(again, query.encoded(), "what was written is read");
    let info = RequestInfo::new(method, &path, &query);
    // What is authorized is what is looked at: nothing of a resource is outside of the API's paths.
    assert!(!info.is_resource || ["api", "apis"].contains(&&*info.prefix));
    assert!(info.subresource.is_empty() || info.path_name().is_some());
    let _ = info.scope();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&header) {
        headers.insert(ACCEPT, value.clone());
        headers.insert(CONTENT_TYPE, value);
    }
    for offer in [
        Offer::Plain,
        Offer::Partial,
        Offer::Table,
        Offer::Watch,
        Offer::Discovery,
    ] {
        let _ = negotiate::accept(&headers, &query, offer);
    }
    let _ = negotiate::content(&headers);
    let cleaned = location::cleaned(&format!("/{path}"));
    assert_eq!(location::cleaned(&cleaned), cleaned);
    assert!(!cleaned.split('/').any(|part| part == ".."), "{cleaned}");
});
