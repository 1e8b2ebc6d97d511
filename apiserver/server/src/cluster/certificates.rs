//! Certificates among members: an authority of its own (DATA/pki/peer-ca.{crt,key}), apart from that of the API's clients,
//! and this member's pair, which is kept in memory and made anew long before it ends.

use crate::pki::Authority;
use anyhow::{Context, Result};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use triad_kv::{PeerTls, durable, peer_name};

/// How long a member's pair is good, and how early it is made anew; connections that are open go on.
const VALID: Duration = Duration::days(90);
const RENEW_BEFORE: Duration = Duration::days(60);

pub(crate) struct Certificates {
    authority: Authority,
    roots: Arc<RootCertStore>,
    current: Mutex<Option<Pair>>,
}

#[derive(Clone)]
struct Pair {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    expires: OffsetDateTime,
}

impl Certificates {
    /// Opens the members' authority, or makes it.
    pub(crate) fn prepare(pki: &Path) -> Result<Self> {
        durable::make_dirs(pki)
            .with_context(|| format!("cannot make the PKI directory {}", pki.display()))?;
        let authority = Authority::open_or_make(pki, "peer-ca", "triad-peer-ca")?;
        let mut roots = RootCertStore::empty();
        for cert in crate::tls::certificates(&authority.cert_path)? {
            roots
                .add(cert)
                .with_context(|| format!("{} cannot be a CA", authority.cert_path.display()))?;
        }
        Ok(Self {
            authority,
            roots: Arc::new(roots),
            current: Mutex::default(),
        })
    }

    /// When this member's pair ends; none is made before there is a second member.
    pub(crate) fn expires(&self) -> Option<OffsetDateTime> {
        self.current.lock().as_ref().map(|pair| pair.expires)
    }

    fn pair(&self, own: u64) -> Pair {
        let mut current = self.current.lock();
        let now = OffsetDateTime::now_utc();
        if let Some(pair) = current
            .as_ref()
            .filter(|pair| now < pair.expires - RENEW_BEFORE)
        {
            return pair.clone();
        }
        // The authority was read and its key checked when it was opened: what is left cannot fail.
        let pair = self
            .make(own, now)
            .expect("a certificate can be signed with a key that was read");
        *current = Some(pair.clone());
        pair
    }

    fn make(&self, own: u64, now: OffsetDateTime) -> Result<Pair> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![peer_name(own)])?;
        params.not_before = now - Duration::hours(1);
        params.not_after = now + VALID;
        let cert = self.authority.sign(&params, &key)?;
        let chain: Vec<CertificateDer<'static>> = vec![cert];
        let private = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls13 = &[&rustls::version::TLS13];
        let mut client = ClientConfig::builder_with_protocol_versions(tls13)
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(chain.clone(), private())?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        let verifier = WebPkiClientVerifier::builder(self.roots.clone()).build()?;
        let mut server = ServerConfig::builder_with_protocol_versions(tls13)
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, private())?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Pair {
            client: Arc::new(client),
            server: Arc::new(server),
            expires: now + VALID,
        })
    }
}

impl PeerTls for Certificates {
    fn client(&self, own: u64) -> Arc<ClientConfig> {
        self.pair(own).client
    }

    fn server(&self, own: u64) -> Arc<ServerConfig> {
        self.pair(own).server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_outlives_the_process_and_the_pair_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Certificates::prepare(dir.path()).unwrap();
        assert!(first.expires().is_none());
        let pair = first.server(7);
        assert!(Arc::ptr_eq(&pair, &first.server(7)));
        let left = first.expires().unwrap() - OffsetDateTime::now_utc();
        assert!(left > Duration::days(89) && left <= VALID);
        let again = Certificates::prepare(dir.path()).unwrap();
        assert_eq!(
            again.roots.roots[0].subject_public_key_info,
            first.roots.roots[0].subject_public_key_info
        );
    }
}
