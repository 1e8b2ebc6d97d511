//! Streams into containers between what clients speak (WebSocket) and what kubelets do (SPDY/3.1): apiserver pkg/util/proxy,
//! streaming pkg/httpstream.
//!
//! `translate` is for exec and attach, whose streams it takes apart; `tunnel` is for port-forward, whose SPDY it carries as it is; `messages` is for logs.

pub(crate) mod messages;
pub(crate) mod spdy;
pub(crate) mod translate;
pub(crate) mod tunnel;
pub(crate) mod websocket;
