//! Who makes a request: client certificate, then bearer token, then anonymous (apiserver pkg/authentication/request).
//!
//! A request with a certificate or token that proves nothing is 401; one without any is anonymous where that is on.

use crate::options::{Config, RequestHeader};
use crate::service_accounts::Tokens;
use crate::tls::certificates;
use crate::user::User;
use anyhow::{Context, Result, anyhow};
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
    anonymous: bool,
}

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
        Ok(Authenticator {
            client_ca: Some(verifier(client_ca)?),
            front_proxy,
            tokens,
            static_tokens: config
                .token_auth_file
                .as_deref()
                .map(read_tokens)
                .transpose()?
                .unwrap_or_default(),
            anonymous: config.anonymous_auth,
        })
    }

    pub(crate) fn authenticate(
        &self,
        peer: &Peer,
        headers: &mut HeaderMap,
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
            return self.by_token(&token).ok_or(Unauthorized);
        }
        if !peer.chain.is_empty() && !self.front_proxy_trusts(peer) {
            return Err(Unauthorized);
        }
        if self.anonymous {
            Ok(User::anonymous())
        } else {
            Err(Unauthorized)
        }
    }

    /// The user that a bearer token stands for.
    pub(crate) fn by_token(&self, token: &str) -> Option<User> {
        self.review_token(token, &[]).ok().map(|(user, _)| user)
    }

    /// The same for given audiences (none: this server's own), with those that fit. The error says what is wrong.
    pub(crate) fn review_token(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), String> {
        const INVALID: &str = "invalid bearer token";
        if let Some(user) = self.static_tokens.get(token) {
            let own = self.tokens.audiences();
            let matching: Vec<String> = match audiences {
                [] => own.to_vec(),
                asked => asked
                    .iter()
                    .filter(|audience| own.contains(audience))
                    .cloned()
                    .collect(),
            };
            return if matching.is_empty() {
                Err(INVALID.to_owned())
            } else {
                Ok((user.clone().authenticated(), matching))
            };
        }
        match self.tokens.check(token, audiences) {
            Some(Ok((user, matching))) => Ok((user.authenticated(), matching)),
            Some(Err(why)) => Err(format!("[{INVALID}, {why}]")),
            None => Err(INVALID.to_owned()),
        }
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

/// Reads a token file: token,user,uid[,"group1,group2"] a line (apiserver pkg/authentication/token/tokenfile).
fn read_tokens(path: &Path) -> Result<HashMap<String, User>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --token-auth-file {}", path.display()))?;
    let mut tokens = HashMap::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
    {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = csv_fields(line);
        if fields.len() < 3 {
            return Err(anyhow!(
                "--token-auth-file {} line {number}: expected at least 3 columns (token, user name, user uid), found {}",
                path.display(),
                fields.len()
            ));
        }
        if fields[0].is_empty() {
            return Err(anyhow!(
                "--token-auth-file {} line {number}: empty token",
                path.display()
            ));
        }
        let groups = fields.get(3).map_or_else(Vec::new, |groups| {
            groups
                .split(',')
                .map(str::trim)
                .filter(|g| !g.is_empty())
                .map(str::to_owned)
                .collect()
        });
        tokens.insert(
            fields[0].clone(),
            User {
                name: fields[1].clone(),
                uid: fields[2].clone(),
                groups,
                ..User::default()
            },
        );
    }
    Ok(tokens)
}

fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => push(&mut fields, c),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

fn push(fields: &mut [String], c: char) {
    if let Some(field) = fields.last_mut() {
        field.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_lines() {
        assert_eq!(
            csv_fields(r#"t,alice,uid,"a,b""#),
            ["t", "alice", "uid", "a,b"]
        );
        assert_eq!(csv_fields(r#"t, "x ""y""",u"#), ["t", r#"x "y""#, "u"]);
    }

    #[test]
    fn bearer() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer abc"), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
        assert_eq!(bearer_token("Bearer "), None);
        assert_eq!(bearer_token("Bearer"), None);
    }
}
