//! The headers of requests that are passed on to aggregated servers: who asks is said by this server alone (client-go
//! transport/round_trippers.go).

use crate::filters::request_info::percent_encode;
use crate::proxy::headers::{forwarded_for, listed};
use crate::user::User;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, VIA};
use std::net::IpAddr;
use triad_machinery::status::Status;

const REMOTE_USER: HeaderName = HeaderName::from_static("x-remote-user");
const REMOTE_UID: HeaderName = HeaderName::from_static("x-remote-uid");
const REMOTE_GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const REMOTE_EXTRA: &str = "x-remote-extra-";
/// Says who asks, and nobody else does.
pub(super) fn identify(headers: &mut HeaderMap, user: &User) -> Result<(), Status> {
    let spoofed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-remote-") || name.starts_with("impersonate-")
        })
        .cloned()
        .collect();
    for name in spoofed {
        headers.remove(name);
    }
    headers.remove(AUTHORIZATION);
    headers.insert(REMOTE_USER, value(&user.name)?);
    if !user.uid.is_empty() {
        headers.insert(REMOTE_UID, value(&user.uid)?);
    }
    for group in &user.groups {
        headers.append(REMOTE_GROUP, value(group)?);
    }
    for (key, values) in &user.extra {
        let name = format!("{REMOTE_EXTRA}{}", escaped(key));
        let name = HeaderName::try_from(name).map_err(unsayable)?;
        for one in values {
            headers.append(name.clone(), value(one)?);
        }
    }
    Ok(())
}

/// Names may have any characters; what would end a header has no place in one.
fn value(text: &str) -> Result<HeaderValue, Status> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(unsayable)
}

fn unsayable(error: impl std::fmt::Display) -> Status {
    Status::internal(format!("the user cannot be named in a header: {error}"))
}

/// A key of a user's extra as part of a header's name: what may not stand there is percent-encoded.
fn escaped(key: &str) -> String {
    percent_encode(key, b"!#$&'*+-.^_`|~")
}

/// Says whom a request came from, and as what host and where it was asked for.
pub(super) fn forwarded(headers: &mut HeaderMap, peer: IpAddr, uri: &http::Uri) {
    forwarded_for(headers, peer);
    let asked = headers.get(HOST).cloned();
    let asked = asked.or_else(|| {
        let authority = uri.authority()?;
        HeaderValue::from_str(authority.as_str()).ok()
    });
    let mut set = |name: &'static str, value: Option<HeaderValue>| match value {
        Some(value) => _ = headers.insert(HeaderName::from_static(name), value),
        None => _ = headers.remove(name),
    };
    set("x-forwarded-host", asked);
    set("x-forwarded-uri", HeaderValue::from_str(uri.path()).ok());
    set("x-forwarded-proto", Some(HeaderValue::from_static("https")));
    headers.remove(HOST);
}

/// Whether a request has been here before: this cluster's name is among those it went through (RFC 9110 7.6.3).
pub(super) fn went_through(headers: &HeaderMap, pseudonym: &str) -> bool {
    listed(headers, &VIA).any(|entry| entry.split_whitespace().nth(1) == Some(pseudonym))
}

pub(super) fn goes_through(headers: &mut HeaderMap, pseudonym: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("1.1 {pseudonym}")) {
        headers.append(VIA, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::tests::{headers, shown};

    #[test]
    fn only_this_server_says_who_asks() {
        let mut sent = headers(&[
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("x-remote-extra-scopes", "all"),
            ("x-remote-uid", "0"),
            ("impersonate-user", "root"),
            ("impersonate-extra-a", "b"),
            ("authorization", "Basic abc"),
            ("x-custom", "kept"),
        ]);
        let user = User {
            name: "jürgen".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            extra: [(
                "example.org/scopes%".to_owned(),
                vec!["1".to_owned(), "2".to_owned()],
            )]
            .into(),
            ..User::default()
        };
        identify(&mut sent, &user).expect("a sayable user");
        let want = [
            "x-custom: kept",
            "x-remote-extra-example.org%2fscopes%25: 1",
            "x-remote-extra-example.org%2fscopes%25: 2",
            "x-remote-group: a",
            "x-remote-group: b",
            "x-remote-user: jürgen",
        ];
        assert_eq!(shown(&sent), want);
        let broken = User {
            name: "a\r\nX-Remote-Group: system:masters".to_owned(),
            ..User::default()
        };
        assert!(identify(&mut sent, &broken).is_err());
    }

    #[test]
    fn the_way_is_written_down_and_a_circle_seen() {
        let mut sent = headers(&[
            ("host", "api.example:6443"),
            ("x-forwarded-for", "192.0.2.1"),
            ("via", "1.1 outer"),
        ]);
        let uri = "/apis/a.io/v1/things?x=1".parse().expect("a URI");
        forwarded(&mut sent, "192.0.2.7".parse().expect("an address"), &uri);
        assert!(!went_through(&sent, "triad-1"));
        goes_through(&mut sent, "triad-1");
        assert!(went_through(&sent, "triad-1"));
        let want = [
            "via: 1.1 outer",
            "via: 1.1 triad-1",
            "x-forwarded-for: 192.0.2.1, 192.0.2.7",
            "x-forwarded-host: api.example:6443",
            "x-forwarded-proto: https",
            "x-forwarded-uri: /apis/a.io/v1/things",
        ];
        assert_eq!(shown(&sent), want);
    }
}
