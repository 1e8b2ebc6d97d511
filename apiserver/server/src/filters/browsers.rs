//! What browsers want to be told: whether a page of another origin may ask (apiserver pkg/server/filters/cors.go), and that they come
//! over TLS from now on (hsts.go).

use crate::options::browsers::Browsers;
use crate::reply::{self, Reply};
use http::header::{HOST, ORIGIN, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const ALLOWED: [(HeaderName, &str); 4] = [
    (
        HeaderName::from_static("access-control-allow-methods"),
        "POST, GET, OPTIONS, PUT, DELETE, PATCH",
    ),
    (
        HeaderName::from_static("access-control-allow-headers"),
        "Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since",
    ),
    (
        HeaderName::from_static("access-control-expose-headers"),
        "Date",
    ),
    (
        HeaderName::from_static("access-control-allow-credentials"),
        "true",
    ),
];

impl Browsers {
    /// Puts into `extra` what the answer says beside its own. A question of the browser's own, whether its page may ask, is answered at once.
    pub(crate) fn greet(
        &self,
        method: &Method,
        headers: &HeaderMap,
        extra: &mut HeaderMap,
    ) -> Option<Reply> {
        if let Some(said) = &self.transport_security {
            extra.insert(STRICT_TRANSPORT_SECURITY, said.clone());
        }
        let origin = headers.get(ORIGIN)?;
        if !self.origins.iter().any(|allowed| allows(allowed, origin)) {
            return None;
        }
        extra.insert(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, value) in ALLOWED {
            extra.insert(name, HeaderValue::from_static(value));
        }
        (method == Method::OPTIONS).then(|| reply::empty(204))
    }

    /// Whether a WebSocket may be opened: by a page of this server's own host, or of an origin that may ask. A browser asks nobody
    /// before it opens one, and sends the user's certificate along.
    pub(crate) fn may_open(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return false;
        };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let own = (origin.to_str().ok())
            .and_then(|origin| origin.split_once("://"))
            .zip(host)
            .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host));
        own || self.origins.iter().any(|allowed| allows(allowed, origin))
    }
}

fn allows(allowed: &regex::Regex, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| allowed.is_match(origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
    use regex::Regex;

    fn browsers(origins: &[&str]) -> Browsers {
        let origins = origins.iter().map(|text| Regex::new(text).expect("good"));
        Browsers {
            origins: origins.collect(),
            transport_security: Some(HeaderValue::from_static("max-age=1")),
        }
    }

    fn headers(given: &[(HeaderName, &'static str)]) -> HeaderMap {
        let given = given.iter();
        given
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn pages_of_allowed_origins_may_ask() {
        let browsers = browsers(&["//a.example(:|$)"]);
        for (origin, allowed) in [
            ("https://a.example", true),
            ("http://a.example:8080", true),
            ("https://a.example.evil", false),
            ("https://evil", false),
            ("null", false),
        ] {
            for method in [Method::GET, Method::OPTIONS] {
                let mut extra = HeaderMap::new();
                let reply = browsers.greet(&method, &headers(&[(ORIGIN, origin)]), &mut extra);
                let answered = allowed && method == Method::OPTIONS;
                assert_eq!(reply.map(|r| r.status().as_u16()), answered.then_some(204));
                let said = extra.get(ACCESS_CONTROL_ALLOW_ORIGIN);
                assert_eq!(said.is_some_and(|said| said == origin), allowed, "{origin}");
                assert_eq!(extra.len(), if allowed { 6 } else { 1 }, "{extra:?}");
                assert_eq!(extra[STRICT_TRANSPORT_SECURITY], "max-age=1");
            }
        }
        let mut extra = HeaderMap::new();
        assert!(
            browsers
                .greet(&Method::OPTIONS, &HeaderMap::new(), &mut extra)
                .is_none()
        );
        assert_eq!(extra.len(), 1);
    }

    #[test]
    fn web_sockets_are_for_pages_of_this_host_and_of_allowed_ones() {
        let browsers = browsers(&["^https://a.example$"]);
        let host = (HOST, "server:6443");
        for (origin, may) in [
            ("https://server:6443", true),
            ("https://SERVER:6443", true),
            ("https://a.example", true),
            ("https://server", false),
            ("https://server:6443.evil", false),
            ("https://a.example.evil", false),
            ("null", false),
            ("", false),
        ] {
            let asked = headers(&[host.clone(), (ORIGIN, origin)]);
            assert_eq!(browsers.may_open(&asked), may, "{origin}");
        }
        assert!(!browsers.may_open(&headers(&[host])));
    }
}
