//! Connections to other members: dialled when they are needed, kept, and dialled anew once they
//! break. A peer that does not answer pings is given up within seconds, whatever TCP believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use prost::Message;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PeerTls, peer_name, wire};
use crate::{Identity, Member};

/// How long a connection may take to come about, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const PING_INTERVAL: Duration = Duration::from_millis(500);
const PING_LIMIT: Duration = Duration::from_millis(1500);
/// What may be on its way to a peer that does not read, for each stream and in all.
const WINDOW: u32 = 4 << 20;

pub(crate) const CLUSTER: &str = "triad-cluster";
pub(crate) const FROM: &str = "triad-from";
pub(crate) const TO: &str = "triad-to";

pub(super) type Outgoing = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Kinds of traffic that must not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Heartbeats, votes, read barriers: small and urgent.
    Urgent,
    /// Log entries.
    Log,
    /// Commands and questions on their way to the leader.
    Forward,
    /// Files of a state.
    Bulk,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It never left: nothing was done.
    Unsent(String),
    /// It may have been carried out.
    Unknown(String),
    /// The other side refused it before it did anything.
    Refused(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Unsent(why) | Self::Unknown(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

/// Makes connections in this member's name.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) identity: Identity,
    /// `None` where there is nobody to talk to.
    pub(crate) tls: Option<Arc<dyn PeerTls>>,
    /// The leader has said that this member is no longer one.
    pub(crate) removed: Arc<AtomicBool>,
}

impl Dialer {
    pub(crate) fn connection(&self, target: u64, member: &Member, class: Class) -> Connection {
        Connection {
            dialer: self.clone(),
            target,
            member: member.clone(),
            class,
            open: Arc::default(),
            lost: Arc::default(),
        }
    }
}

/// A way to one member for one kind of traffic; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    dialer: Dialer,
    pub(crate) target: u64,
    pub(crate) member: Member,
    class: Class,
    open: Arc<Mutex<Option<http2::SendRequest<Outgoing>>>>,
    /// The last attempt failed: said once, not at every attempt.
    lost: Arc<AtomicBool>,
}

impl Connection {
    /// One question, one answer.
    pub(crate) async fn call<A: Message + Default>(
        &self,
        path: &str,
        question: &impl Message,
        limit: Duration,
    ) -> Result<A, Failed> {
        let body = Full::from(Bytes::from(question.encode_to_vec())).boxed_unsync();
        let answer = async {
            let response = self.send(path, body).await?;
            wire::whole(response.into_body())
                .await
                .map_err(Failed::Unknown)
        };
        timeout(limit, answer)
            .await
            .unwrap_or_else(|_| Err(Failed::Unknown(self.says("does not answer in time"))))
    }

    /// A question that the log has no part in.
    pub(crate) async fn ask(&self, question: Bytes, limit: Duration) -> Result<Bytes, Failed> {
        let answer = async {
            let body = Full::from(question).boxed_unsync();
            let response = self.send("/peer/v1/ask", body).await?;
            let body = response.into_body().collect().await;
            body.map(|body| body.to_bytes())
                .map_err(|e| Failed::Unknown(self.says(&e.to_string())))
        };
        timeout(limit, answer)
            .await
            .unwrap_or_else(|_| Err(Failed::Unknown(self.says("does not answer in time"))))
    }

    /// Sends a body, which may be endless, and returns when the answer begins.
    pub(super) async fn send(
        &self,
        path: &str,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Failed> {
        let mut sender = self.ready().await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{}{path}", peer_name(self.target)))
            .header(CLUSTER, self.dialer.identity.token())
            .header(FROM, self.dialer.identity.node)
            .header(TO, self.target)
            .body(body)
            .map_err(|e| Failed::Unsent(self.says(&e.to_string())))?;
        let response = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut e) => {
                self.open.lock().take();
                // The request comes back when none of it has left.
                let unsent = e.take_message().is_some();
                let why = self.says(&e.into_error().to_string());
                return Err(if unsent {
                    Failed::Unsent(why)
                } else {
                    Failed::Unknown(why)
                });
            }
        };
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        if status == StatusCode::GONE {
            self.dialer.removed.store(true, Ordering::Relaxed);
        }
        let why = response.into_body().collect().await;
        let why = why.map(|b| String::from_utf8_lossy(&b.to_bytes()).into_owned());
        Err(Failed::Refused(
            self.says(&format!("{status}: {}", why.unwrap_or_default())),
        ))
    }

    async fn ready(&self) -> Result<http2::SendRequest<Outgoing>, Failed> {
        let open = self.open.lock().clone();
        if let Some(mut sender) = open
            && !sender.is_closed()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let dialled = timeout(CONNECT_LIMIT, self.dial()).await;
        let dialled = dialled.unwrap_or_else(|_| Err("does not answer".into()));
        self.tell(dialled.as_ref().err());
        let sender = dialled.map_err(|why| Failed::Unsent(self.says(&why)))?;
        *self.open.lock() = Some(sender.clone());
        Ok(sender)
    }

    async fn dial(&self) -> Result<http2::SendRequest<Outgoing>, String> {
        let tls = self.dialer.tls.as_ref().ok_or("there is no way to it")?;
        if self.member.address.is_empty() {
            return Err("has no address yet".into());
        }
        let stream = TcpStream::connect(&self.member.address)
            .await
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let name = ServerName::try_from(peer_name(self.target)).map_err(|e| e.to_string())?;
        let stream = tokio_rustls::TlsConnector::from(tls.client(self.dialer.identity.node))
            .connect(name, stream)
            .await
            .map_err(|e| e.to_string())?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_LIMIT)
            .keep_alive_while_idle(self.class != Class::Bulk)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        let (name, class) = (self.member.name.clone(), self.class);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, member = %name, ?class, "a connection to a member ended");
            }
        });
        Ok(sender)
    }

    /// Tells the operator when a member is lost and when it is back.
    fn tell(&self, why: Option<&String>) {
        let lost = why.is_some();
        if self.class != Class::Urgent || self.lost.swap(lost, Ordering::Relaxed) == lost {
            return;
        }
        let Member { name, address } = &self.member;
        match why {
            Some(why) => tracing::warn!(member = %name, %address, why, "a member is out of reach"),
            None => tracing::info!(member = %name, %address, "a member is within reach again"),
        }
    }

    fn says(&self, why: &str) -> String {
        format!(
            "member {} at {}: {why}",
            self.member.name, self.member.address
        )
    }
}
