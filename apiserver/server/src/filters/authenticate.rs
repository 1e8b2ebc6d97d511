//! Who makes a request: client certificate, then bearer token, then anonymous (apiserver pkg/authentication/request).
//!
//! A request with a certificate or token that proves nothing is 401; one without any is anonymous where that is on.

pub(crate) mod configuration;
mod jwt;
mod token_file;
pub(crate) mod webhook;

use crate::filters::request_info::RequestInfo;
use crate::options::{Config, RequestHeader};
use crate::service_accounts::Tokens;
use crate::tls::certificates;
use crate::user::User;
use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use configuration::Configured;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::RwLock;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use token_file::read_tokens;
use webhook::Webhook;

/// What the connection proved: its client certificate chain, and the user it stands for, worked out once.
pub(crate) struct Peer {
    pub(crate) address: std::net::SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    resolved: RwLock<Option<Option<User>>>,
    /// The connection came in where no proof is asked for.
    pub(crate) trusted: bool,
}

impl Peer {
    pub(crate) fn new(address: std::net::SocketAddr, chain: Vec<CertificateDer<'static>>) -> Self {
        Peer {
            address,
            chain,
            resolved: RwLock::new(None),
            trusted: false,
        }
    }

    /// A peer of the insecure port.
    pub(crate) fn trusting(address: std::net::SocketAddr) -> Self {
        Peer {
            trusted: true,
            ..Peer::new(address, Vec::new())
        }
    }
}

pub(crate) struct Authenticator {
    client_ca: Option<Arc<dyn ClientCertVerifier>>,
    front_proxy: Option<FrontProxy>,
    static_tokens: HashMap<String, User>,
    pub(crate) tokens: Tokens,
    options: configuration::Options,
    configured: ArcSwap<Configured>,
    webhook: Option<Webhook>,
    /// The issuers of this server's own tokens.
    own_issuers: Vec<String>,
}

/// How often the file of issuers is looked at.
const LOOK_AT_FILE: Duration = Duration::from_secs(1);

struct FrontProxy {
    verifier: Arc<dyn ClientCertVerifier>,
    config: RequestHeader,
}

/// The request proved nothing that counts.
pub(crate) struct Unauthorized;

impl Authenticator {
    pub(crate) fn new(client_ca: &Path, tokens: Tokens, config: &Config) -> Result<Self> {
        let front_proxy = match &config.request_header {
            Some(header) => Some(FrontProxy {
                verifier: verifier(&header.ca_file)?,
                config: header.clone(),
            }),
            None => None,
        };
        let options = config.authentication.clone();
        let own_issuers = config.service_account_issuers.clone();
        let configured = match &options.config_file {
            None => configuration::of_flags(&options),
            Some(file) => {
                let text = std::fs::read(file).with_context(|| {
                    format!("cannot read --authentication-config {}", file.display())
                })?;
                configuration::of_file(&text, &options, &own_issuers)
            }
        };
        let configured = Arc::new(configured.map_err(|why| anyhow!(why))?);
        configured.begin();
        let webhook = config.token_webhook.as_ref().map(Webhook::new).transpose();
        Ok(Authenticator {
            options,
            configured: ArcSwap::new(configured),
            webhook: webhook
                .map_err(|why| anyhow!("--authentication-token-webhook-config-file: {why}"))?,
            own_issuers,
            client_ca: Some(verifier(client_ca)?),
            front_proxy,
            tokens,
            static_tokens: config
                .token_auth_file
                .as_deref()
                .map(read_tokens)
                .transpose()?
                .unwrap_or_default(),
        })
    }

    /// Follows the file of issuers, if there is one. What is wrong with a new text leaves what was in force in place.
    pub(crate) async fn follow(&self) {
        let Some(file) = self.options.config_file.clone() else {
            return;
        };
        let mut known = tokio::fs::read(&file).await.unwrap_or_default();
        loop {
            tokio::time::sleep(LOOK_AT_FILE).await;
            let text = match tokio::fs::read(&file).await {
                Ok(text) if text == known => continue,
                Ok(text) => text,
                Err(error) => {
                    tracing::error!(%error, file = %file.display(), "cannot read the authentication configuration; the one before stays");
                    continue;
                }
            };
            match configuration::of_file(&text, &self.options, &self.own_issuers) {
                Ok(configured) => {
                    let configured = Arc::new(configured);
                    configured.begin();
                    self.configured.store(configured);
                    tracing::info!(file = %file.display(), "reloaded the authentication configuration");
                }
                Err(error) => {
                    tracing::error!(error, file = %file.display(), "the new authentication configuration is wrong; the one before stays")
                }
            }
            known = text;
        }
    }

    /// Waits for other servers, where tokens are theirs.
    pub(crate) async fn authenticate(
        &self,
        peer: &Peer,
        headers: &mut HeaderMap,
        info: &RequestInfo,
    ) -> Result<User, Unauthorized> {
        if let Some(user) = self.by_front_proxy(peer, headers) {
            return Ok(user.authenticated());
        }
        if !peer.chain.is_empty()
            && let Some(user) = self.by_certificate(peer)
        {
            return Ok(user.authenticated());
        }
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(bearer_token)
            .map(str::to_owned);
        if let Some(token) = bearer {
            // The token goes no further than this: neither handlers nor logs see it.
            headers.remove(AUTHORIZATION);
            let reviewed = self.review_token(&token, &[]).await;
            return reviewed.map(|(user, _)| user).map_err(|_| Unauthorized);
        }
        if !peer.chain.is_empty() && !self.front_proxy_trusts(peer) {
            return Err(Unauthorized);
        }
        if self.configured.load().anonymous.allows(info) {
            Ok(User::anonymous())
        } else {
            Err(Unauthorized)
        }
    }

