//! The store's errors, one variant for each thing a caller can do about it.
//! They are logged where they are handled, not here.

use std::path::PathBuf;

use crate::Revision;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The history asked for is gone: list again.
    #[error("revision {requested} has been compacted, history starts at {compacted}")]
    Compacted {
        requested: Revision,
        compacted: Revision,
    },
    /// The revision has not happened here: wait, or ask later.
    #[error("revision {requested} is in the future, the store is at {current}")]
    FutureRevision {
        requested: Revision,
        current: Revision,
    },
    /// Another member leads: ask it. `None` while there is no leader.
    #[error("not the leader{}", .leader.as_deref().map(|l| format!(", {l} is")).unwrap_or_default())]
    NotLeader { leader: Option<String> },
    /// The store cannot answer now; a write's outcome is unknown. Try again.
    #[error("the store is unavailable: {why}")]
    Unavailable { why: String },
    /// The request breaks a limit: make it smaller.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        what: &'static str,
        size: usize,
        limit: usize,
    },
    /// What lies on disk is damaged: nothing of it is served. Restore, or rejoin from the peers.
    #[error("{} is damaged: {what}", .file.display())]
    Corrupt { what: String, file: PathBuf },
    /// Another process has the data directory.
    #[error("the data directory {} is in use by another process{}", .dir.display(), .holder.as_deref().map(|h| format!(" ({h})")).unwrap_or_default())]
    Locked {
        dir: PathBuf,
        holder: Option<String>,
    },
    /// The file system refused.
    #[error("{what}: {why}")]
    Io { what: String, why: String },
    /// The store has been shut down.
    #[error("the store is closed")]
    Closed,
}

impl From<triad_raft::Error> for Error {
    fn from(error: triad_raft::Error) -> Self {
        match error {
            triad_raft::Error::NotLeader { leader } => Self::NotLeader { leader },
            triad_raft::Error::Unavailable(why) => Self::Unavailable { why },
            triad_raft::Error::Corrupt { what, file } => Self::Corrupt { what, file },
            triad_raft::Error::Io { what, why } => Self::Io { what, why },
            triad_raft::Error::Closed => Self::Closed,
        }
    }
}

impl From<Error> for triad_raft::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Corrupt { what, file } => Self::Corrupt { what, file },
            Error::Io { what, why } => Self::Io { what, why },
            other => Self::Unavailable(other.to_string()),
        }
    }
}
