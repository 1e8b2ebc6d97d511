//! Watches: every change under a prefix, once, in revision order.
//! A watch is a cursor, never a queue: a slow one costs the store nothing.

use bytes::Bytes;

use crate::{Entry, Error, Revision};

/// One change to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub key: Bytes,
    pub revision: Revision,
    /// The key after the change; `None` when it was deleted.
    pub entry: Option<Entry>,
    /// The key before the change; `None` when it was absent.
    pub previous: Option<Entry>,
}

/// The events of one or more whole transactions, filtered to the watch's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision of the last transaction in the batch.
    pub revision: Revision,
    pub events: Vec<Event>,
}

/// A cursor over the changes under a prefix.
#[derive(Debug)]
pub struct Watch {}

impl Watch {
    /// The next changes; waits until there are any. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// `Compacted` when the cursor fell behind the retained history, `Closed` after shutdown.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        Err(Error::Closed)
    }

    /// Every change up to this revision has been returned by `next`.
    #[must_use]
    pub fn progress(&self) -> Revision {
        Revision(0)
    }

    /// A handle on this watch's position for other tasks.
    #[must_use]
    pub fn progress_handle(&self) -> Progress {
        Progress {}
    }
}

/// Where a watch stands, seen from other tasks.
#[derive(Clone, Debug)]
pub struct Progress {}

impl Progress {
    /// As [`Watch::progress`].
    #[must_use]
    pub fn complete_up_to(&self) -> Revision {
        Revision(0)
    }

    /// The newest change under the prefix so far: whoever has carried out everything up to it
    /// is level with the store's own revision.
    #[must_use]
    pub fn newest_match(&self) -> Revision {
        Revision(0)
    }
}