    /// The user that a bearer token stands for, for given audiences (none: this server's own), with those that fit. The error says
    /// what is wrong. The order is upstream's: the file, this server's own tokens, other issuers, the webhook.
    pub(crate) async fn review_token(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), String> {
        let mut errors = vec!["invalid bearer token".to_owned()];
        if let Some(user) = self.static_tokens.get(token)
            && let Some(matching) = self.agnostic(audiences)
        {
            return Ok((user.clone().authenticated(), matching));
        }
        match self.tokens.check(token, audiences) {
            Some(Ok((user, matching))) => return Ok((user.authenticated(), matching)),
            Some(Err(why)) => errors.push(why),
            None => {}
        }
        let configured = self.configured.load_full();
        for issuer in &configured.issuers {
            match (issuer.check(token).await, self.agnostic(audiences)) {
                (Some(Ok(user)), Some(matching)) => return Ok((user.authenticated(), matching)),
                (Some(Err(why)), _) => errors.push(why),
                _ => {}
            }
        }
        if let Some(webhook) = &self.webhook {
            match webhook.check(token, self.wanted(audiences)).await {
                Ok(Some((user, matching))) => return Ok((user.authenticated(), matching)),
                Ok(None) => {}
                Err(why) => errors.push(why),
            }
        }
        Err(match errors.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        })
    }

    fn wanted<'a>(&'a self, audiences: &'a [String]) -> &'a [String] {
        match audiences {
            [] => self.tokens.audiences(),
            asked => asked,
        }
    }

    /// The audiences of a token that names none of this server's: it is for all of them.
    fn agnostic(&self, audiences: &[String]) -> Option<Vec<String>> {
        let own = self.tokens.audiences();
        let matching = self.wanted(audiences).iter();
        let matching: Vec<String> = matching.filter(|one| own.contains(one)).cloned().collect();
        (!matching.is_empty() || own.is_empty()).then_some(matching)
    }

    fn by_certificate(&self, peer: &Peer) -> Option<User> {
        if let Some(resolved) = &*peer.resolved.read() {
            return resolved.clone();
        }
        let user = self
            .client_ca
            .as_ref()
            .filter(|ca| verified(ca, &peer.chain))
            .and_then(|_| subject(&peer.chain[0]));
        *peer.resolved.write() = Some(user.clone());
        user
    }

    fn front_proxy_trusts(&self, peer: &Peer) -> bool {
        self.front_proxy
            .as_ref()
            .is_some_and(|proxy| proxy.trusts(peer))
    }

    fn by_front_proxy(&self, peer: &Peer, headers: &mut HeaderMap) -> Option<User> {
        let proxy = self.front_proxy.as_ref()?;
        if peer.chain.is_empty() {
            return None;
        }
        let all = |names: &[String]| -> Vec<String> {
            names
                .iter()
                .flat_map(|name| headers.get_all(name.as_str()))
                .filter_map(|v| v.to_str().ok())
                .map(str::to_owned)
                .collect()
        };
        let name = all(&proxy.config.username_headers)
            .into_iter()
            .find(|name| !name.is_empty())?;
        if !proxy.trusts(peer) {
            return None;
        }
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for prefix in proxy
            .config
            .extra_prefixes
            .iter()
            .map(|prefix| prefix.to_lowercase())
        {
            for (header, value) in headers.iter() {
                if let (Some(key), Ok(value)) =
                    (header.as_str().strip_prefix(&prefix), value.to_str())
                {
                    let key = super::request_info::percent_decode(key).to_lowercase();
                    extra.entry(key).or_default().push(value.to_owned());
                }
            }
        }
        let uid = all(&proxy.config.uid_headers)
            .into_iter()
            .next()
            .unwrap_or_default();
        Some(User {
            name,
            uid,
            groups: all(&proxy.config.group_headers),
            extra,
        })
    }
}

impl FrontProxy {
    fn trusts(&self, peer: &Peer) -> bool {
        if peer.chain.is_empty() || !verified(&self.verifier, &peer.chain) {
            return false;
        }
        let names = &self.config.allowed_names;
        names.is_empty() || subject(&peer.chain[0]).is_some_and(|user| names.contains(&user.name))
    }
}

fn verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(file)? {
        roots.add(cert).with_context(|| {
            format!("{} holds a certificate that cannot be a CA", file.display())
        })?;
    }
    WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .map(|v| v as Arc<dyn ClientCertVerifier>)
        .with_context(|| format!("cannot use the CA in {}", file.display()))
}

fn verified(verifier: &Arc<dyn ClientCertVerifier>, chain: &[CertificateDer<'static>]) -> bool {
    verifier
        .verify_client_cert(&chain[0], &chain[1..], UnixTime::now())
        .is_ok()
}

/// CN is the user, each O a group; a certificate without CN is nobody.
fn subject(cert: &CertificateDer<'_>) -> Option<User> {
    let (_, cert) = x509_parser::parse_x509_certificate(cert).ok()?;
    let name = cert
        .subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()?
        .to_owned();
    let groups = cert
        .subject()
        .iter_organization()
        .filter_map(|o| o.as_str().ok())
        .map(str::to_owned)
        .collect();
    (!name.is_empty()).then(|| User {
        name,
        groups,
        ..User::default()
    })
}

/// The token of `Authorization: Bearer TOKEN`; None for other schemes and for an empty token.
fn bearer_token(header: &str) -> Option<&str> {
    let mut words = header.trim().splitn(3, ' ');
    let scheme = words.next()?;
    let token = words.next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;
