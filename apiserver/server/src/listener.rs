//! Connections: TLS, HTTP/1.1 and HTTP/2, limits on time and streams, and the drain at the end.

use crate::api::Api;
use crate::filters::authenticate::Peer;
use crate::options::Config;
use crate::server::handle;
use crate::tls::Serving;
use futures_util::FutureExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// A handshake or a request head that takes longer is cut off (net/http's ReadHeaderTimeout upstream: 32 s).
const HEAD_TIMEOUT: Duration = Duration::from_secs(32);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a drain waits for requests under way.
const DRAIN: Duration = Duration::from_secs(10);
/// Request heads beyond this are answered 431.
const MAX_HEAD_BYTES: usize = 1024 * 1024;
const MAX_HEADERS: usize = 4096;

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) http2_max_streams: u32,
    /// How likely a request over HTTP/2 is its connection's last.
    pub(crate) goaway_chance: f64,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Limits {
            http2_max_streams: config.http2_max_streams,
            goaway_chance: config.goaway_chance,
        }
    }
}

/// Accepts until aborted. Without `tls` every peer is trusted: the insecure port.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Serving>>,
    api: Arc<Api>,
    limits: Limits,
) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: wait for some to be closed instead of spinning.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (tls, api) = (tls.clone(), api.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match tls {
                Some(tls) => secure(stream, address, &tls, api, limits).await,
                None => connection(stream, Peer::trusting(address), api, limits).await,
            }
        });
    }
}

async fn secure(
    stream: TcpStream,
    address: std::net::SocketAddr,
    tls: &Serving,
    api: Arc<Api>,
    limits: Limits,
) {
    let local = stream.local_addr().ok().map(|local| local.ip());
    let acceptor = TlsAcceptor::from(tls.at(local));
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%address, "TLS handshake took too long"),
    };
    let chain = stream
        .get_ref()
        .1
        .peer_certificates()
        .map_or_else(Vec::new, |chain| {
            chain.iter().map(|cert| cert.clone().into_owned()).collect()
        });
    connection(stream, Peer::new(address, chain), api, limits).await;
}

/// Serves one connection.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    api: Arc<Api>,
    limits: Limits,
) {
    let peer = Arc::new(peer);
    let last = Arc::new(Notify::new());
    let service = {
        let (api, peer, last) = (api.clone(), peer.clone(), last.clone());
        service_fn(move |request| {
            let (api, peer) = (api.clone(), peer.clone());
            let of_many = request.version() == http::Version::HTTP_2;
            // No chance needs no dice.
            if of_many && limits.goaway_chance > 0.0 && rand::random::<f64>() < limits.goaway_chance
            {
                last.notify_one();
            }
            async move {
                let mutating = crate::server::mutating(request.method());
                api.metrics.start(mutating);
                let guard = InFlight(api.clone(), mutating);
                // A panic is this request's 500, not the connection's end.
                // Its state is large, and gone when the answer begins: a task that only sends does not keep room for it.
                let reply = AssertUnwindSafe(Box::pin(handle(api, peer, request)))
                    .catch_unwind()
                    .await;
                drop(guard);
                Ok::<_, Infallible>(reply.unwrap_or_else(|_| {
                    tracing::error!("a handler panicked");
                    crate::reply::raw_status(&triad_machinery::status::Status::internal(
                        "this request caused apiserver to panic. Look in the logs for details.",
                    ))
                }))
            }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_max_streams)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return report(&peer, result),
        () = api.health.draining() => connection.as_mut().graceful_shutdown(),
        () = last.notified() => connection.as_mut().graceful_shutdown(),
    }
    report(&peer, connection.await);
}

fn report(peer: &Peer, result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(address = %peer.address, error, "connection ended");
    }
}

/// Counts a request in flight, also when its connection goes away.
struct InFlight(Arc<Api>, bool);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.end(self.1);
    }
}

/// Waits until no request is under way, within the drain's time.
pub(crate) async fn drained(api: &Api) {
    let deadline = tokio::time::Instant::now() + DRAIN;
    while api.metrics.in_flight() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
