//! The text of a join token, as its holder sees it.

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const PREFIX: &str = "triad.";

/// A token as its holder sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) endpoints: Vec<String>,
    /// Fingerprint of the CA that signed the API's serving certificates.
    pub(crate) ca: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Token {
    pub(crate) fn text(&self) -> String {
        let body = json!({"endpoints": self.endpoints, "ca": self.ca, "id": self.id, "secret": self.secret});
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body.to_string()))
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            anyhow!(
                "the join token is not one: it is printed by `triadctl token create --role server`"
            )
        };
        let body = text.trim().strip_prefix(PREFIX).ok_or_else(wrong)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| wrong())?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| wrong())?;
        let word = |name: &str| body[name].as_str().map(str::to_owned).ok_or_else(wrong);
        let endpoints = body["endpoints"].as_array().ok_or_else(wrong)?;
        let endpoints: Vec<String> = endpoints
            .iter()
            .filter_map(|e| e.as_str().map(str::to_owned))
            .collect();
        if endpoints.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            endpoints,
            ca: word("ca")?,
            id: word("id")?,
            secret: word("secret")?,
        })
    }

    /// What a joining member shows with each call.
    pub(crate) fn proof(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }
}
