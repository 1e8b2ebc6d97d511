//! A place in the log: which leader wrote it in which term, and its index.

use std::fmt;

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
