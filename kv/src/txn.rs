//! A transaction: conditions on keys and changes to keys, all or nothing.
//! Plain data; `command` packs it for the log and `apply` carries it out.

use bytes::Bytes;

use crate::{Entry, Revision};

/// What a compared key must look like for the transaction to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Absent,
    ModRevision(Revision),
    Exists,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    pub key: Bytes,
    pub condition: Condition,
}

/// One change of a transaction. Later changes to the same key win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Without a ttl the key lives until it is deleted, whatever ttl it had before.
    Put {
        key: Bytes,
        value: Bytes,
        ttl_seconds: Option<u32>,
    },
    /// Deleting an absent key changes nothing.
    Delete { key: Bytes },
}

impl Change {
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Compares are judged first, against one state; then all changes happen or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    pub compares: Vec<Compare>,
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// The changes carry this revision. When nothing changed it is the store's current revision.
    Committed { revision: Revision },
    /// Nothing changed. Each failed compare: its index, and the key's entry (`None` when absent).
    Conflict {
        revision: Revision,
        failed: Vec<(usize, Option<Entry>)>,
    },
}
