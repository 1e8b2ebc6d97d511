//! Certificates of members for tests: signed once, by an authority made on the spot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

type Pair = (Arc<ClientConfig>, Arc<ServerConfig>);
pub(crate) type Authority = Arc<CertifiedIssuer<'static, KeyPair>>;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
}

pub(crate) struct Tls {
    signed_by: Authority,
    /// Whose signature is believed in others.
    trusted: Authority,
    /// What a member is called in its certificate.
    name: fn(u64) -> String,
    made: Mutex<HashMap<u64, Pair>>,
}

impl Tls {
    pub(crate) fn new(signed_by: &Authority, trusted: &Authority, name: fn(u64) -> String) -> Self {
        Self {
            signed_by: signed_by.clone(),
            trusted: trusted.clone(),
            name,
            made: Mutex::default(),
        }
    }

    fn of(&self, node: u64) -> Pair {
        let mut made = self.made.lock().unwrap();
        made.entry(node).or_insert_with(|| self.make(node)).clone()
    }

    fn make(&self, node: u64) -> Pair {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![(self.name)(node)]).unwrap();
        let certificate = params.signed_by(&key, &*self.signed_by).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.der().clone()).unwrap();
        let roots = Arc::new(roots);
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key())
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec()];
        (Arc::new(client), Arc::new(server))
    }
}

impl triad_raft::PeerTls for Tls {
    fn client(&self, own: u64) -> Arc<ClientConfig> {
        self.of(own).0
    }

    fn server(&self, own: u64) -> Arc<ServerConfig> {
        self.of(own).1
    }
}
