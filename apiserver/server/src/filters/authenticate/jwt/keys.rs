//! The keys that an issuer publishes: found by its discovery document, fetched again when a token names one that is not known, and
//! asked for in the background until they are there (github.com/coreos/go-oidc oidc/jwks.go).

use super::signed;
use crate::egress::{self, Target};
use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde_json::Value;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Between two attempts at an issuer that was not reached yet.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tokens with unknown keys make an issuer be asked no more often than this.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

pub(in crate::filters::authenticate) struct IssuerKeys {
    issuer: String,
    /// How the discovery document is asked for; the keys are asked for with the same trust.
    discovery: Target,
    known: ArcSwapOption<Known>,
    asked: Mutex<Option<Instant>>,
}

struct Known {
    at: String,
    keys: Vec<Jwk>,
}

impl IssuerKeys {
    /// `discovery` is where the document lies, if not at the issuer.
    pub(in crate::filters::authenticate) fn new(
        issuer: &str,
        discovery: Option<&str>,
        tls: Arc<rustls::ClientConfig>,
    ) -> Arc<Self> {
        let url = match discovery {
            Some(url) => url.to_owned(),
            None => format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/')),
        };
        Arc::new(IssuerKeys {
            issuer: issuer.to_owned(),
            discovery: Target {
                url,
                dialled: None,
                tls,
                bearer: None,
            },
            known: ArcSwapOption::empty(),
            asked: Mutex::new(None),
        })
    }

    /// Asks until the keys are there, or nobody wants them any more.
    pub(in crate::filters::authenticate) async fn find(keys: Weak<Self>) {
        while let Some(wanted) = keys.upgrade() {
            match wanted.discover().await {
                Ok(known) => return wanted.known.store(Some(Arc::new(known))),
                Err(error) => {
                    let issuer = &wanted.issuer;
                    tracing::error!(issuer, error, "cannot get the keys of an issuer of tokens");
                }
            }
            drop(wanted);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks for the keys where they are not there yet, though not again and again: who has them asked for in the background need not.
    pub(super) async fn ready(&self) -> Result<(), String> {
        if self.known.load().is_some() {
            return Ok(());
        }
        let mut asked = self.asked.lock().await;
        if self.known.load().is_some() {
            return Ok(());
        }
        let issuer = &self.issuer;
        if asked.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(format!("verifier not initialized for issuer: {issuer:?}"));
        }
        let found = self.discover().await;
        *asked = Some(Instant::now());
        self.known.store(Some(Arc::new(found?)));
        Ok(())
    }

    async fn discover(&self) -> Result<Known, String> {
        let document = document(&self.discovery).await?;
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        let found = text("issuer");
        if found != self.issuer {
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {:?} got {found:?}",
                self.issuer
            ));
        }
        let at = text("jwks_uri");
        if at.is_empty() {
            return Err("provider did not return JWKS URL".to_owned());
        }
        self.fetch(at).await
    }

    async fn fetch(&self, at: String) -> Result<Known, String> {
        let target = Target {
            url: at.clone(),
            ..self.discovery.clone()
        };
        let set = document(&target).await?;
        let listed = set["keys"].as_array().cloned().unwrap_or_default();
        // One that is of a kind that is not known here is no reason to forget the others.
        let keys = listed
            .iter()
            .filter_map(|key| serde_json::from_str(&key.to_string()).ok());
        let set = JwkSet {
            keys: keys.collect(),
        };
        Ok(Known { at, keys: set.keys })
    }

    /// The claims of a token that one of the keys has signed.
    pub(super) async fn verified(
        &self,
        token: &str,
        algorithms: &[Algorithm],
    ) -> Result<Value, String> {
        let known = self.known.load_full();
        let known = known.ok_or("authenticator not initialized")?;
        let header = jsonwebtoken::decode_header(token)
            .map_err(|error| format!("verify token: oidc: malformed jwt: {error}"))?;
        if !algorithms.contains(&header.alg) {
            return Err(format!(
                "verify token: oidc: id token signed with unsupported algorithm, expected {algorithms:?} got {:?}",
                header.alg
            ));
        }
        let id = header.kid.as_deref();
        if let Some(claims) = signed::claims(token, header.alg, id, &known.keys) {
            return Ok(claims);
        }
        let again = self.ask_again(&known).await?;
        let claims = again.and_then(|known| signed::claims(token, header.alg, id, &known.keys));
        claims.ok_or_else(|| {
            "verify token: failed to verify signature: failed to verify id token signature"
                .to_owned()
        })
    }

    /// The keys as they are now, unless that was asked just before.
    async fn ask_again(&self, known: &Arc<Known>) -> Result<Option<Arc<Known>>, String> {
        let mut asked = self.asked.lock().await;
        let current = self.known.load_full();
        if let Some(current) = current.filter(|current| !Arc::ptr_eq(current, known)) {
            return Ok(Some(current));
        }
        if asked.is_some_and(|at| at.elapsed() < ASKED_AGAIN) {
            return Ok(None);
        }
        let fetched = self.fetch(known.at.clone()).await;
        // From its end on: an issuer that takes long is not asked once for each who has waited for it.
        *asked = Some(Instant::now());
        let fetched = Arc::new(fetched.map_err(|why| {
            format!("verify token: failed to verify signature: fetching keys {why}")
        })?);
        self.known.store(Some(fetched.clone()));
        Ok(Some(fetched))
    }
}

async fn document(target: &Target) -> Result<Value, String> {
    let answer = egress::get(target, TIMEOUT).await?;
    if answer.code != 200 {
        return Err(format!(
            "{}: the server answered {}",
            target.url, answer.code
        ));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{}: the answer is no JSON: {error}", target.url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Trust;
    use crate::testing::loopback::Loopback;
    use bytes::Bytes;
    use futures_util::future::join_all;
    use http::Response;
    use http_body_util::Full;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn an_issuer_that_fails_slowly_is_asked_once_for_all_who_wait() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let server = Loopback::plain(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(ASKED_AGAIN + Duration::from_millis(200)).await;
                let mut failed = Response::new(Full::new(Bytes::new()));
                *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                failed
            }
        });
        let url = format!("http://127.0.0.1:{}", server.await.port);
        let tls = Trust::of_ca(Vec::new()).config().expect("a configuration");
        let keys = IssuerKeys::new(&url, None, tls);
        let known = Arc::new(Known {
            at: format!("{url}/keys"),
            keys: Vec::new(),
        });
        keys.known.store(Some(known.clone()));
        let asking = (0..5).map(|_| keys.ask_again(&known));
        let answers = join_all(asking).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        let without = answers.iter().filter(|a| matches!(a, Ok(None))).count();
        assert_eq!((failed, without), (1, 4));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
