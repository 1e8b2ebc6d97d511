//! A watch over WebSocket, as pages in browsers open it: each event is a message of its own, text for JSON and binary for protobuf
//! (apiserver pkg/endpoints/handlers/watch.go, HandleWS).

use crate::negotiate::Media;
use crate::proxy::upgrade;
use crate::reply::{self, Reply};
use crate::streams::websocket;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use triad_machinery::status::Status;

const LENGTH: usize = 4;

/// Answers a request for one, if a page of its origin may open it; the events go out as soon as the connection is taken over.
pub(super) fn open(
    headers: &HeaderMap,
    allowed: bool,
    asking: Option<OnUpgrade>,
    events: impl Stream<Item = Bytes> + Send + 'static,
    media: Media,
) -> Result<Reply, Status> {
    if !allowed {
        let why = "a page of this Origin may not open a WebSocket here: --cors-allowed-origins would let it\n";
        return Ok(reply::text(403, why.to_owned()));
    }
    let protocols = websocket::protocols(headers);
    let reply = websocket::accept(headers, protocols.first().copied())?;
    let asking = upgrade::taken(asking)?;
    let told = events.map(move |written| Ok(messages(written, media)));
    tokio::spawn(websocket::tell(asking, told));
    Ok(reply)
}

/// The events that were written for a stream, which are lines of JSON, or messages with their lengths in front.
fn messages(mut rest: Bytes, media: Media) -> Vec<Message> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        if media == Media::Protobuf {
            let Some((length, _)) = rest.split_first_chunk::<LENGTH>() else {
                break;
            };
            let length = u32::from_be_bytes(*length) as usize;
            let mut frame = rest.split_to(rest.len().min(LENGTH + length));
            found.push(Message::Binary(frame.split_off(LENGTH)));
        } else {
            let end = memchr::memchr(b'\n', &rest).map_or(rest.len(), |at| at + 1);
            let line = rest.split_to(end);
            if let Ok(line) = Utf8Bytes::try_from(line) {
                found.push(Message::Text(line));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Server, raw};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::SinkExt as _;
    use http::{HeaderValue, Request};
    use serde_json::{Value, json};
    use std::time::Duration;
    use tokio::io::DuplexStream;
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::{WebSocketStream, client_async};

    const TOKEN: &str = "a-secret-of-alice";

    struct World {
        server: Server,
    }

    impl World {
        async fn start() -> Self {
            let pages = "--cors-allowed-origins=^https://dashboard.example$";
            let users = format!("{TOKEN},alice,1,system:masters\n");
            let server = Server::start_for(&users, &[pages]).await;
            World { server }
        }

        /// The code of a refusal is the error.
        async fn open(
            &self,
            query: &str,
            origin: &str,
            protocols: &str,
        ) -> Result<(WebSocketStream<DuplexStream>, String), u16> {
            let uri =
                format!("ws://api.example/api/v1/namespaces/default/configmaps?watch=1{query}");
            let mut request: Request<()> = uri.into_client_request().expect("a request");
            let headers = request.headers_mut();
            headers.insert("origin", HeaderValue::from_str(origin).expect("good"));
            let value = HeaderValue::from_str(protocols).expect("good");
            headers.insert("sec-websocket-protocol", value);
            match client_async(request, raw::open(&self.server)).await {
                Ok((socket, answer)) => {
                    let chosen = answer.headers()["sec-websocket-protocol"].to_str();
                    Ok((socket, chosen.expect("text").to_owned()))
                }
                Err(Error::Http(answer)) => Err(answer.status().as_u16()),
                Err(other) => panic!("{other}"),
            }
        }

        async fn create(&self, name: &str) {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "line\nline"}});
            self.server.create("configmaps", "default", object).await;
        }
    }

    async fn next(socket: &mut WebSocketStream<DuplexStream>) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(60), socket.next()).await;
        next.expect("in time")
            .expect("a message")
            .expect("no error")
    }

    fn protocols(token: &str) -> String {
        let token = URL_SAFE_NO_PAD.encode(token);
        format!("base64url.bearer.authorization.k8s.io.{token}, v1.example")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_sees_each_event_as_a_message() {
        let world = World::start().await;
        world.create("a").await;
        world.create("b").await;
        let opened = world
            .open("", "http://api.example", &protocols(TOKEN))
            .await;
        let (mut socket, chosen) = opened.expect("opened");
        assert_eq!(chosen, "v1.example");
        world.create("c").await;
        for name in ["a", "b", "c"] {
            let Message::Text(text) = next(&mut socket).await else {
                panic!("no text");
            };
            let event: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(
                (&event["type"], &event["object"]["metadata"]["name"]),
                (&json!("ADDED"), &json!(name))
            );
        }
        socket
            .send(Message::Ping(Bytes::from_static(b"p")))
            .await
            .expect("sent");
        assert_eq!(
            next(&mut socket).await,
            Message::Pong(Bytes::from_static(b"p"))
        );
        world
            .server
            .delete("configmaps", "default", "a", "Background")
            .await;
        let Message::Text(text) = next(&mut socket).await else {
            panic!("no text");
        };
        assert!(text.starts_with(r#"{"type":"DELETED""#), "{text}");
        socket.close(None).await.expect("closed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_watch_that_ends_says_goodbye() {
        let world = World::start().await;
        let origin = "https://dashboard.example";
        let opened = world
            .open("&timeoutSeconds=1", origin, &protocols(TOKEN))
            .await;
        let (mut socket, _) = opened.expect("opened");
        loop {
            match next(&mut socket).await {
                Message::Close(frame) => {
                    break assert_eq!(u16::from(frame.expect("a code").code), 1000);
                }
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pages_of_others_and_tokens_of_nobody_are_refused() {
        let world = World::start().await;
        let good = protocols(TOKEN);
        for (origin, protocols, code) in [
            ("https://evil.example", &*good, 403),
            ("null", &good, 403),
            ("http://api.example", &protocols("of nobody"), 401),
            // The token's protocol is never echoed: there must be another.
            (
                "http://api.example",
                good.split(',').next().expect("one"),
                401,
            ),
            ("http://api.example", &format!("{good}, {good}"), 401),
            (
                "http://api.example",
                "base64url.bearer.authorization.k8s.io.$, v1.example",
                401,
            ),
            // Anonymous: nobody who may watch.
            ("http://api.example", "v1.example", 403),
        ] {
            let refused = world.open("", origin, protocols).await.err();
            assert_eq!(refused, Some(code), "{origin} {protocols}");
        }
    }

    #[test]
    fn what_was_written_for_a_stream_is_taken_apart() {
        let lines = messages(Bytes::from_static(b"{\"a\":1}\n{}\n"), Media::Json);
        assert_eq!(lines, [Message::text("{\"a\":1}\n"), Message::text("{}\n")]);
        let framed = Bytes::from_static(b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c");
        let binary = |bytes: &'static [u8]| Message::Binary(Bytes::from_static(bytes));
        assert_eq!(
            messages(framed, Media::Protobuf),
            [binary(b"ab"), binary(b""), binary(b"c")]
        );
    }
}
