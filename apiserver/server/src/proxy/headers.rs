//! The headers of requests that are passed on, and of their answers: what is for one connection stays on it (RFC 9110 7.6, Go's
//! net/http/httputil/reverseproxy.go).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, HeaderName, HeaderValue, TE, UPGRADE,
};
use http::{HeaderMap, Version};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What concerns one connection (RFC 9110 7.6.1, and Go's list).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The protocol that a request asks to go on with.
pub(crate) fn upgrade(headers: &HeaderMap, version: Version) -> bool {
    version == Version::HTTP_11 && headers.contains_key(UPGRADE) && names_upgrade(headers)
}

/// Whether the connection is what the request's Upgrade is about.
pub(crate) fn names_upgrade(headers: &HeaderMap) -> bool {
    listed(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Takes away what concerns the connection alone. `kept`: the protocol to go on with stays.
pub(crate) fn end_to_end(headers: &mut HeaderMap, kept: bool) {
    let protocol = headers.get(UPGRADE).cloned();
    let trailers = listed(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    let named: Vec<String> = listed(headers, &CONNECTION).map(str::to_owned).collect();
    for name in named
        .iter()
        .map(String::as_str)
        .chain(HOP_BY_HOP.iter().copied())
    {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let (true, Some(protocol)) = (kept, protocol) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// The entries of a header that is a list.
pub(crate) fn listed<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// Says whom a request came from, behind those that it came through before.
pub(crate) fn forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    let before: Vec<&str> = listed(headers, &FORWARDED_FOR).collect();
    let peer = peer.to_canonical().to_string();
    let all: Vec<&str> = before.into_iter().chain([&*peer]).collect();
    // What was a header's value and addresses is one.
    if let Ok(all) = HeaderValue::from_str(&all.join(", ")) {
        headers.insert(FORWARDED_FOR, all);
    }
}

/// Whom a browser may tell of the answer is not for the other server to say.
pub(crate) fn without_cors(headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    pub(crate) fn shown(headers: &HeaderMap) -> Vec<String> {
        let shown = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut all: Vec<String> = headers.iter().map(shown).collect();
        all.sort();
        all
    }

    #[test]
    fn what_is_for_one_connection_stays_on_it() {
        let all = [
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "secret"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ];
        let mut sent = headers(&all);
        end_to_end(&mut sent, false);
        assert_eq!(shown(&sent), ["accept: */*", "te: trailers"]);
        let mut sent = headers(&[("connection", "upgrade"), ("upgrade", "SPDY/3.1")]);
        assert!(upgrade(&sent, Version::HTTP_11));
        assert!(!upgrade(&sent, Version::HTTP_2));
        end_to_end(&mut sent, true);
        assert_eq!(shown(&sent), ["connection: Upgrade", "upgrade: SPDY/3.1"]);
    }
}
