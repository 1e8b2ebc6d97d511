//! Watches: every change under a prefix, once, in revision order, transactions never split.
//! A watch is a cursor, never a queue: a slow one costs the store nothing. It reads the ring of
//! recent transactions, and the database when it is behind the ring.

mod hub;
mod ring;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::state::State;
use crate::{Entry, Error, Revision};

pub(crate) use hub::{Hub, Waiter};
pub(crate) use ring::Transaction;

/// One change to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub key: Bytes,
    pub revision: Revision,
    /// The key after the change; `None` when it was deleted.
    pub entry: Option<Entry>,
    /// What a deletion deleted.
    pub deleted: Option<Entry>,
    /// The revision of the key before the change; `None` when it was absent. The version itself is what `Store::get` finds right
    /// before this event's revision.
    pub previous: Option<Revision>,
}

/// The events of one or more whole transactions, filtered to the watch's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision of the last event in the batch.
    pub revision: Revision,
    pub events: Vec<Event>,
}

/// Events in one batch; one transaction may exceed it, since it is never split.
const BATCH_EVENTS: usize = 256;
/// Changes looked at on disk before the watch lets others run.
const DISK_CHANGES: usize = 1024;

/// Where a watch finds the state when it is behind the ring.
pub(crate) trait Source: Send + Sync + 'static {
    /// Waits until there is an open state.
    fn state(&self) -> Result<Option<Arc<State>>, Error>;

    /// Says what reading it came to: damage takes the whole store down, not this watch alone.
    fn notice(&self, error: &Error);
}

/// A cursor over the changes under a prefix.
pub struct Watch {
    hub: Arc<Hub>,
    source: Arc<dyn Source>,
    waiter: Arc<Waiter>,
    /// Everything up to here has been looked at and, if it matched, returned.
    cursor: Revision,
}

/// What looking at some history yielded.
struct Looked {
    events: Vec<Event>,
    upto: Revision,
}

impl Watch {
    pub(crate) fn new(
        hub: Arc<Hub>,
        source: Arc<dyn Source>,
        prefix: &[u8],
        after: Revision,
    ) -> Self {
        let waiter = hub.register(prefix, after);
        Self {
            hub,
            source,
            waiter,
            cursor: after,
        }
    }

    /// The next changes; waits until there are any. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// `Compacted` when the cursor fell behind the retained history, `Closed` after shutdown,
    /// `Corrupt` when the history does not check.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            self.waiter.deliver(self.cursor);
            let woken = self.waiter.woken();
            if self.hub.is_closed() {
                return Err(Error::Closed);
            }
            // In this order: whatever is published by now has been counted as a match by now.
            let published = self.hub.published();
            if self.waiter.newest_match() <= self.cursor {
                self.cursor = self.cursor.max(published);
                self.waiter.deliver(self.cursor);
                woken.await;
                continue;
            }
            let looked = match self
                .hub
                .read(&self.waiter.prefix, self.cursor, BATCH_EVENTS)
            {
                Some(looked) => Looked {
                    events: looked.0,
                    upto: looked.1,
                },
                None => self.read_disk(published).await?,
            };
            self.cursor = self.cursor.max(looked.upto);
            if let Some(last) = looked.events.last() {
                return Ok(Batch {
                    revision: last.revision,
                    events: looked.events,
                });
            }
        }
    }

    async fn read_disk(&self, published: Revision) -> Result<Looked, Error> {
        self.hub.disk_reads.fetch_add(1, Ordering::Relaxed);
        // Reading is work without a pause; others get their turn between two chunks of it.
        tokio::task::yield_now().await;
        loop {
            if let Some(state) = self.source.state()? {
                let read = read_changes(&state, &self.waiter.prefix, self.cursor, published);
                return read.inspect_err(|error| self.source.notice(error));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Every change up to this revision has been returned by `next`.
    #[must_use]
    pub fn progress(&self) -> Revision {
        let published = self.hub.published();
        if self.waiter.newest_match() <= self.cursor {
            self.cursor.max(published)
        } else {
            self.cursor
        }
    }

    /// A handle on this watch's position for other tasks.
    #[must_use]
    pub fn progress_handle(&self) -> Progress {
        Progress {
            hub: self.hub.clone(),
            waiter: self.waiter.clone(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.deregister(&self.waiter);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = String::from_utf8_lossy(&self.waiter.prefix);
        f.debug_struct("Watch")
            .field("prefix", &prefix)
            .field("cursor", &self.cursor)
            .finish()
    }
}

/// Whole transactions behind `after`, from `changes` and `versions`, in one view.
fn read_changes(
    state: &State,
    prefix: &[u8],
    after: Revision,
    published: Revision,
) -> Result<Looked, Error> {
    let view = state.view()?;
    view.check(after)?;
    let (mut events, mut seen, mut upto) = (Vec::new(), 0, published);
    view.visit_changes(after.0, |revision, ordinal, change| {
        let full = events.len() >= BATCH_EVENTS || seen >= DISK_CHANGES;
        if revision > published.0 || (full && ordinal == 0) {
            upto = Revision(revision - 1);
            return Ok(std::ops::ControlFlow::Break(()));
        }
        seen += 1;
        if change.key.starts_with(prefix) {
            events.push(view.event(revision, change)?);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(Looked { events, upto })
}

/// Where a watch stands, seen from other tasks.
#[derive(Clone)]
pub struct Progress {
    hub: Arc<Hub>,
    waiter: Arc<Waiter>,
}

impl Progress {
    /// Every change up to this revision has been returned by `next`, and its caller has come
    /// back for more: what it does with a batch before it calls `next` again is done.
    #[must_use]
    pub fn complete_up_to(&self) -> Revision {
        let published = self.hub.published();
        let delivered = self.waiter.delivered();
        if self.waiter.newest_match() <= delivered {
            delivered.max(published)
        } else {
            delivered
        }
    }

    /// Waits until `complete_up_to` has reached a revision.
    ///
    /// # Errors
    /// `Closed` when the store or the watch has ended.
    pub async fn reached(&self, revision: Revision) -> Result<(), Error> {
        loop {
            let moved = self.waiter.moved();
            let advanced = self.hub.advanced();
            if self.complete_up_to() >= revision {
                return Ok(());
            }
            if self.hub.is_closed() || self.waiter.is_gone() {
                return Err(Error::Closed);
            }
            tokio::select! {
                () = moved => {}
                () = advanced => {}
            }
        }
    }

    /// The newest change under the prefix so far (or a revision before the watch was made).
    #[must_use]
    pub fn newest_match(&self) -> Revision {
        self.waiter.newest_match()
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Progress")
            .field(&self.complete_up_to())
            .finish()
    }
}
