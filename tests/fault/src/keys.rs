//! Certificates of members that run in several processes: one for all of them, kept in files. Who is who among members is
//! not what these tests are about.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use triad_kv::{PeerTls, peer_name};

const FILES: [&str; 3] = ["authority.der", "members.der", "members.key"];

/// Lets any member be any member.
pub struct Keys {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Keys {
    /// Makes an authority and the members' certificate, and keeps them in a directory.
    ///
    /// # Panics
    /// When they cannot be made or kept.
    pub fn make(dir: &Path) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, authority).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let name = peer_name(0);
        let (_, zone) = name.split_once('.').expect("a name with a zone");
        let name = format!("*.{zone}");
        let params = CertificateParams::new(vec![name]).expect("a name");
        let members = params.signed_by(&key, &*authority).expect("a certificate");
        let parts = [authority.der(), members.der()].map(|der| der.to_vec());
        for (file, bytes) in FILES
            .iter()
            .zip([&parts[0], &parts[1], &key.serialize_der()])
        {
            std::fs::write(dir.join(file), bytes).expect("a file is written");
        }
    }

    /// Reads what was kept.
    ///
    /// # Panics
    /// When it is not what was made.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let read = |file| std::fs::read(dir.join(file)).expect("a file is read");
        let [authority, members, key] = FILES.map(read);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from(authority);
        roots.add(authority).expect("an authority");
        let roots = Arc::new(roots);
        let chain = vec![CertificateDer::from(members)];
        let key = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone()));
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key())
            .expect("a certificate");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(chain, key())
            .expect("a certificate");
        server.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            client: Arc::new(client),
            server: Arc::new(server),
        }
    }
}

impl PeerTls for Keys {
    fn client(&self, _own: u64) -> Arc<ClientConfig> {
        self.client.clone()
    }

    fn server(&self, _own: u64) -> Arc<ServerConfig> {
        self.server.clone()
    }
}
