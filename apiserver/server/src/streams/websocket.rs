//! The server's side of WebSocket: which requests ask for it, and for what (RFC 6455, streaming pkg/httpstream/wsstream). The
//! frames are tungstenite's.

use crate::body::Body;
use crate::proxy::headers::{listed, names_upgrade};
use crate::reply::Reply;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use triad_machinery::status::Status;

/// The longest message that is taken (golang.org/x/net/websocket, DefaultMaxPayloadBytes).
pub(super) const LONGEST_MESSAGE: usize = 32 << 20;
/// The longest message of a client that has nothing to say.
const LONGEST_DROPPED: usize = 64 << 10;
/// How long what is said last may take.
pub(super) const LAST_WORD: Duration = Duration::from_secs(10);
/// The headers of the handshake, which are no other server's.
pub(super) const HANDSHAKE: [HeaderName; 4] = [
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    HeaderName::from_static("sec-websocket-extensions"),
];

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a request is one to go on with WebSocket.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    let of = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    names_upgrade(headers) && of.is_some_and(|of| of.eq_ignore_ascii_case("websocket"))
}

/// The protocols that a request asks for, where it is one to go on with WebSocket.
pub(crate) fn protocols(headers: &HeaderMap) -> Vec<&str> {
    match is_asked_for(headers) {
        true => listed(headers, &SEC_WEBSOCKET_PROTOCOL).collect(),
        false => Vec::new(),
    }
}

/// The answer that goes on with WebSocket in a protocol.
pub(crate) fn accept(headers: &HeaderMap, protocol: Option<&str>) -> Result<Reply, Status> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Status::bad_request("missing or bad WebSocket Version"));
    }
    let key = text(SEC_WEBSOCKET_KEY).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Status::bad_request("missing or bad WebSocket key"))?;
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut put = |name, value: &str| -> Result<(), Status> {
        let value = HeaderValue::from_str(value).map_err(Status::internal)?;
        reply.headers_mut().insert(name, value);
        Ok(())
    };
    put(UPGRADE, "websocket")?;
    put(CONNECTION, "Upgrade")?;
    put(SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes()))?;
    if let Some(protocol) = protocol {
        put(SEC_WEBSOCKET_PROTOCOL, protocol)?;
    }
    Ok(reply)
}

/// The frames on a connection that was taken over; the client's messages may be so long.
pub(super) async fn over(taken: Upgraded, longest: usize) -> Socket {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(longest);
    config.max_frame_size = Some(longest);
    WebSocketStream::from_raw_socket(TokioIo::new(taken), Role::Server, Some(config)).await
}

/// Sends messages on the client's connection, once that is taken over, until they or the client end. What the client says is dropped.
pub(crate) async fn tell<M: IntoIterator<Item = Message>>(
    asking: OnUpgrade,
    messages: impl Stream<Item = io::Result<M>>,
) {
    let asking = match asking.await {
        Ok(asking) => asking,
        Err(error) => return tracing::debug!(%error, "a connection was not taken over"),
    };
    let (to, from) = over(asking, LONGEST_DROPPED).await.split();
    if let Err(error) = send(to, from, messages).await {
        tracing::debug!(%error, "what was told over WebSocket has ended");
    }
}

async fn send<M: IntoIterator<Item = Message>>(
    mut to: SplitSink<Socket, Message>,
    mut from: SplitStream<Socket>,
    messages: impl Stream<Item = io::Result<M>>,
) -> Result<(), Error> {
    let mut messages = pin!(messages);
    loop {
        tokio::select! {
            // What is received may have to be answered: pings are, and the closing.
            received = from.next() => match received.transpose()? {
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => to.flush().await?,
            },
            next = messages.next() => {
                let Some(next) = next.transpose()? else {
                    let last = tokio::time::timeout(LAST_WORD, to.send(goodbye())).await;
                    return last.unwrap_or(Ok(()));
                };
                for message in next {
                    to.feed(message).await?;
                }
                to.flush().await?;
            }
        }
    }
}

/// Says that all went as it should: clients take a closing without a code for a failure.
pub(super) fn goodbye() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: Utf8Bytes::default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_handshake_is_answered_by_the_rule_or_refused() {
        let good = [
            (UPGRADE, "WebSocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (
                SEC_WEBSOCKET_PROTOCOL,
                "v5.channel.k8s.io, v4.channel.k8s.io",
            ),
        ];
        let asked = headers(&good);
        assert_eq!(
            protocols(&asked),
            ["v5.channel.k8s.io", "v4.channel.k8s.io"]
        );
        let reply = accept(&asked, Some("v5.channel.k8s.io")).expect("accepted");
        assert_eq!(reply.status(), 101);
        // RFC 6455 1.3.
        assert_eq!(
            reply.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(reply.headers()[SEC_WEBSOCKET_PROTOCOL], "v5.channel.k8s.io");
        // Version and key; what the connection is for was looked at before.
        for without in 2..4 {
            let mut some = good.to_vec();
            some.remove(without);
            assert!(accept(&headers(&some), None).is_err());
        }
        let mut spdy = good.to_vec();
        spdy[0].1 = "SPDY/3.1";
        assert!(protocols(&headers(&spdy)).is_empty());
        let upgrades_nothing = &good[2..];
        assert!(protocols(&headers(upgrades_nothing)).is_empty());
    }
}
