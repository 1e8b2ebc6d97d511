//! Clients that shake hands as they are told to, and say what came of it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, version};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks for; all that it can do where nothing is said.
#[derive(Clone, Default)]
pub(super) struct Asked<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) tls12: bool,
    pub(super) suite: Option<&'a str>,
    pub(super) group: Option<u16>,
}

impl<'a> Asked<'a> {
    pub(super) fn name(name: &'a str) -> Self {
        Asked {
            name: Some(name),
            ..Asked::default()
        }
    }

    fn config(&self) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(name) = self.suite {
            let wanted =
                |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()) == name;
            provider.cipher_suites.retain(wanted);
        }
        if let Some(number) = self.group {
            provider.kx_groups = aws_lc_rs::ALL_KX_GROUPS.to_vec();
            let wanted = |group: &&'static dyn rustls::crypto::SupportedKxGroup| {
                u16::from(group.name()) == number
            };
            provider.kx_groups.retain(wanted);
        }
        let versions: &[_] = match self.tls12 {
            true => &[&version::TLS12],
            false => &[&version::TLS13, &version::TLS12],
        };
        let provider = Arc::new(provider);
        let config = ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(versions).expect("versions");
        config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Any(provider)))
            .with_no_client_auth()
    }
}

#[derive(Debug)]
pub(super) struct Shaken {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) suite: String,
    pub(super) group: u16,
}

/// Shakes hands; why not, where it comes to nothing.
pub(super) async fn shake(port: SocketAddr, asked: Asked<'_>) -> Result<Shaken, String> {
    let name = match asked.name {
        Some(name) => ServerName::try_from(name.to_owned()).expect("a name"),
        // An address is no name: none is asked for.
        None => ServerName::from(port.ip()),
    };
    let connector = TlsConnector::from(Arc::new(asked.config()));
    let stream = TcpStream::connect(port).await.expect("connected");
    let shaken = tokio::time::timeout(PATIENCE, connector.connect(name, stream)).await;
    let shaken = shaken
        .expect("in time")
        .map_err(|error| error.to_string())?;
    let session = shaken.get_ref().1;
    let suite = session.negotiated_cipher_suite().expect("a suite").suite();
    let group = session.negotiated_key_exchange_group();
    Ok(Shaken {
        certificate: session.peer_certificates().expect("a chain")[0].clone(),
        suite: format!("{suite:?}"),
        group: group.map_or(0, |group| u16::from(group.name())),
    })
}

/// What `openssl s_client` says of a handshake; None where there is no openssl.
pub(super) async fn openssl(port: SocketAddr, args: &[&str]) -> Option<String> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let asked = tokio::task::spawn_blocking(move || {
        let asked = Command::new("timeout")
            .args(["60", "openssl", "s_client", "-brief", "-connect"])
            .arg(port.to_string())
            .args(args)
            .stdin(Stdio::null())
            .output();
        let asked = asked.ok()?;
        // `timeout` says so where there is no such program.
        if asked.status.code() == Some(127) {
            return None;
        }
        let said = [asked.stdout, asked.stderr].concat();
        Some(String::from_utf8_lossy(&said).into_owned())
    });
    asked.await.expect("no panic")
}

/// Takes whatever it is shown: which certificate that is shall be looked at.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
