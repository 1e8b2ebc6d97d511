//! A small HTTP client for a member that is about to join: it trusts nothing but the CA whose fingerprint it was given.

use super::fingerprint;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

const CALL_LIMIT: Duration = Duration::from_secs(40);
const MAX_ANSWER: usize = 1 << 20;
pub(super) const PROOF: &str = "triad-join-token";

/// A way to one API address of the cluster, secured by the CA that was pinned.
pub(super) struct Pinned {
    endpoint: String,
    tls: Arc<ClientConfig>,
}

impl Pinned {
    /// Fetches the CA without trust, and trusts it if it is the one that was asked for.
    pub(super) async fn connect(endpoint: &str, pin: &str) -> Result<Self> {
        let open = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified))
            .with_no_client_auth();
        let unverified = Self {
            endpoint: endpoint.to_owned(),
            tls: Arc::new(open),
        };
        let pem = unverified
            .call(Method::GET, super::join::CA_PATH, None, Bytes::new())
            .await?;
        let ca = CertificateDer::from_pem_slice(&pem)
            .map_err(|e| anyhow!("{endpoint} answers with no CA certificate: {e}"))?;
        if fingerprint(&ca) != pin {
            bail!(
                "{endpoint} shows a CA that is not the one of the token: something else answers there, or the cluster's CA was replaced since the token was made"
            );
        }
        let mut roots = RootCertStore::empty();
        roots
            .add(ca)
            .context("the cluster's CA certificate cannot be used")?;
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            endpoint: endpoint.to_owned(),
            tls: Arc::new(tls),
        })
    }

    /// One call; its answer when that is a 200, else an error with the server's words.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        proof: Option<&str>,
        body: Bytes,
    ) -> Result<Bytes> {
        let answer = timeout(CALL_LIMIT, self.exchange(method, path, proof, body)).await;
        answer
            .map_err(|_| anyhow!("{} does not answer in time", self.endpoint))?
            .with_context(|| format!("asking {}", self.endpoint))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        proof: Option<&str>,
        body: Bytes,
    ) -> Result<Bytes> {
        let stream = TcpStream::connect(&self.endpoint).await?;
        let host = self
            .endpoint
            .rsplit_once(':')
            .map_or(self.endpoint.as_str(), |(host, _)| host);
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host)?;
        let stream = tokio_rustls::TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.endpoint);
        if let Some(proof) = proof {
            request = request.header(PROOF, proof);
        }
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        driver.abort();
        let body = body.map_err(|e| anyhow!("{e}"))?.to_bytes();
        if status != StatusCode::OK {
            bail!("{status}: {}", String::from_utf8_lossy(&body).trim());
        }
        Ok(body)
    }
}

/// Accepts any certificate: only to fetch the one whose fingerprint is then compared.
#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
