//! The log for whoever copies it: committed entries as they are, and a hold on what has not been copied yet.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use crate::type_config::Payload;
use crate::{Error, Position};

/// One committed entry; one of the log's own has no commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub at: Position,
    pub commands: Vec<Bytes>,
}

/// What the log still has behind some index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// In order and without gaps; none when there is nothing new.
    Entries(Vec<LogEntry>),
    /// The log begins behind it now.
    Purged { upto: u64 },
}

impl Node {
    /// Keeps the entries from `from` on, within the bound that the node was started with.
    pub fn hold(&self, from: u64) {
        self.inner.hold.from.store(from, Ordering::Relaxed);
    }

    /// The committed entries from `from` on, about `limit` bytes of them. It reads from disk, and blocks.
    ///
    /// # Errors
    /// `Closed`; `Corrupt` when an entry does not check.
    pub fn committed(&self, from: u64, limit: usize) -> Result<Committed, Error> {
        let log = self.inner.log.upgrade().ok_or(Error::Closed)?;
        let (purged, applied) = {
            let now = self.inner.metrics.borrow_watched();
            (now.purged, now.last_applied)
        };
        if let Some(purged) = purged.filter(|purged| purged.index >= from) {
            return Ok(Committed::Purged { upto: purged.index });
        }
        // What is applied is committed, and never taken back.
        let end = applied.map_or(0, |at| at.index + 1);
        if end <= from {
            return Ok(Committed::Entries(Vec::new()));
        }
        let entries = log.read(from..end, limit)?;
        // Purged since the look above.
        if let Some(first) = entries.first().filter(|first| first.log_id.index != from) {
            let upto = first.log_id.index - 1;
            return Ok(Committed::Purged { upto });
        }
        let entry = |entry: crate::type_config::Entry| LogEntry {
            at: Position::of(entry.log_id),
            commands: match entry.payload {
                Payload::Normal(frame) => frame.commands,
                Payload::Blank | Payload::Membership(_) => Vec::new(),
            },
        };
        Ok(Committed::Entries(entries.into_iter().map(entry).collect()))
    }
}
