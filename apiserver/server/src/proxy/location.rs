//! Where a request goes on to, and paths as Go handles them (net/url, path).

use crate::filters::request_info::{percent_decode, percent_encode};
use http::Uri;

/// A URL of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Host and port, or the host alone.
    pub(crate) authority: String,
    /// Decoded.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) query: String,
}

impl Location {
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        let url = self.url();
        url.parse()
            .map_err(|error| format!("unparsable URL {url:?}: {error}"))
    }

    pub(crate) fn url(&self) -> String {
        let (scheme, authority) = (self.scheme, &self.authority);
        let path = escaped(&self.path);
        match self.query.is_empty() {
            true => format!("{scheme}://{authority}{path}"),
            false => format!("{scheme}://{authority}{path}?{}", self.query),
        }
    }
}

/// Host and port as they stand in a URL.
pub(crate) fn authority(host: &str, port: impl std::fmt::Display) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// A path as it stands in a URL.
pub(crate) fn escaped(path: &str) -> String {
    percent_encode(path, b"-_.~$&+,/:;=@")
}

/// A path without empty parts, `.` and `..`, as Go's path.Clean has it; nothing stays nothing, as path.Join has it.
pub(crate) fn cleaned(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => _ = kept.pop(),
            ".." if rooted => {}
            part => kept.push(part),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if !path.is_empty() => ".".to_owned(),
        (false, _) => joined,
    }
}

/// The same, with the slash at the end that it has (apimachinery pkg/util/net, JoinPreservingTrailingSlash).
pub(crate) fn cleaned_with_slash(path: &str) -> String {
    let mut clean = cleaned(path);
    if path.ends_with('/') && !clean.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// The path of a request, decoded.
pub(crate) fn decoded(uri: &Uri) -> String {
    percent_decode(uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_above_its_root() {
        for (path, want) in [
            ("", ""),
            ("/", "/"),
            ("/a/../../b/", "/b/"),
            ("/../..", "/"),
            ("//a//./b", "/a/b"),
            ("a/..", "."),
        ] {
            assert_eq!(cleaned_with_slash(path), want, "{path}");
        }
    }

    #[test]
    fn a_location_is_written_as_go_does() {
        let location = Location {
            scheme: "https",
            authority: authority("fd00::1", 10250),
            path: "/logs/a b?/ü!".to_owned(),
            query: "a=1".to_owned(),
        };
        let want = "https://[fd00::1]:10250/logs/a%20b%3F/%C3%BC%21?a=1";
        assert_eq!(location.url(), want);
        assert_eq!(location.uri().expect("a URI").to_string(), want);
    }
}
