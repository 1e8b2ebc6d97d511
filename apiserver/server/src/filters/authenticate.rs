//! Who makes a request: client certificate, then password or bearer token, then anonymous (apiserver pkg/authentication/request).
//!
//! A request with a certificate or token that proves nothing is 401; one without any is anonymous where that is on.

mod bootstrap_token;
mod certificate;
pub(crate) mod configuration;
mod jwt;
mod socket_token;
mod user_file;
pub(crate) mod webhook;

use crate::filters::following::follow;
use crate::filters::request_info::RequestInfo;
use crate::options::{Config, RequestHeader};
use crate::service_accounts::{Tokens, Told};
use crate::user::User;
use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use certificate::subject::subject;
use certificate::{Authority, Proved};
use configuration::Configured;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::RwLock;
use rustls::pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use user_file::{Passwords, read_tokens};
use webhook::Webhook;

/// What the connection proved: its client certificate chain, and what was found out of it.
pub(crate) struct Peer {
    pub(crate) address: std::net::SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    proved: RwLock<Option<Proved>>,
    /// The connection came in where no proof is asked for.
    pub(crate) trusted: bool,
}

impl Peer {
    pub(crate) fn new(address: std::net::SocketAddr, chain: Vec<CertificateDer<'static>>) -> Self {
        Peer {
            address,
            chain,
            proved: RwLock::new(None),
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
    client_ca: Authority,
    front_proxy: Option<FrontProxy>,
    static_tokens: HashMap<String, User>,
    passwords: Option<Passwords>,
    takes_bootstrap_tokens: bool,
    pub(crate) tokens: Tokens,
    options: configuration::Options,
    configured: ArcSwap<Configured>,
    webhook: Option<Webhook>,
    /// The issuers of this server's own tokens.
    own_issuers: Vec<String>,
}

struct FrontProxy {
    authority: Authority,
    config: RequestHeader,
}

/// The request proved nothing that counts.
pub(crate) struct Unauthorized;

impl Authenticator {
    pub(crate) fn new(client_ca: &Path, tokens: Tokens, config: &Config) -> Result<Self> {
        let front_proxy = match &config.request_header {
            Some(header) => Some(FrontProxy {
                authority: Authority::read(&header.ca_file)?,
                config: header.clone(),
            }),
            None => None,
        };
        let options = config.authentication.clone();
        let own_issuers = config.service_accounts.issuers.clone();
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
        if config.basic_auth_file.is_some() {
            tracing::warn!(
                "--basic-auth-file: passwords are sent with every request and never change by themselves; tokens and certificates serve better"
            );
        }
        let webhook = config.token_webhook.as_ref().map(Webhook::new).transpose();
        Ok(Authenticator {
            options,
            configured: ArcSwap::new(configured),
            webhook: webhook
                .map_err(|why| anyhow!("--authentication-token-webhook-config-file: {why}"))?,
            own_issuers,
            client_ca: Authority::read(client_ca)?,
            passwords: config
                .basic_auth_file
                .as_deref()
                .map(Passwords::read)
                .transpose()?,
            takes_bootstrap_tokens: config.bootstrap_tokens,
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

    /// Follows the files of CAs and of issuers. What is wrong with a new text leaves what was in force in place.
    pub(crate) async fn follow(&self) {
        let proxy = async {
            if let Some(proxy) = &self.front_proxy {
                proxy.authority.follow("front proxy's CA").await;
            }
        };
        tokio::join!(
            self.client_ca.follow("client CA"),
            proxy,
            self.follow_issuers()
        );
    }

    async fn follow_issuers(&self) {
        let Some(file) = self.options.config_file.clone() else {
            return;
        };
        follow(&file, "authentication configuration", |text| {
            let configured = configuration::of_file(text, &self.options, &self.own_issuers)?;
            let configured = Arc::new(configured);
            configured.begin();
            self.configured.store(configured);
            Ok(())
        })
        .await;
    }

    /// Waits for other servers, where tokens are theirs. What is to be said of the proof is added to `told`.
    pub(crate) async fn authenticate(
        &self,
        peer: &Peer,
        headers: &mut HeaderMap,
        info: &RequestInfo,
        told: &mut Told,
    ) -> Result<User, Unauthorized> {
        if let Some(user) = self.by_front_proxy(peer, headers) {
            return Ok(user.authenticated());
        }
        if !peer.chain.is_empty()
            && let Some(user) = self.by_certificate(peer)
        {
            return Ok(user.authenticated());
        }
        let given = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let basic = self.passwords.as_ref().zip(given);
        if let Some(proved) = basic.and_then(|(passwords, given)| passwords.check(given)) {
            headers.remove(AUTHORIZATION);
            return proved.map(User::authenticated).ok_or(Unauthorized);
        }
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(bearer_token)
            .map(str::to_owned);
        // The token goes no further than this: neither handlers nor logs see it.
        let token = match bearer {
            Some(token) => {
                headers.remove(AUTHORIZATION);
                Some(token)
            }
            None => socket_token::take_token(headers)?,
        };
        if let Some(token) = token {
            let reviewed = self.review_token(&token, &[], told).await;
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
    /// what is wrong. The order is upstream's: the file, this server's own tokens, bootstrap tokens, other issuers, the webhook.
    pub(crate) async fn review_token(
        &self,
        token: &str,
        audiences: &[String],
        told: &mut Told,
    ) -> Result<(User, Vec<String>), String> {
        let mut errors = vec!["invalid bearer token".to_owned()];
        if let Some(user) = self.static_tokens.get(token)
            && let Some(matching) = self.agnostic(audiences)
        {
            return Ok((user.clone().authenticated(), matching));
        }
        match self.tokens.check(token, audiences, told) {
            Some(Ok((user, matching))) => return Ok((user.authenticated(), matching)),
            Some(Err(why)) => errors.push(why),
            None => {}
        }
        if let Some(user) = self.by_bootstrap_token(token)
            && let Some(matching) = self.agnostic(audiences)
        {
            return Ok((user.authenticated(), matching));
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

    fn by_bootstrap_token(&self, token: &str) -> Option<User> {
        let name = bootstrap_token::secret_of(token).filter(|_| self.takes_bootstrap_tokens)?;
        let secret = self
            .tokens
            .bound_object("Secret", bootstrap_token::NAMESPACE, &name)?;
        bootstrap_token::user(token, &secret)
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
        let known = peer.proved.read().clone();
        let proved = self.client_ca.user(&peer.chain, known.as_ref());
        *peer.proved.write() = Some(proved.clone());
        proved.into_user()
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
                .filter_map(super::header_text)
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
                let key = header.as_str().strip_prefix(&prefix);
                if let (Some(key), Some(value)) = (key, super::header_text(value)) {
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
        if peer.chain.is_empty() || !self.authority.vouches_for(&peer.chain) {
            return false;
        }
        let names = &self.config.allowed_names;
        names.is_empty() || subject(&peer.chain[0]).is_some_and(|user| names.contains(&user.name))
    }
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
