//! A client of a running server: kubeconfig in, JSON out. It speaks to the paths under /triad/v1/ and, as any client may, to
//! the Kubernetes API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::client::TlsStream;
use triad_machinery::codec::yaml;

const CALL_LIMIT: Duration = Duration::from_secs(60);

/// One server, as a kubeconfig's current context names it.
#[derive(Clone)]
pub struct Client {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    bearer: Option<String>,
}

impl Client {
    /// Reads the kubeconfig: the one given, else KUBECONFIG, else the admin's own of a server on this machine.
    pub fn new(kubeconfig: Option<&Path>) -> Result<Self> {
        let path = kubeconfig
            .map(Path::to_path_buf)
            .or_else(|| std::env::var_os("KUBECONFIG").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("/var/lib/triad/admin.kubeconfig"));
        let read = std::fs::read(&path).with_context(|| {
            format!(
                "cannot read the kubeconfig {} (--kubeconfig or KUBECONFIG names another)",
                path.display()
            )
        })?;
        let config = yaml::to_value(&read)
            .map_err(|e| anyhow!("{} is no kubeconfig: {e}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        Self::from_config(&config, &base).with_context(|| format!("in {}", path.display()))
    }

    fn from_config(config: &Value, base: &Path) -> Result<Self> {
        let named = |list: &str, name: &Value| -> Result<Value> {
            let items = config[list]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let found = items.iter().find(|item| item["name"] == *name);
            found
                .map(|item| item[list.trim_end_matches('s')].clone())
                .ok_or_else(|| anyhow!("{list} has no {name}"))
        };
        let context = named("contexts", &config["current-context"])?;
        let cluster = named("clusters", &context["cluster"])?;
        let user = named("users", &context["user"])?;
        let server = cluster["server"].as_str().unwrap_or_default();
        let authority = server
            .strip_prefix("https://")
            .ok_or_else(|| anyhow!("the server {server:?} is no https:// address"))?;
        let authority: http::uri::Authority = authority
            .trim_end_matches('/')
            .parse()
            .with_context(|| format!("the server {server:?} is no address"))?;
        let mut roots = RootCertStore::empty();
        if let Some(pem) = data(&cluster, "certificate-authority", base)? {
            for cert in CertificateDer::pem_slice_iter(&pem) {
                roots.add(cert.map_err(|e| anyhow!("certificate-authority: {e}"))?)?;
            }
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let pair = (
            data(&user, "client-certificate", base)?,
            data(&user, "client-key", base)?,
        );
        let tls = match pair {
            (Some(cert), Some(key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
                let chain = chain.map_err(|e| anyhow!("client-certificate: {e}"))?;
                let key =
                    PrivateKeyDer::from_pem_slice(&key).map_err(|e| anyhow!("client-key: {e}"))?;
                builder.with_client_auth_cert(chain, key)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(443),
            tls: Arc::new(tls),
            bearer: user["token"].as_str().map(str::to_owned),
        })
    }

    /// One call and its JSON answer; the server's own words when it refuses.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = self.bytes(method, path, body)?;
        serde_json::from_slice(&bytes).context("the server's answer is no JSON")
    }

    /// One call and its answer as it is.
    pub fn bytes(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes> {
        Session::new(self)?.bytes(method, path, body)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TokioIo::new(self.dial().await?);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A connection to the server, up to and with TLS.
    pub(crate) async fn dial(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.host.clone())?;
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        Ok(connector.connect(name, stream).await?)
    }

    /// The same server, with one protocol of ALPN's to speak.
    pub(crate) fn offering(&self, protocol: &[u8]) -> Self {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        Self {
            tls: Arc::new(tls),
            ..self.clone()
        }
    }

    /// HOST:PORT as a request names it.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.bearer.as_deref()
    }
}

/// Calls that share one connection.
pub struct Session {
    client: Client,
    runtime: Runtime,
    sender: Option<SendRequest<Full<Bytes>>>,
    limit: Duration,
}

impl Session {
    pub fn new(client: &Client) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Self {
            client: client.clone(),
            runtime,
            sender: None,
            limit: CALL_LIMIT,
        })
    }

    /// For calls that take their time.
    pub(crate) fn patient(client: &Client, limit: Duration) -> Result<Self> {
        Ok(Self {
            limit,
            ..Self::new(client)?
        })
    }

    /// One call and its answer as it is; the server's own words when it refuses.
    pub fn bytes(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes> {
        let (client, sender) = (&self.client, &mut self.sender);
        let body: Bytes = body.map(Value::to_string).unwrap_or_default().into();
        let exchange = exchange(client, sender, method, path, body);
        let limit = self.limit;
        let limited = async { tokio::time::timeout(limit, exchange).await };
        let answer = self.runtime.block_on(limited);
        answer
            .map_err(|_| anyhow!("the server does not answer in time"))?
            .with_context(|| format!("asking {}:{}", client.host, client.port))
    }
}

async fn exchange(
    client: &Client,
    kept: &mut Option<SendRequest<Full<Bytes>>>,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes> {
    let mut sender = match kept.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => client.connect().await?,
    };
    sender.ready().await?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", client.authority())
        .header("accept", "application/json")
        .header("content-type", "application/json");
    if let Some(bearer) = &client.bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    let response = sender.send_request(request.body(Full::new(body))?).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    *kept = Some(sender);
    if status.is_success() {
        return Ok(bytes);
    }
    // A Status has its message; other refusals are plain text.
    let parsed: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = parsed["message"].as_str().map(str::to_owned);
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned());
    Err(Refused {
        status: status.as_u16(),
        text: format!("{status}: {text}"),
    }
    .into())
}

/// The server answered, and refused.
#[derive(Debug)]
struct Refused {
    status: u16,
    text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// The status that the server refused with; none when it did not answer.
#[must_use]
pub fn status(error: &anyhow::Error) -> Option<u16> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Refused>())
        .map(|refused| refused.status)
}

/// A field given inline (`NAME-data`, base64) or as a file, relative to the kubeconfig.
fn data(from: &Value, name: &str, base: &Path) -> Result<Option<Vec<u8>>> {
    if let Some(inline) = from[format!("{name}-data")].as_str() {
        let decoded = STANDARD.decode(inline);
        return Ok(Some(
            decoded.with_context(|| format!("{name}-data is no base64"))?,
        ));
    }
    match from[name].as_str() {
        None => Ok(None),
        Some(file) => {
            let path = base.join(file);
            let read = std::fs::read(&path);
            Ok(Some(read.with_context(|| {
                format!("cannot read {}", path.display())
            })?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(server: &str) -> Value {
        json!({"current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}]})
    }

    #[test]
    fn the_current_context_is_followed() {
        let client = Client::from_config(&config("https://[::1]:6443"), Path::new(".")).unwrap();
        assert_eq!((client.host.as_str(), client.port), ("::1", 6443));
        assert_eq!(client.bearer.as_deref(), Some("t"));
        assert!(Client::from_config(&config("http://a"), Path::new(".")).is_err());
        let mut lost = config("https://a");
        lost["current-context"] = "y".into();
        let error = Client::from_config(&lost, Path::new(".")).err().unwrap();
        assert!(
            error.to_string().contains("contexts has no \"y\""),
            "{error}"
        );
    }
}
