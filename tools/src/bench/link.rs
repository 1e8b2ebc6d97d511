//! The way to the server: connections over TLS with the kubeconfig's certificate, HTTP/2 as client-go speaks it (or HTTP/1.1),
//! and one call over them. A link belongs to one client of the load; links may share a connection as streams of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Mutex;

use crate::api::Client;

/// How long one call may take: client-go has no limit of its own, kube-apiserver's is a minute for all but watches.
const CALL_LIMIT: Duration = Duration::from_secs(120);
/// Flow control as Go's HTTP/2 client opens it (net/http transportDefaultStreamFlow, transportDefaultConnFlow).
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;

/// Which HTTP a load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// What went wrong with a call: the server refused it, or there was no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The answer's status; none when there was no whole answer.
    pub(crate) status: Option<u16>,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn lost(error: impl std::fmt::Display) -> Self {
        Self {
            status: None,
            text: format!("{error:#}"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// One request, before it knows its server.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) gzip: bool,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn get(path: String, accept: &'static str) -> Self {
        Self::with(Method::GET, path, accept, "", Bytes::new())
    }

    pub(crate) fn with(
        method: Method,
        path: String,
        accept: &'static str,
        content_type: &'static str,
        body: Bytes,
    ) -> Self {
        Self {
            method,
            path,
            accept,
            content_type,
            gzip: false,
            body,
        }
    }
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        }
    }
}

/// A connection that links share; dialled when first needed and again when it was lost.
pub(crate) struct Connection {
    client: Client,
    http: Http,
    sender: Mutex<Option<http2::SendRequest<Full<Bytes>>>>,
}

impl Connection {
    pub(crate) fn new(client: &Client, http: Http) -> Arc<Self> {
        let protocol: &[u8] = match http {
            Http::One => b"http/1.1",
            Http::Two => b"h2",
        };
        Arc::new(Self {
            client: client.offering(protocol),
            http,
            sender: Mutex::new(None),
        })
    }

    async fn sender(&self) -> Result<Sender, Failure> {
        if self.http == Http::One {
            let io = TokioIo::new(self.client.dial().await.map_err(Failure::lost)?);
            let (sender, connection) = http1::handshake(io).await.map_err(Failure::lost)?;
            tokio::spawn(connection);
            return Ok(Sender::One(sender));
        }
        let mut shared = self.sender.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(Sender::Two(sender.clone()));
        }
        let io = TokioIo::new(self.client.dial().await.map_err(Failure::lost)?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(io)
            .await
            .map_err(Failure::lost)?;
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(Sender::Two(sender))
    }
}

/// One client's way to the server.
pub(crate) struct Link {
    connection: Arc<Connection>,
    sender: Option<Sender>,
}

impl Link {
    pub(crate) fn over(connection: &Arc<Connection>) -> Self {
        Self {
            connection: connection.clone(),
            sender: None,
        }
    }

    /// Dials, so that no measured call has to.
    pub(crate) async fn open(&mut self) -> Result<(), Failure> {
        if self.sender.as_ref().is_none_or(Sender::is_closed) {
            self.sender = Some(self.connection.sender().await?);
        }
        Ok(())
    }

    /// The answer's head, once it is one of success; the body is yet to be read.
    pub(crate) async fn begin(&mut self, call: Call) -> Result<Response<Incoming>, Failure> {
        self.open().await?;
        let request = self.request(call)?;
        let answer = match self.sender.as_mut() {
            Some(Sender::One(sender)) => {
                sender.ready().await.map_err(Failure::lost)?;
                sender.send_request(request).await
            }
            Some(Sender::Two(sender)) => {
                sender.ready().await.map_err(Failure::lost)?;
                sender.send_request(request).await
            }
            None => return Err(Failure::lost("the connection was never opened")),
        };
        let answer = answer.map_err(Failure::lost)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(Failure::lost)?;
        let text: String = String::from_utf8_lossy(&body.to_bytes())
            .trim()
            .chars()
            .take(300)
            .collect();
        Err(Failure {
            status: Some(status.as_u16()),
            text: format!("{status}: {text}"),
        })
    }

    /// Calls and reads the answer's body away; how long it was on the wire.
    pub(crate) async fn drain(&mut self, call: Call) -> Result<u64, Failure> {
        let whole = async {
            let mut body = self.begin(call).await?.into_body();
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(Failure::lost)?;
                bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Ok(bytes)
        };
        limited(whole).await
    }

    /// Calls and keeps the answer's body.
    pub(crate) async fn fetch(&mut self, call: Call) -> Result<Bytes, Failure> {
        let whole = async {
            let body = self.begin(call).await?.into_body();
            Ok(body.collect().await.map_err(Failure::lost)?.to_bytes())
        };
        limited(whole).await
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Failure> {
        let client = &self.connection.client;
        let uri = match self.connection.http {
            Http::One => call.path,
            Http::Two => format!("https://{}{}", client.authority(), call.path),
        };
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header("accept", call.accept)
            .header("user-agent", "triadctl-bench");
        if self.connection.http == Http::One {
            request = request.header("host", client.authority());
        }
        if !call.content_type.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        if call.gzip {
            request = request.header("accept-encoding", "gzip");
        }
        if let Some(bearer) = client.bearer() {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        request.body(Full::new(call.body)).map_err(Failure::lost)
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let within = tokio::time::timeout(CALL_LIMIT, call).await;
    within.unwrap_or_else(|_| Err(Failure::lost("no answer in time")))
}
