//! Connections to servers that requests are passed on to: kept and shared, over TLS or not, HTTP/2 where the other speaks it. An upgrade
//! gets a connection of its own.

use crate::egress;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a connection may take to come about (net.Dialer and net/http's TLSHandshakeTimeout upstream).
pub(crate) const DIAL: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection without requests is kept.
const IDLE: Duration = Duration::from_secs(90);
/// Connections without requests that are kept for each address.
const MOST_IDLE: usize = 25;
/// How a dead HTTP/2 connection is noticed (apimachinery pkg/util/net/http.go).
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(15);
/// Said of an address that nobody may have dialled through this server.
pub(crate) const NOT_ALLOWED: &str = "address not allowed";

/// What is sent: the body of who asks, or nothing.
pub(crate) type Sent = Either<Incoming, Empty<Bytes>>;

/// A connection to the other server.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How servers are reached.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) tls: Arc<ClientConfig>,
    /// What their certificates have to bear, where that is not the host that is dialled.
    pub(crate) name: Option<String>,
    /// How long dialling may take.
    pub(crate) dial: Duration,
    /// Only addresses that other hosts have, too, are dialled: not those of this one, and none on the link.
    pub(crate) global: bool,
}

#[derive(Clone)]
pub(crate) struct Client {
    shared: legacy::Client<Connector, Sent>,
    connector: Connector,
}

impl Client {
    pub(crate) fn new(way: &Way) -> Result<Self, String> {
        let name = way.name.clone().map(ServerName::try_from).transpose();
        let mut tls = (*way.tls).clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connector = Connector {
            tls: Arc::new(tls),
            name: name.map_err(|error| error.to_string())?,
            dial: way.dial,
            global: way.global,
        };
        let shared = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .http1_title_case_headers(true)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_WITHIN)
            .build(connector.clone());
        Ok(Client { shared, connector })
    }

    /// Sends a request, whose URI names the address, on a shared connection. The error is shown to clients.
    pub(crate) async fn send(&self, request: Request<Sent>) -> Result<Response<Incoming>, String> {
        let answer = self.shared.request(request).await;
        answer.map_err(|error| innermost(&error))
    }

    /// A connection of HTTP/1.1 for one request alone, to where a URI says.
    pub(crate) async fn alone(&self, uri: &Uri) -> Result<Box<dyn Duplex>, String> {
        let mut tls = (*self.connector.tls).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = Connector {
            tls: Arc::new(tls),
            ..self.connector.clone()
        };
        Ok(connector.connect(uri).await?.0)
    }
}

/// What went wrong in the first place.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[derive(Clone)]
struct Connector {
    tls: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    dial: Duration,
    global: bool,
}

impl Connector {
    /// The connection, and whether HTTP/2 was agreed on.
    async fn connect(&self, uri: &Uri) -> Result<(Box<dyn Duplex>, bool), String> {
        let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
        let plain = uri.scheme_str() == Some("http");
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        let dialled = tokio::time::timeout(self.dial, self.dial(host, port)).await;
        let stream =
            dialled.unwrap_or_else(|_| Err(format!("dial tcp {host}:{port}: i/o timeout")))?;
        if plain {
            return Ok((Box::new(stream), false));
        }
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?,
        };
        let connector = TlsConnector::from(self.tls.clone());
        let shaken = tokio::time::timeout(HANDSHAKE, connector.connect(name, stream)).await;
        let shaken = shaken.map_err(|_| "net/http: TLS handshake timeout".to_owned())?;
        let stream = shaken.map_err(|error| egress::tls_error(&error))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Box::new(stream), http2))
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        if !self.global {
            return egress::dial(host, port).await;
        }
        // What was looked at is what is dialled: a name may mean something else the next time.
        let mut failed = format!("dial tcp: lookup {host}: no such host");
        for address in global_addresses(host, port).await? {
            match egress::dial(&address.ip().to_string(), port).await {
                Ok(stream) => return Ok(stream),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }
}

/// The addresses of a host, each of which may be dialled for somebody else.
pub(crate) async fn global_addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|_| format!("lookup {host}: no such host"))?;
    let found: Vec<SocketAddr> = found.collect();
    match found.iter().all(|address| is_global(address.ip())) {
        _ if found.is_empty() => Err("no addresses for hostname".to_owned()),
        true => Ok(found),
        false => Err(NOT_ALLOWED.to_owned()),
    }
}

/// Go's net.IP.IsGlobalUnicast: neither this host's own nor the link's, nor that of many.
pub(crate) fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let special = four.is_unspecified() || four.is_loopback() || four.is_multicast();
            !(special || four.is_link_local() || four.is_broadcast())
        }
        IpAddr::V6(six) => {
            let special = six.is_unspecified() || six.is_loopback() || six.is_multicast();
            !(special || six.is_unicast_link_local())
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = Link;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Link, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let (stream, http2) = connector.connect(&uri).await?;
            Ok(Link(TokioIo::new(stream), http2))
        })
    }
}

/// A connection that says whether HTTP/2 was agreed on.
struct Link(TokioIo<Box<dyn Duplex>>, bool);

impl Connection for Link {
    fn connected(&self) -> Connected {
        match self.1 {
            true => Connected::new().negotiated_h2(),
            false => Connected::new(),
        }
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_others_have_are_dialled_for_others() {
        for address in ["10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1", "8.8.8.8"] {
            assert!(is_global(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
        ] {
            assert!(
                !is_global(address.parse().expect("an address")),
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_of_this_host_is_not_dialled_for_others() {
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(
                global_addresses(host, 80).await,
                Err(NOT_ALLOWED.to_owned())
            );
        }
    }
}
