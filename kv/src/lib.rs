//! The revisioned store: keys, transactions, reads at any retained revision, watches.
//! Callers see [`Store`] and the plain types below. Replication and the log belong to `triad_raft`;
//! API objects belong to the layer above, which is the only caller.

mod apply;
mod archive;
mod clock;
mod command;
mod copy;
pub mod durable;
mod entry;
mod error;
mod examine;
mod expiry;
mod founding;
mod hashes;
mod health;
mod history;
mod import;
mod layout;
mod lock;
mod options;
mod recover;
mod revision;
#[cfg(test)]
mod simulation;
mod state;
mod store;
mod txn;
mod watch;

pub use apply::replay::{Reached, Replay, Until};
pub use archive::{Segment, Shipment};
pub use copy::{Copy, restore};
pub use entry::{Entry, Range, prefix_end};
pub use error::Error;
pub use examine::{CheckValue, Examined, Finding, examine, examine_copy};
pub use health::{Health, Metrics};
pub use import::{Imported, import};
pub use options::{History, Limits, PeerOptions, StoreOptions};
pub use recover::{Recovery, Survey, recover, survey};
pub use revision::Revision;
pub use state::{Contents, Version};
pub use store::{Copied, Store};
pub use triad_raft::{
    Answer, Election, Identity, LogReading, Member, Peer, PeerTls, Position, Seat, peer_name,
};
pub use txn::{Change, Compare, Condition, Txn, TxnOutcome};
pub use watch::{Batch, Event, Progress, Watch};
