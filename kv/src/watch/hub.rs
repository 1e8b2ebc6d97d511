//! Where applied transactions become visible: the published revision, the ring, and the
//! watches to wake. Publishing looks at each watch's prefix and wakes only those concerned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Transaction;
use super::ring::Ring;
use crate::{Event, Revision};

pub(crate) struct Hub {
    published: AtomicU64,
    compacted: AtomicU64,
    ring: RwLock<Ring>,
    waiters: RwLock<Vec<Arc<Waiter>>>,
    advanced: Notify,
    closed: AtomicBool,
    pub(crate) disk_reads: AtomicU64,
}

/// One watch as the hub sees it.
pub(crate) struct Waiter {
    pub(crate) prefix: Bytes,
    newest_match: AtomicU64,
    delivered: AtomicU64,
    wake: Notify,
    moved: Notify,
    gone: AtomicBool,
}

impl Hub {
    /// A hub that begins at a recovered state.
    pub(crate) fn new(ring_bytes: usize, revision: Revision, compacted: Revision) -> Self {
        Self {
            published: AtomicU64::new(revision.0),
            compacted: AtomicU64::new(compacted.0),
            ring: RwLock::new(Ring::new(ring_bytes, revision)),
            waiters: RwLock::default(),
            advanced: Notify::new(),
            closed: AtomicBool::new(false),
            disk_reads: AtomicU64::new(0),
        }
    }

    /// Makes written transactions visible. A replay repeats some; those are known already.
    pub(crate) fn publish(
        &self,
        revision: Revision,
        compacted: Revision,
        transactions: Vec<Transaction>,
    ) {
        let known = self.published();
        let waiters = self.waiters.read();
        for transaction in transactions.into_iter().filter(|t| t.revision > known) {
            for waiter in waiters.iter().filter(|w| w.concerns(&transaction.events)) {
                waiter
                    .newest_match
                    .store(transaction.revision.0, Ordering::Release);
            }
            self.ring.write().push(transaction);
        }
        self.compacted.fetch_max(compacted.0, Ordering::Release);
        self.published.fetch_max(revision.0, Ordering::Release);
        for waiter in waiters.iter().filter(|w| w.newest_match() > known) {
            waiter.wake.notify_one();
        }
        drop(waiters);
        self.advanced.notify_waiters();
    }

    /// Goes on at a later revision whose events never came by: watches find them in the state.
    pub(crate) fn jump(&self, revision: Revision, compacted: Revision) {
        let waiters = self.waiters.write();
        self.ring.write().restart(revision);
        for waiter in waiters.iter() {
            // Whether anything in between concerns it is found out by looking.
            waiter.newest_match.fetch_max(revision.0, Ordering::AcqRel);
        }
        self.compacted.fetch_max(compacted.0, Ordering::Release);
        self.published.fetch_max(revision.0, Ordering::Release);
        for waiter in waiters.iter() {
            waiter.wake.notify_one();
        }
        drop(waiters);
        self.advanced.notify_waiters();
    }

    /// The last applied revision.
    pub(crate) fn published(&self) -> Revision {
        Revision(self.published.load(Ordering::Acquire))
    }

    pub(crate) fn compacted(&self) -> Revision {
        Revision(self.compacted.load(Ordering::Acquire))
    }

    pub(crate) fn register(&self, prefix: &[u8], after: Revision) -> Arc<Waiter> {
        let mut waiters = self.waiters.write();
        // What has been published before is looked at once, whether it matches or not.
        let published = self.published();
        let unseen = if published > after {
            published
        } else {
            Revision(0)
        };
        let waiter = Arc::new(Waiter {
            prefix: Bytes::copy_from_slice(prefix),
            newest_match: AtomicU64::new(unseen.0),
            delivered: AtomicU64::new(after.0),
            wake: Notify::new(),
            moved: Notify::new(),
            gone: AtomicBool::new(false),
        });
        waiters.push(waiter.clone());
        waiter
    }

    pub(crate) fn deregister(&self, waiter: &Arc<Waiter>) {
        self.waiters.write().retain(|w| !Arc::ptr_eq(w, waiter));
        waiter.gone.store(true, Ordering::Release);
        waiter.moved.notify_waiters();
    }

    /// As [`Ring::read`].
    pub(crate) fn read(
        &self,
        prefix: &[u8],
        after: Revision,
        limit: usize,
    ) -> Option<(Vec<Event>, Revision)> {
        self.ring.read().read(prefix, after, limit)
    }

    /// Completes when anything is published after the call.
    pub(crate) fn advanced(&self) -> Notified<'_> {
        self.advanced.notified()
    }

    /// Ends all watches.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for waiter in self.waiters.read().iter() {
            waiter.wake.notify_one();
            waiter.moved.notify_waiters();
        }
        self.advanced.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Watches, and transactions and bytes in the ring.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        let (transactions, bytes) = self.ring.read().size();
        (self.waiters.read().len(), transactions, bytes)
    }
}

impl Waiter {
    fn concerns(&self, events: &[Event]) -> bool {
        events
            .iter()
            .any(|event| event.key.starts_with(&self.prefix))
    }

    pub(crate) fn newest_match(&self) -> Revision {
        Revision(self.newest_match.load(Ordering::Acquire))
    }

    pub(crate) fn delivered(&self) -> Revision {
        Revision(self.delivered.load(Ordering::Acquire))
    }

    pub(crate) fn deliver(&self, upto: Revision) {
        if self.delivered.fetch_max(upto.0, Ordering::AcqRel) < upto.0 {
            self.moved.notify_waiters();
        }
    }

    /// Completes when a match has been published; a wake-up between two calls is kept.
    pub(crate) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}
