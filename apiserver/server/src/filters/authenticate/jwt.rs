//! Tokens of other issuers (OpenID Connect): verified by the issuer's published keys, their claims made into a user by its mappings
//! (apiserver plugin/pkg/authenticator/token/oidc).

pub(super) mod distributed;
pub(super) mod keys;
pub(super) mod mapping;
mod signed;
mod unproved;

use crate::clock::Clock;
use crate::user::User;
use distributed::Resolver;
use jsonwebtoken::Algorithm;
use keys::IssuerKeys;
use mapping::Mappings;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::goformat::quote;
use unproved::untrusted_issuer;

/// How far a token's beginning may lie ahead, in seconds (go-oidc verify.go).
const LEEWAY: f64 = 300.0;

/// An issuer whose tokens count.
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) mappings: Mappings,
    pub(super) keys: Arc<IssuerKeys>,
    pub(super) distributed: Option<Resolver>,
}

impl Issuer {
    /// Who a token stands for: None where it is of somebody else. The error says why a token of this issuer does not count.
    pub(super) async fn check(&self, token: &str) -> Option<Result<User, String>> {
        if untrusted_issuer(token)? != self.url {
            return None;
        }
        Some(
            self.judge(token)
                .await
                .map_err(|why| format!("oidc: {why}")),
        )
    }

    async fn judge(&self, token: &str) -> Result<User, String> {
        let mut claims = self.keys.verified(token, &self.algorithms).await?;
        self.judge_claims(&claims)
            .map_err(|why| format!("verify token: {why}"))?;
        if let Some(distributed) = &self.distributed {
            let expanded = distributed.expand(self, &mut claims).await;
            expanded.map_err(|why| format!("could not expand distributed claims: {why}"))?;
        }
        self.mappings.user(&claims)
    }

    /// The order is that of go-oidc: whom it is for, until when, from when on.
    fn judge_claims(&self, claims: &Value) -> Result<(), String> {
        let meant: Vec<&str> = match &claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !self
            .audiences
            .iter()
            .any(|own| meant.contains(&own.as_str()))
        {
            let list = |texts: &[&str]| {
                let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
                format!("[{}]", quoted.join(" "))
            };
            let own: Vec<&str> = self.audiences.iter().map(String::as_str).collect();
            return Err(match own.as_slice() {
                [one] => format!(
                    "oidc: expected audience {} got {}",
                    quote(one),
                    list(&meant)
                ),
                several => format!(
                    "oidc: expected audience in {} got {}",
                    list(several),
                    list(&meant)
                ),
            });
        }
        let now = Clock.unix_seconds() as f64;
        let expires = claims["exp"].as_f64().unwrap_or(0.0);
        if expires < now {
            return Err("oidc: token is expired".to_owned());
        }
        if claims["nbf"]
            .as_f64()
            .is_some_and(|begins| begins > now + LEEWAY)
        {
            return Err("oidc: current time is before the nbf (not before) time".to_owned());
        }
        Ok(())
    }
}
