//! How a store is opened: where it lives, how much it keeps, how large its parts may grow.
//! Every bound here has a default that suits a two-core machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use triad_raft::{Answer, Election, PeerTls};

use crate::{Change, Error, Txn};

#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Holds `lock`, `identity`, `log.floor`, `log/` and the state; made when missing.
    pub dir: PathBuf,
    /// The member's name, for messages and membership.
    pub node_name: String,
    /// `false` trades every promise on power loss for speed (`--unsafe-no-fsync`, `--ephemeral`).
    pub sync: bool,
    pub history: History,
    pub limits: Limits,
    /// `None` keeps the store alone for good.
    pub peers: Option<PeerOptions>,
    pub election: Election,
    /// Bytes of log that are kept for an archive which copies it (`Store::hold_log`); `None` when there is none.
    pub held_log_bytes: Option<u64>,
}

/// How this member talks to others.
#[derive(Clone)]
pub struct PeerOptions {
    /// Where it listens once there are others.
    pub listen: SocketAddr,
    /// Where others reach it: host and port.
    pub advertise: String,
    /// The cluster and epoch to be taken into, instead of forming one.
    pub joining: Option<(u64, u64)>,
    pub tls: Arc<dyn PeerTls>,
    /// Answers what other members' users ask of this one's.
    pub answer: Arc<dyn Answer>,
}

impl std::fmt::Debug for PeerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerOptions")
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .field("joining", &self.joining)
            .finish_non_exhaustive()
    }
}

impl StoreOptions {
    pub fn new(dir: impl Into<PathBuf>, node_name: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            node_name: node_name.into(),
            sync: true,
            history: History::default(),
            limits: Limits::default(),
            peers: None,
            election: Election::default(),
            held_log_bytes: None,
        }
    }
}

/// How much of the past stays readable: whichever bound is reached first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub max_age: Duration,
    pub max_bytes: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(3600),
            max_bytes: 2 << 30,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes and compares of one transaction, and of one batch of transactions in the log.
    pub changes: usize,
    /// Encoded bytes of one batch; a larger transaction travels alone.
    pub frame_bytes: usize,
    /// Encoded bytes of one transaction.
    pub txn_bytes: usize,
    /// Bytes of one key.
    pub key_bytes: usize,
    /// Memory of the recent events that watches are served from; older ones come from disk.
    pub ring_bytes: usize,
    /// Memory for blocks read from disk, taken as it is needed.
    pub block_cache_bytes: usize,
    /// Memory for one table of writes that are not yet in a file.
    pub write_buffer_bytes: usize,
}

impl Limits {
    pub(crate) fn check(&self, txn: &Txn) -> Result<(), Error> {
        let within = |what, size, limit| match size {
            size if size > limit => Err(Error::TooLarge { what, size, limit }),
            _ => Ok(()),
        };
        within("the number of compares", txn.compares.len(), self.changes)?;
        within("the number of changes", txn.changes.len(), self.changes)?;
        let compared = txn.compares.iter().map(|compare| &compare.key);
        let mut bytes = 0;
        for key in compared.chain(txn.changes.iter().map(Change::key)) {
            within("a key's length", key.len(), self.key_bytes)?;
            bytes += key.len();
        }
        for change in &txn.changes {
            if let Change::Put { value, .. } = change {
                bytes += value.len();
            }
        }
        within("a transaction's size", bytes, self.txn_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changes: 64,
            frame_bytes: 1 << 20,
            txn_bytes: 8 << 20,
            key_bytes: 4 << 10,
            ring_bytes: 16 << 20,
            block_cache_bytes: 32 << 20,
            write_buffer_bytes: 8 << 20,
        }
    }
}
