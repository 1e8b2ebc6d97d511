//! The bearer token of a browser's page, which cannot put headers on a WebSocket: it comes as a protocol (apiserver
//! pkg/authentication/request/websocket/protocol.go).

use super::Unauthorized;
use crate::streams::websocket::protocols;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// Takes the token out of the protocols, of which one must be left for the answer to name.
pub(super) fn take_token(headers: &mut HeaderMap) -> Result<Option<String>, Unauthorized> {
    let asked = protocols(headers);
    let (tokens, others): (Vec<&str>, Vec<&str>) =
        asked.iter().partition(|one| one.starts_with(PREFIX));
    let token = match tokens.as_slice() {
        [] => return Ok(None),
        [one] if !others.is_empty() => &one[PREFIX.len()..],
        _ => return Err(Unauthorized),
    };
    let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| Unauthorized)?;
    let token = String::from_utf8(token).map_err(|_| Unauthorized)?;
    let others = HeaderValue::from_str(&others.join(",")).map_err(|_| Unauthorized)?;
    headers.insert(SEC_WEBSOCKET_PROTOCOL, others);
    Ok((!token.is_empty()).then_some(token))
}
