//! Calls to others over HTTPS (or HTTP, where a file says so): one request, one answer, bounded in time and size, no redirect followed. What goes wrong reads as in
//! Go, since it is shown to clients.

pub(crate) mod kubeconfig;
mod patience;
pub(crate) mod service;
mod trust;

pub(crate) use patience::{Patience, post_patiently};
pub(crate) use trust::Trust;
pub(crate) use trust::shown as tls_error;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 3 << 20;

/// Whom to call.
#[derive(Clone)]
pub(crate) struct Target {
    /// As it is shown in errors, with scheme, host and path.
    pub(crate) url: String,
    /// What is dialled, where that is not the URL's host: host and port.
    pub(crate) dialled: Option<(String, u16)>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) bearer: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// Waits for an answer where nobody can: other work of this thread goes on on one that is made for that.
pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| runtime.block_on(answer))
}

/// Asks for what a URL has. The error tells what went wrong, with the URL.
pub(crate) async fn get(target: &Target, within: Duration) -> Result<Answer, String> {
    let url = &target.url;
    let done = tokio::time::timeout(within, exchange(target, url, None)).await;
    let result = done.unwrap_or_else(|_| Err("context deadline exceeded".to_owned()));
    result.map_err(|why| format!("Get {url:?}: {why}"))
}

/// Posts JSON. `query` is put behind the URL. The error tells what went wrong, with the URL.
pub(crate) async fn post(
    target: &Target,
    query: &str,
    body: Vec<u8>,
    within: Duration,
) -> Result<Answer, String> {
    let url = if query.is_empty() {
        target.url.clone()
    } else {
        format!("{}?{query}", target.url)
    };
    let done = tokio::time::timeout(within, exchange(target, &url, Some(body))).await;
    let result = done.unwrap_or_else(|_| Err("context deadline exceeded".to_owned()));
    result.map_err(|why| format!("Post {url:?}: {why}"))
}

async fn exchange(target: &Target, url: &str, body: Option<Vec<u8>>) -> Result<Answer, String> {
    let uri: Uri = url
        .parse()
        .map_err(|error| format!("unparsable URL: {error}"))?;
    let host = uri.host().ok_or("no host in request URL")?.to_owned();
    let plain = uri.scheme_str() == Some("http");
    let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
    let bare = host.trim_matches(['[', ']']).to_owned();
    let (to, to_port) = target
        .dialled
        .clone()
        .unwrap_or_else(|| (bare.clone(), port));
    let stream = dial(&to, to_port).await?;
    if plain {
        return over(stream, target, &uri, body).await;
    }
    let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
    let tls = TlsConnector::from(target.tls.clone())
        .connect(name, stream)
        .await;
    over(
        tls.map_err(|error| trust::shown(&error))?,
        target,
        &uri,
        body,
    )
    .await
}

async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    target: &Target,
    uri: &Uri,
    body: Option<Vec<u8>>,
) -> Result<Answer, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends with the request: the sender is dropped then.
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a called server ended its connection");
        }
    });
    let answer = send(&mut sender, target, uri, body).await;
    driver.abort();
    answer
}

/// Connects. The error reads as in Go.
pub(crate) async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let connected = TcpStream::connect((host, port)).await;
    connected.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            std::io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
            _ if error.raw_os_error().is_none() => format!("lookup {host}: no such host"),
            _ => format!("connect: {error}"),
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        format!("dial tcp {host}:{port}: {why}")
    })
}

async fn send(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    target: &Target,
    uri: &Uri,
    body: Option<Vec<u8>>,
) -> Result<Answer, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let request = match &body {
        None => Request::get(path),
        Some(_) => Request::post(path).header(CONTENT_TYPE, "application/json"),
    };
    let mut request = request
        .header(HOST, authority)
        .header(USER_AGENT, "kube-apiserver-admission")
        .header(ACCEPT, "application/json, */*")
        .header("accept-encoding", "gzip");
    if let Some(token) = &target.bearer {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| error.to_string())?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await;
    let body = body
        .map_err(|error| format!("cannot read the answer: {error}"))?
        .to_bytes();
    let header = |name: http::HeaderName| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("").to_owned()
    };
    let zipped = header(http::header::CONTENT_ENCODING) == "gzip";
    Ok(Answer {
        code: head.status.as_u16(),
        content_type: header(CONTENT_TYPE),
        body: if zipped { unzipped(&body)? } else { body },
    })
}

fn unzipped(body: &[u8]) -> Result<Bytes, String> {
    use std::io::Read as _;
    let mut out = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body).take(LONGEST_ANSWER as u64 + 1);
    reader
        .read_to_end(&mut out)
        .map_err(|error| format!("gzip: {error}"))?;
    if out.len() > LONGEST_ANSWER {
        return Err("the answer is too large".to_owned());
    }
    Ok(out.into())
}
