//! A replicated log that drives a state machine: propose, read barrier, leadership, membership.
//! It never sees a key: commands and replies are bytes, the state machine is the caller's.
//! openraft and the log's database stay inside; `triad_kv` is the only caller.

mod error;
#[doc(hidden)]
pub mod failpoint;
mod identity;
mod log_store;
mod member;
mod node;
mod pace;
mod peers;
mod position;
pub mod sealed;
mod state_machine;
pub mod tables;
mod type_config;

pub use error::Error;
pub use identity::Identity;
pub use log_store::{LogItem, LogOptions, LogReading, SyncTimes, read_log, seed_log};
pub use member::{Member, Seat, founding_membership, seats};
pub use node::{Committed, Election, LogEntry, Node, NodeMetrics, NodeOptions, Peer, Status};
pub use pace::Pace;
#[doc(hidden)]
pub use peers::session;
pub use peers::{Answer, PeerOptions, PeerTls, peer_name};
pub use position::Position;
pub use state_machine::{Stand, StateFiles, StateMachine};
