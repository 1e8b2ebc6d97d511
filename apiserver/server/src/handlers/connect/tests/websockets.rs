//! Streams over WebSocket: translated, carried in a tunnel, or handed on to a kubelet that speaks it.

use super::{ALICE, PODS, World, code};
use crate::testing::raw::{bytes_until, read_until};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

fn websocket(protocol: &str) -> String {
    format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n"
    )
}

type Socket = WebSocketStream<DuplexStream>;

impl World {
    /// A WebSocket to a subresource of the pod `p`.
    async fn socket(&self, what: &str, protocol: &str) -> Socket {
        let line = format!("GET {PODS}/{what}");
        let mut client = self.sent(ALICE, &line, &websocket(protocol)).await;
        let answer = bytes_until(&mut client, b"\r\n\r\n").await;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]);
        assert_eq!(code(&head), 101, "{head}");
        let chosen = format!("sec-websocket-protocol: {protocol}\r\n");
        assert!(head.contains(&chosen), "{head}");
        // Frames may come right behind it.
        let early = answer[end..].to_vec();
        WebSocketStream::from_partially_read(client, early, Role::Client, None).await
    }
}

/// Every channel's bytes, until the connection ends.
async fn channels(socket: &mut Socket) -> Vec<(u8, String)> {
    let mut all: Vec<(u8, String)> = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(why) => {
                // Clients take a closing without a code for a failure.
                assert_eq!(why.map(|why| u16::from(why.code)), Some(1000));
                break;
            }
            other => panic!("{other}"),
        };
        let (channel, text) = (bytes[0], String::from_utf8_lossy(&bytes[1..]).into_owned());
        match all.iter_mut().find(|(own, _)| *own == channel) {
            Some((_, before)) => before.push_str(&text),
            None => all.push((channel, text)),
        }
    }
    all.sort();
    all
}

