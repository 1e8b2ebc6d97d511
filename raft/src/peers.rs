//! The way between members: HTTP/2 over mutual TLS, one connection for each kind of traffic, so
//! that a heartbeat never waits behind a state that is being sent. Every call names the cluster,
//! its epoch and both members; a call that is meant for another is refused.

mod append;
mod connection;
mod network;
mod receive;
mod send;
mod server;
pub mod session;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use connection::{Class, Connection, Dialer, Failed};
pub(crate) use network::Network;
pub(crate) use server::{Service, listen};
pub(crate) use wire::{Change, Proposed, Refused};

/// Certificates of this member (named as [`peer_name`] says) for both directions; asked for anew at
/// each connection, so that they can be renewed while members talk.
pub trait PeerTls: Send + Sync + 'static {
    fn client(&self, own: u64) -> Arc<rustls::ClientConfig>;
    fn server(&self, own: u64) -> Arc<rustls::ServerConfig>;
}

/// Answers questions of other members that the log has no part in.
pub trait Answer: Send + Sync + 'static {
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Bytes> + Send>>;
}

/// Answers nothing.
impl Answer for () {
    fn answer(&self, _question: Bytes) -> Pin<Box<dyn Future<Output = Bytes> + Send>> {
        Box::pin(std::future::ready(Bytes::new()))
    }
}

/// How members reach each other.
#[derive(Clone)]
pub struct PeerOptions {
    /// Where this member listens once there are others.
    pub listen: SocketAddr,
    pub tls: Arc<dyn PeerTls>,
    pub answer: Arc<dyn Answer>,
}

impl std::fmt::Debug for PeerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PeerOptions").field(&self.listen).finish()
    }
}

/// The name in the certificate of a member.
#[must_use]
pub fn peer_name(node: u64) -> String {
    format!("{node:016x}.peer.triad")
}
