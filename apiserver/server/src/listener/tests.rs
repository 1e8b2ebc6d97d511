//! When a connection ends.

use super::Limits;
use crate::testing::{Server, raw};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;

/// How many requests a connection answers before it ends, up to ten.
async fn answered(server: &Server, goaway_chance: f64) -> usize {
    let limits = Limits {
        goaway_chance,
        ..Limits::of(&server.api.config)
    };
    let client = raw::open_within(server, limits);
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await;
    let (mut sender, connection) = shaken.expect("a handshake");
    let ended = tokio::spawn(connection);
    for count in 0..10 {
        let request = Request::get("https://a/version").body(Empty::<Bytes>::new());
        if sender.ready().await.is_err() {
            return count;
        }
        match sender.send_request(request.expect("a request")).await {
            Ok(answer) => assert_eq!(answer.status(), 200),
            Err(_) => return count,
        }
        if goaway_chance > 0.0 {
            // What is said goodbye to ends when nothing is under way.
            let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
            ended
                .expect("it ends")
                .expect("no panic")
                .expect("no error");
            return count + 1;
        }
    }
    10
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_sent_away_as_likely_as_was_asked_for() {
    let server = Server::start("none").await;
    assert_eq!(answered(&server, 0.0).await, 10);
    assert_eq!(answered(&server, 1.0).await, 1);
}