async fn send(socket: &mut Socket, channel: u8, bytes: &[u8]) {
    let mut message = vec![channel];
    message.extend(bytes);
    socket
        .send(Message::Binary(message.into()))
        .await
        .expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_ends_and_output_goes_on_over_websocket() {
    let world = World::start().await;
    let socket = world
        .socket(
            "p/exec?command=cat&stdin=true&stdout=true&tty=true",
            "v5.channel.k8s.io",
        )
        .await;
    // More than the buffers on the way hold, so that both directions have to go on at once.
    let large = "x".repeat(1 << 20);
    let (mut to, from) = socket.split();
    let sending = async {
        for channel in [4, 0] {
            let mut message = vec![channel];
            message.extend(if channel == 4 {
                b"{\"Width\":80}"
            } else {
                large.as_bytes()
            });
            to.send(Message::Binary(message.into()))
                .await
                .expect("sent");
        }
        // Ends the input, and nothing else.
        to.send(Message::Binary(vec![255, 0].into()))
            .await
            .expect("sent");
        to
    };
    let mut from = from;
    let reading = async {
        let mut output = 0;
        let mut status = None;
        while let Some(Ok(Message::Binary(bytes))) = from.next().await {
            match bytes[0] {
                1 => output += bytes.len() - 1,
                3 => status = Some(String::from_utf8_lossy(&bytes[1..]).into_owned()),
                other => panic!("channel {other}"),
            }
        }
        (output, status)
    };
    let (_to, (output, status)) = tokio::join!(sending, reading);
    assert_eq!(
        (output, status.as_deref()),
        (
            large.len() + "{\"Width\":80}".len(),
            Some("{\"metadata\":{},\"status\":\"Success\"}")
        )
    );
    assert_eq!(
        world.node.seen(),
        ["POST /exec/default/p/c?command=cat&input=1&output=1&tty=1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_and_both_outputs_come_over_websocket() {
    let world = World::start().await;
    let what = "p/exec?command=name&stdout=true&stderr=true";
    let mut socket = world.socket(what, "v5.channel.k8s.io").await;
    let all = channels(&mut socket).await;
    assert_eq!(
        all[..2],
        [(1, "on stdout\n".to_owned()), (2, "on stderr\n".to_owned())]
    );
    let status: Value = serde_json::from_str(&all[2].1).expect("a status");
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(
        status["details"]["causes"],
        json!([{"reason": "ExitCode", "message": "7"}])
    );
    let (_, metrics) = world.ask("GET /metrics").await;
    for line in [
        "apiserver_stream_translator_requests_total{code=\"200\"} 1\n",
        "apiserver_websocket_streaming_requests_total{subresource=\"exec\",proxy_type=\"translated_at_apiserver\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_on_the_error_channel() {
    let world = World::start().await;
    let failed = |why: &str| {
        json!({"metadata": {}, "status": "Failure", "message": format!("Internal error occurred: {why}"),
            "reason": "InternalError", "details": {"causes": [{"message": why}]}, "code": 500})
    };
    for (command, why) in [
        ("refused", "unable to upgrade connection: not to you"),
        ("dies", "error reading from error stream: unexpected EOF"),
    ] {
        let what = format!("p/exec?command={command}&stdout=true");
        let mut socket = world.socket(&what, "v5.channel.k8s.io").await;
        let all = channels(&mut socket).await;
        let last = all.iter().find(|(channel, _)| *channel == 3);
        let status: Value = serde_json::from_str(&last.expect("a status").1).expect("a status");
        assert_eq!(status, failed(why));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_forwarded_in_a_tunnel() {
    let world = World::start().await;
    let protocol = "SPDY/3.1+portforward.k8s.io";
    let mut socket = world.socket("p/portforward?ports=80", protocol).await;
    for text in ["hello", "again"] {
        let message = Message::Binary(text.as_bytes().to_vec().into());
        socket.send(message).await.expect("sent");
        let answer = socket.next().await.expect("an answer").expect("a message");
        assert_eq!(answer, Message::Binary(text.to_uppercase().into()));
    }
    assert_eq!(world.node.seen(), ["POST /portForward/default/p?port=80"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_in_messages() {
    let world = World::start().await;
    for (protocol, want) in [
        (
            "binary.k8s.io",
            ["", "one\n", "two\n"].map(|text| Message::Binary(text.into())),
        ),
        (
            "base64.binary.k8s.io",
            ["", "b25lCg==", "dHdvCg=="].map(Message::text),
        ),
    ] {
        let mut socket = world.socket("p/log?follow=true", protocol).await;
        for message in want {
            let got = socket.next().await.expect("a message").expect("a message");
            assert_eq!(got, message, "{protocol}");
        }
    }
    let mut socket = world.socket("p/log", "binary.k8s.io").await;
    let mut last = Message::Ping(Default::default());
    while let Some(Ok(message)) = socket.next().await {
        last = message;
    }
    assert!(last.is_close(), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_speaks_websocket_is_asked_as_the_client_asks() {
    let world = World::start().await;
    let features = json!(["ExtendWebSocketsToKubelet"]);
    world.add_node("newer", world.node.port, features).await;
    world.add_pod("on-newer", "newer", &["c"]).await;
    let line = format!("GET {PODS}/on-newer/exec?command=a&stdout=true");
    let more = websocket("v5.channel.k8s.io");
    let (mut client, answer) = world.begin(ALICE, &line, &more, "\r\n\r\n").await;
    assert_eq!(code(&answer), 101, "{answer}");
    client.write_all(b"raw").await.expect("sent");
    assert_eq!(read_until(&mut client, "RAW").await, "RAW");
    assert_eq!(
        world.node.seen(),
        ["GET /exec/default/on-newer/c?command=a&output=1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_takes_the_stream_with_it() {
    let world = World::start().await;
    let what = "p/exec?command=cat&stdin=true&stdout=true";
    let mut socket = world.socket(what, "v5.channel.k8s.io").await;
    send(&mut socket, 0, b"hello").await;
    while let Some(Ok(Message::Binary(bytes))) = socket.next().await {
        if bytes[..] == *b"\x01hello" {
            break;
        }
    }
    drop(socket);
    // The kubelet sees the end, and what was counted shows that nothing goes on.
    let counts = &world.server.api.metrics.streams;
    let what = "the end of the stream";
    world.server.eventually(what, |_| counts.ended() == 1).await;
}
