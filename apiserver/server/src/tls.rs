//! TLS of the secure port: certificates from files, client certificates verified when given, never demanded.

use anyhow::{Context, Result, anyhow};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Builds the server side of TLS. `client_cas` may sign client certificates.
pub(crate) fn server_config(
    pair: &(PathBuf, PathBuf),
    client_cas: &[PathBuf],
    http2: bool,
    tls13_only: bool,
) -> Result<rustls::ServerConfig> {
    let mut roots = RootCertStore::empty();
    for file in client_cas {
        for cert in certificates(file)? {
            roots.add(cert).with_context(|| {
                format!("{} holds a certificate that cannot be a CA", file.display())
            })?;
        }
    }
    let inner = WebPkiClientVerifier::builder(Arc::new(roots))
        .allow_unauthenticated()
        .build()
        .context("cannot use the client CA")?;
    let versions: &[&rustls::SupportedProtocolVersion] = if tls13_only {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let key = PrivateKeyDer::from_pem_file(&pair.1)
        .map_err(|e| anyhow!("{} holds no private key: {e}", pair.1.display()))?;
    let mut config = rustls::ServerConfig::builder_with_protocol_versions(versions)
        .with_client_cert_verifier(Arc::new(Lenient(inner)))
        .with_single_cert(certificates(&pair.0)?, key)
        .with_context(|| {
            format!(
                "{} and {} do not make a pair",
                pair.0.display(),
                pair.1.display()
            )
        })?;
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(config)
}

/// All certificates of a PEM file; an error when there is none.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(file).map_err(|e| anyhow!("cannot read {}: {e}", file.display()))?;
    certificates_of(&pem).with_context(|| file.display().to_string())
}

/// The same of a text.
pub(crate) fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|e| anyhow!("is not PEM: {e}"))?;
    match all.is_empty() {
        true => Err(anyhow!("holds no certificate")),
        false => Ok(all),
    }
}

/// Lets the handshake go on with a certificate that no CA signed: as upstream, the request is then answered 401.
/// The chain is verified again, per CA, when the request is authenticated.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        self.0.root_hint_subjects()
    }
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
