//! The stages a request passes before its handler, in the order of server.rs's chain.

pub(crate) mod authenticate;
pub(crate) mod authorize;
mod browsers;
pub(crate) mod flow;
pub(crate) mod following;
pub(crate) mod impersonate;
pub(crate) mod kept;
pub(crate) mod request_info;

/// The text of a header that names somebody: names may have any characters, which travel as they are, as in Go.
pub(crate) fn header_text(value: &http::HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}
