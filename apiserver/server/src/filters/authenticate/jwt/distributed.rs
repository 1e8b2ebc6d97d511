//! Groups that a token does not name itself but says where they are to be had: another token that an address gives out, signed by
//! an issuer of its own (OpenID Connect Core 1.0, 5.6.2; apiserver plugin/pkg/authenticator/token/oidc, claimResolver).

use super::Issuer;
use super::keys::IssuerKeys;
use super::mapping::{Mappings, Source};
use super::unproved::untrusted_issuer;
use crate::egress::{self, Target};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const NAMES: &str = "_claim_names";
const SOURCES: &str = "_claim_sources";
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest token that an address may give out, in bytes.
const LONGEST: usize = 1 << 20;
/// Issuers of such tokens whose keys are kept. Addresses name them before anything is proved: more are refused.
const MOST_ISSUERS: usize = 16;

pub(in crate::filters::authenticate) struct Resolver {
    /// The claim that groups are read from: no other is looked up.
    claim: String,
    tls: Arc<rustls::ClientConfig>,
    keys: Mutex<BTreeMap<String, Arc<IssuerKeys>>>,
}

impl Resolver {
    /// None where groups do not come from a claim.
    pub(in crate::filters::authenticate) fn of(
        mappings: &Mappings,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Option<Self> {
        match &mappings.groups {
            Some(Source::Claim { name, .. }) if !name.is_empty() => Some(Resolver {
                claim: name.clone(),
                tls: tls.clone(),
                keys: Mutex::default(),
            }),
            _ => None,
        }
    }

    /// Puts the claim among those of a token of the issuer's, where it is said to lie elsewhere.
    pub(super) async fn expand(&self, issuer: &Issuer, claims: &mut Value) -> Result<(), String> {
        let Some((endpoint, access_token)) = self.endpoint(claims)? else {
            return Ok(());
        };
        let claim = &self.claim;
        let token = self.fetch(&endpoint, access_token).await;
        let token =
            token.map_err(|why| format!("while getting distributed claim {claim:?}: {why}"))?;
        let from = untrusted_issuer(&token).ok_or_else(|| {
            format!("getting untrusted issuer from endpoint {endpoint} failed for claim {claim:?}")
        })?;
        let verifying = |why: String| format!("verifying untrusted issuer {from} failed: {why}");
        let keys = self.keys_of(issuer, &from).map_err(verifying)?;
        keys.ready().await.map_err(verifying)?;
        let found = keys.verified(&token, &issuer.algorithms).await;
        let found = found.and_then(|found| {
            issuer.judge_claims(&found)?;
            Ok(found)
        });
        let found = found.map_err(|why| {
            let why = why.strip_prefix("verify token: ").unwrap_or(&why);
            format!("verify distributed claim token: {why}")
        })?;
        let Some(value) = found.get(claim) else {
            return Err(format!(
                "jwt returned by distributed claim endpoint {endpoint:?} did not contain claim: {claim}"
            ));
        };
        claims[claim.as_str()] = value.clone();
        Ok(())
    }

    /// Where the claim is to be had, and by which token; none where it is there, or nowhere.
    fn endpoint(&self, claims: &Value) -> Result<Option<(String, Option<String>)>, String> {
        if claims.get(&self.claim).is_some() {
            return Ok(None);
        }
        let Some(names) = claims.get(NAMES) else {
            return Ok(None);
        };
        let names = names
            .as_object()
            .filter(|names| names.values().all(Value::is_string))
            .ok_or("oidc: error parsing distributed claim names: it is no map of names")?;
        let sources = claims.get(SOURCES).ok_or("oidc: no claim sources")?;
        let sources = sources
            .as_object()
            .filter(|sources| sources.values().all(Value::is_object))
            .ok_or("oidc: could not parse claim sources: it is no map of sources")?;
        let Some(source) = names.get(&self.claim).and_then(Value::as_str) else {
            return Ok(None);
        };
        let Some(found) = sources.get(source) else {
            return Err(format!(
                "id token _claim_names contained a source {source} missing in _claims_sources"
            ));
        };
        let text = |field: &str| found.get(field).and_then(Value::as_str).unwrap_or("");
        let access_token = Some(text("access_token").to_owned());
        let access_token = access_token.filter(|token| !token.is_empty());
        // Without an address it may be an aggregated claim, which lies in the token.
        let endpoint = Some(text("endpoint").to_owned()).filter(|url| !url.is_empty());
        Ok(endpoint.map(|endpoint| (endpoint, access_token)))
    }

    async fn fetch(&self, endpoint: &str, access_token: Option<String>) -> Result<String, String> {
        if !endpoint.starts_with("https://") {
            return Err(format!("{endpoint:?}: URL scheme must be https"));
        }
        let target = Target {
            url: endpoint.to_owned(),
            dialled: None,
            tls: self.tls.clone(),
            bearer: access_token,
        };
        let answer = egress::get(&target, TIMEOUT).await?;
        if !(200..=226).contains(&answer.code) {
            let code = answer.code;
            return Err(format!("error while getting distributed claim JWT: {code}"));
        }
        if answer.body.len() > LONGEST {
            return Err(format!("the answer has more than {LONGEST} bytes"));
        }
        let token = std::str::from_utf8(&answer.body);
        let token = token.map_err(|_| "could not decode distributed claim response")?;
        Ok(token.trim().to_owned())
    }

    /// The keys of whoever is said to have signed: the token's own issuer, or another one.
    fn keys_of(&self, issuer: &Issuer, from: &str) -> Result<Arc<IssuerKeys>, String> {
        if from == issuer.url {
            return Ok(issuer.keys.clone());
        }
        if !from.starts_with("https://") {
            return Err("URL scheme must be https".to_owned());
        }
        let mut all = self.keys.lock();
        if let Some(known) = all.get(from) {
            return Ok(known.clone());
        }
        if all.len() >= MOST_ISSUERS {
            return Err(format!(
                "{MOST_ISSUERS} issuers of distributed claims are known"
            ));
        }
        let keys = IssuerKeys::new(from, None, self.tls.clone());
        all.insert(from.to_owned(), keys.clone());
        Ok(keys)
    }
}
