//! Port-forward over WebSocket: each message is a piece of the SPDY connection between client and kubelet (apiserver
//! pkg/util/proxy/streamtunnel.go, client-go tools/portforward/tunneling_connection.go).

use super::websocket::{self, HANDSHAKE, LAST_WORD, LONGEST_MESSAGE};
use crate::proxy::passing::{Pace, Passing};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(crate) const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
pub(crate) const SPDY: &str = "SPDY/3.1";
/// How much of the kubelet's bytes goes in one message.
const PIECE: usize = 32 * 1024;

/// What a WebSocket protocol carries of SPDY; none of another kind.
fn carried(protocol: &str) -> Option<&str> {
    let inner = protocol.strip_prefix("SPDY/3.1+")?;
    inner.ends_with(".k8s.io").then_some(inner)
}

/// The SPDY protocols that a request offers to carry.
pub(crate) fn offered(headers: &HeaderMap) -> Vec<String> {
    let all = websocket::protocols(headers).into_iter();
    all.filter_map(carried).map(str::to_owned).collect()
}

/// Makes a request to go on with SPDY of one to go on with WebSocket.
pub(crate) fn asking_for_spdy(headers: &mut HeaderMap, protocols: &[String]) {
    for name in HANDSHAKE.iter().chain([&STREAM_PROTOCOL]) {
        headers.remove(name);
    }
    headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for protocol in protocols {
        // It was part of a header.
        if let Ok(protocol) = HeaderValue::from_str(protocol) {
            headers.append(STREAM_PROTOCOL, protocol);
        }
    }
}

/// Whether a 101 goes on with SPDY.
pub(crate) fn is_spdy(headers: &HeaderMap) -> bool {
    let has = |name: HeaderName, part: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(part))
    };
    has(CONNECTION, "upgrade") && has(UPGRADE, "spdy/3.1")
}

/// Carries one connection in the other until one of them ends.
pub(crate) async fn carry(asking: OnUpgrade, answering: OnUpgrade, passing: Passing) {
    let (asking, answering) = match tokio::try_join!(asking, answering) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a connection was not taken over"),
    };
    let (mut to_client, mut from_client) = websocket::over(asking, LONGEST_MESSAGE).await.split();
    let (from_node, mut to_node) = split(TokioIo::new(answering));
    let ended = tokio::select! {
        ended = inwards(&mut from_client, passing.pace, &mut to_node) => ended,
        ended = outwards(from_node, passing.pace, &mut to_client) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a tunnel ended");
    }
    let goodbye = async {
        let close = to_client.send(websocket::goodbye()).await;
        (close.is_ok(), to_node.shutdown().await.is_ok())
    };
    // Mostly one of the sides has gone.
    let _ = tokio::time::timeout(LAST_WORD, goodbye).await;
}

type Client = WebSocketStream<TokioIo<Upgraded>>;
type Node = TokioIo<Upgraded>;

async fn inwards(
    from: &mut futures_util::stream::SplitStream<Client>,
    pace: Pace,
    to: &mut WriteHalf<Node>,
) -> io::Result<()> {
    let mut meter = pace.meter();
    while let Some(message) = from.next().await {
        match message.map_err(io::Error::other)? {
            Message::Binary(bytes) => {
                meter.pass(bytes.len()).await;
                to.write_all(&bytes).await?;
                to.flush().await?;
            }
            Message::Close(_) => break,
            Message::Text(_) => {
                let why = "invalid message type received";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn outwards(
    mut from: ReadHalf<Node>,
    pace: Pace,
    to: &mut futures_util::stream::SplitSink<Client, Message>,
) -> io::Result<()> {
    let mut meter = pace.meter();
    let mut buffer = BytesMut::with_capacity(PIECE);
    while from.read_buf(&mut buffer).await? > 0 {
        let piece: Bytes = buffer.split().freeze();
        meter.pass(piece.len()).await;
        to.send(Message::Binary(piece))
            .await
            .map_err(io::Error::other)?;
        buffer.reserve(PIECE);
    }
    Ok(())
}
