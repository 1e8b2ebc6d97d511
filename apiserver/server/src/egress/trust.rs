//! Whom a call trusts: the CAs given, or else the system's. As in Go, a certificate that is itself among them is trusted, too.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Where systems keep the CAs that they trust (Go's crypto/x509/root_linux.go).
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a caller shows and whom it believes.
#[derive(Default)]
pub(crate) struct Trust {
    /// PEM; empty stands for the system's.
    pub(crate) ca: Vec<u8>,
    pub(crate) insecure: bool,
    /// Certificates and key, PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why there is no way to trust anybody.
type TrustError = String;

impl Trust {
    pub(crate) fn of_ca(pem: Vec<u8>) -> Self {
        Trust {
            ca: pem,
            ..Trust::default()
        }
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let verifier = Arc::new(Verifier::new(&self.ca, self.insecure)?);
        let builder = ClientConfig::builder_with_provider(verifier.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| format!("no private key: {error}"))?;
                let own = pem(certificates)?;
                builder
                    .with_client_auth_cert(own, key)
                    .map_err(|error| error.to_string())?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    certificates.map_err(|error| format!("unable to load root certificates: {error}"))
}

fn system() -> Vec<u8> {
    let found = SYSTEM.iter().find_map(|file| std::fs::read(file).ok());
    found.unwrap_or_default()
}

#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
    insecure: bool,
}

impl Verifier {
    fn new(ca: &[u8], insecure: bool) -> Result<Self, TrustError> {
        let given = !ca.is_empty();
        let roots = if given { pem(ca)? } else { pem(&system())? };
        if given && roots.is_empty() {
            return Err(
                "unable to load root certificates: unable to parse bytes as PEM block".to_owned(),
            );
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let inner = match store.is_empty() {
            true => None,
            false => {
                let builder =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Verifier {
            inner,
            roots,
            provider,
            insecure,
        })
    }

    /// The certificate is one of those trusted, is valid now and names the server.
    fn is_root(
        &self,
        end: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<bool, Error> {
        if !self.roots.iter().any(|root| root.as_ref() == end.as_ref()) {
            return Ok(false);
        }
        let (_, parsed) =
            x509_parser::parse_x509_certificate(end).map_err(|_| CertificateError::BadEncoding)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        if seconds > validity.not_after.timestamp() || seconds < validity.not_before.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(end)?, name)?;
        Ok(true)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.insecure || self.is_root(end, name, now)? {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.inner {
            Some(inner) => inner.verify_server_cert(end, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What went wrong in a handshake, as Go says it.
pub(crate) fn shown(error: &std::io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    let why = match inner {
        // The second where another authority bears the same name.
        Some(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "x509: certificate signed by unknown authority",
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "x509: certificate has expired or is not yet valid",
        Some(Error::InvalidCertificate(other)) => {
            return format!("tls: failed to verify certificate: x509: {other:?}");
        }
        _ => return error.to_string(),
    };
    format!("tls: failed to verify certificate: {why}")
}
