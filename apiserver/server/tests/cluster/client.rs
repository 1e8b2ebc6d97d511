//! A client of one member that keeps its connection: what a call did is one of done, refused, or unknown.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);
/// How long a call is tried that has to succeed.
const PATIENCE: Duration = Duration::from_secs(120);
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

pub(crate) struct Client {
    endpoint: String,
    tls: Arc<ClientConfig>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// Why there is no answer of the server.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It never left.
    Unsent,
    /// It may have been carried out.
    Unknown,
}

impl Client {
    pub(crate) fn new(endpoint: &str, pki: &Path) -> Self {
        let chain = vec![CertificateDer::from_pem_file(pki.join("admin.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(pki.join("admin.key")).unwrap();
        let tls = trusting(pki).with_client_auth_cert(chain, key).unwrap();
        Self::over(endpoint, tls)
    }

    /// Without a certificate: what proves something is said in headers.
    pub(crate) fn anonymous(endpoint: &str, pki: &Path) -> Self {
        Self::over(endpoint, trusting(pki).with_no_client_auth())
    }

    fn over(endpoint: &str, tls: ClientConfig) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            tls: Arc::new(tls),
            open: None,
        }
    }

    /// A client of the same member with no connection.
    pub(crate) fn anew(self) -> Self {
        Self { open: None, ..self }
    }

    /// One call; status and JSON body of whatever the server answers.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Lost> {
        let answered = timeout(LIMIT, self.exchange(method, path, body)).await;
        let outcome = answered.unwrap_or(Err(Lost::Unknown));
        if outcome.is_err() {
            self.open = None;
        }
        outcome
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Lost> {
        let response = self.send(method, path, body).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await;
        let bytes = bytes.map_err(|_| Lost::Unknown)?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Sends a request and returns when the answer begins.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<hyper::Response<Incoming>, Lost> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = [("content-type", "application/json")];
        self.send_with(method, path, &kind, body).await
    }

    /// The same with headers and a body of one's choice.
    pub(crate) async fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<hyper::Response<Incoming>, Lost> {
        if self.open.as_ref().is_none_or(SendRequest::is_closed) {
            let connected = timeout(CONNECT_LIMIT, self.connect()).await;
            self.open = Some(connected.ok().flatten().ok_or(Lost::Unsent)?);
        }
        let sender = self.open.as_mut().ok_or(Lost::Unsent)?;
        sender.ready().await.map_err(|_| Lost::Unsent)?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.endpoint);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        sender
            .send_request(request)
            .await
            .map_err(|_| Lost::Unknown)
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.endpoint).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let host = self.endpoint.split(':').next()?.to_owned();
        let name = ServerName::try_from(host).ok()?;
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await.ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    /// A call that has to succeed in the end: on a busy machine who leads may change at any moment.
    pub(crate) async fn insist(mut self, method: &str, path: &str, body: &Value) -> Value {
        let began = Instant::now();
        let (mut method, mut path) = (method, path.to_owned());
        loop {
            match self.call(method, &path, Some(body)).await {
                Ok((200..=299, answer)) => return answer,
                // Made before the answer was lost.
                Ok((409, _)) if method == "POST" => {
                    let name = body["metadata"]["name"].as_str().expect("a name");
                    (method, path) = ("GET", format!("{path}/{name}"));
                }
                Ok((429 | 500.., _)) | Err(_) if began.elapsed() < PATIENCE => {}
                other => panic!("{method} {path}: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// One call that succeeds, or why it does not.
    pub(crate) async fn json(
        mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, String> {
        match self.call(method, path, Some(body)).await {
            Ok((200..=299, answer)) => Ok(answer),
            other => Err(format!("{method} {path}: {other:?}")),
        }
    }

    pub(crate) async fn ready(mut self) -> bool {
        matches!(self.call("GET", "/readyz", None).await, Ok((200, _)))
    }
}

fn trusting(pki: &Path) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pki.join("ca.crt")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}
