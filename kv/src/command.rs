//! What travels through the log: commands and the replies to them, as protobuf messages.
//! They lie on disk in the log, so field numbers are never reused and nothing is removed.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::{Change, Compare, Condition, Entry, Revision, Txn, TxnOutcome};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Command {
    /// The proposer's clock, in unix seconds: the only time that applying knows.
    #[prost(uint64, tag = "1")]
    pub(crate) time: u64,
    #[prost(oneof = "What", tags = "2, 3, 4")]
    pub(crate) what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum What {
    #[prost(message, tag = "2")]
    Txn(TxnRecord),
    #[prost(message, tag = "3")]
    Expire(ExpireRecord),
    #[prost(message, tag = "4")]
    Compact(CompactRecord),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TxnRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) compares: Vec<CompareRecord>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) changes: Vec<ChangeRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CompareRecord {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    /// 0 absent, 1 mod revision equal, 2 exists.
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(uint64, tag = "3")]
    revision: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChangeRecord {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
    /// Unix seconds, 0 for never.
    #[prost(uint64, tag = "3")]
    pub(crate) expires_at: u64,
    #[prost(bool, tag = "4")]
    pub(crate) delete: bool,
}

/// Keys whose time has come by the command's clock; a key changed since is left alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExpireRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) keys: Vec<ExpireKey>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExpireKey {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) mod_revision: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CompactRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) revision: u64,
}

/// The answer to a command.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reply {
    #[prost(uint64, tag = "1")]
    pub(crate) revision: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) failed: Vec<FailedCompare>,
    #[prost(uint64, tag = "3")]
    pub(crate) compacted: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FailedCompare {
    #[prost(uint32, tag = "1")]
    pub(crate) index: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) entry: Option<EntryRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryRecord {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(uint64, tag = "3")]
    create_revision: u64,
    #[prost(uint64, tag = "4")]
    mod_revision: u64,
    #[prost(uint64, tag = "5")]
    version: u64,
    #[prost(uint64, tag = "6")]
    expires_at: u64,
}

impl Command {
    pub(crate) fn txn(txn: Txn, now: u64) -> Self {
        let record = TxnRecord {
            compares: txn.compares.into_iter().map(CompareRecord::from).collect(),
            changes: txn
                .changes
                .into_iter()
                .map(|change| ChangeRecord::new(change, now))
                .collect(),
        };
        Self {
            time: now,
            what: Some(What::Txn(record)),
        }
    }

    pub(crate) fn expire(keys: Vec<ExpireKey>, now: u64) -> Self {
        Self {
            time: now,
            what: Some(What::Expire(ExpireRecord { keys })),
        }
    }

    pub(crate) fn compact(at: Revision, now: u64) -> Self {
        Self {
            time: now,
            what: Some(What::Compact(CompactRecord { revision: at.0 })),
        }
    }

    /// Why a packed command cannot be carried out by this version.
    pub(crate) fn unreadable(packed: &Bytes) -> Option<String> {
        match Self::decode(packed.clone()) {
            Ok(Self { what: Some(_), .. }) => None,
            Ok(_) => Some("a command of a kind that this version does not know".into()),
            Err(error) => Some(format!("a command does not decode: {error}")),
        }
    }

    pub(crate) fn pack(&self) -> Bytes {
        Bytes::from(self.encode_to_vec())
    }
}

impl From<Compare> for CompareRecord {
    fn from(compare: Compare) -> Self {
        let (kind, revision) = match compare.condition {
            Condition::Absent => (0, 0),
            Condition::ModRevision(revision) => (1, revision.0),
            Condition::Exists => (2, 0),
        };
        Self {
            key: compare.key,
            kind,
            revision,
        }
    }
}

impl CompareRecord {
    /// `None` for a kind that this version does not know.
    pub(crate) fn holds(&self, mod_revision: Option<u64>) -> Option<bool> {
        match self.kind {
            0 => Some(mod_revision.is_none()),
            1 => Some(mod_revision == Some(self.revision)),
            2 => Some(mod_revision.is_some()),
            _ => None,
        }
    }
}

impl ChangeRecord {
    fn new(change: Change, now: u64) -> Self {
        match change {
            Change::Delete { key } => Self {
                key,
                delete: true,
                ..Self::default()
            },
            Change::Put {
                key,
                value,
                ttl_seconds,
            } => {
                // A ttl of 0 expires at once, which is not "never".
                let expires_at = ttl_seconds.map_or(0, |ttl| (now + u64::from(ttl)).max(1));
                Self {
                    key,
                    value,
                    expires_at,
                    delete: false,
                }
            }
        }
    }
}

impl From<Entry> for EntryRecord {
    fn from(entry: Entry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            create_revision: entry.create_revision.0,
            mod_revision: entry.mod_revision.0,
            version: entry.version,
            expires_at: entry.expires_at.unwrap_or(0),
        }
    }
}

impl From<EntryRecord> for Entry {
    fn from(record: EntryRecord) -> Self {
        Self {
            key: record.key,
            value: record.value,
            create_revision: Revision(record.create_revision),
            mod_revision: Revision(record.mod_revision),
            version: record.version,
            expires_at: (record.expires_at > 0).then_some(record.expires_at),
        }
    }
}

impl From<Reply> for TxnOutcome {
    fn from(reply: Reply) -> Self {
        let revision = Revision(reply.revision);
        if reply.failed.is_empty() {
            return Self::Committed { revision };
        }
        let failed = reply
            .failed
            .into_iter()
            .map(|f| (f.index as usize, f.entry.map(Entry::from)));
        Self::Conflict {
            revision,
            failed: failed.collect(),
        }
    }
}
