//! What a token says before anything of it is proved.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// An issuer names itself in two ways.
const GOOGLE: [&str; 2] = ["accounts.google.com", "https://accounts.google.com"];

/// Whom a token says that it is from. Nothing is proved by that.
pub(super) fn untrusted_issuer(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let issuer = claims["iss"].as_str()?;
    let issuer = if issuer == GOOGLE[0] {
        GOOGLE[1]
    } else {
        issuer
    };
    Some(issuer.to_owned())
}
