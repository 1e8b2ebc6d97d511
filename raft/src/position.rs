//! A place in the log: which leader wrote it in which term, and its index.

use std::fmt;

use prost::Message;

use crate::type_config::{CommittedLeader, LogId};

/// Names one log entry for ever: two logs that agree on a position agree on all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub term: u64,
    /// The leader that wrote the entry.
    pub node: u64,
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (term {})", self.index, self.term)
    }
}

impl Position {
    pub(crate) fn of(id: LogId) -> Self {
        Self {
            term: id.leader_id.term,
            node: id.leader_id.node_id,
            index: id.index,
        }
    }

    pub(crate) fn log_id(self) -> LogId {
        LogId {
            leader_id: CommittedLeader {
                term: self.term,
                node_id: self.node,
            },
            index: self.index,
        }
    }
}

/// The protobuf form, on disk and between members: field numbers are never reused.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct PositionRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
}

impl From<Position> for PositionRecord {
    fn from(at: Position) -> Self {
        Self {
            term: at.term,
            node: at.node,
            index: at.index,
        }
    }
}

impl From<PositionRecord> for Position {
    fn from(at: PositionRecord) -> Self {
        Self {
            term: at.term,
            node: at.node,
            index: at.index,
        }
    }
}
