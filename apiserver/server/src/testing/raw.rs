//! A client of a test's server on a connection of its own, byte by byte.

use super::Server;
use crate::filters::authenticate::Peer;
use crate::listener::{Limits, connection};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, DuplexStream};

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of a client from elsewhere.
pub(crate) fn open(server: &Server) -> DuplexStream {
    open_within(server, Limits::of(&server.api.config))
}

/// The same within limits of one's own.
pub(crate) fn open_within(server: &Server, limits: Limits) -> DuplexStream {
    let (client, stream) = tokio::io::duplex(1 << 20);
    let peer = Peer::new(([192, 0, 2, 1], 1).into(), Vec::new());
    tokio::spawn(connection(stream, peer, server.api.clone(), limits));
    client
}

/// All that comes until the connection ends.
pub(crate) async fn read_all(client: &mut DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await;
    read.expect("the connection ends").expect("readable");
    all
}

/// Reads until `end` has come, or the connection ends.
pub(crate) async fn read_until(client: &mut DuplexStream, end: &str) -> String {
    let all = bytes_until(client, end.as_bytes()).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// The same of bytes that are no text.
pub(crate) async fn bytes_until(client: &mut DuplexStream, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while memchr::memmem::find(&all, end).is_none() {
            match client.read(&mut buffer).await.expect("readable") {
                0 => break,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    };
    let read = tokio::time::timeout(PATIENCE, read).await;
    let shown = String::from_utf8_lossy(&all);
    assert!(read.is_ok(), "in vain for {end:?} in {shown}");
    all
}
