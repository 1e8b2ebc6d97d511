//! The front door. A `Store` is a cheap handle; its clones share one open store.
//! Reads are local and synchronous; writes and barriers go through the log.

mod care;
mod questions;
mod running;
mod shared;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::apply::SAMPLE_SECONDS;
use crate::archive::{self, Shipment};
use crate::clock::unix_seconds;
use crate::command::Command;
use crate::{
    Entry, Error, Health, Identity, Member, Metrics, Peer, Range, Revision, StoreOptions, Txn,
    TxnOutcome, Version, Watch,
};

pub(crate) use running::Running;
use shared::{Shared, WeakSource};

/// What a copy of the state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub revision: Revision,
    pub cluster: u64,
    /// The last log entry in it.
    pub term: u64,
    pub index: u64,
    /// No command that changed anything in it carries a later time (unix seconds).
    pub time: u64,
}

#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// Recovers what is on disk and returns when the store serves.
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `Io`.
    pub async fn open(options: StoreOptions) -> Result<Self, Error> {
        let shared = Shared::open(options).await?;
        care::start(&shared);
        Ok(Self { shared })
    }

    /// Carries out a transaction; durable when it returns.
    ///
    /// # Errors
    /// `TooLarge` before anything happens; `NotLeader` when it was not taken; `Unavailable` when
    /// the outcome is unknown.
    pub async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        self.shared.options.limits.check(&txn)?;
        let weight = txn.changes.len().max(1);
        let command = Command::txn(txn, unix_seconds());
        self.shared
            .running()?
            .propose(&command, weight)
            .await
            .map(TxnOutcome::from)
    }

    /// After it returns, local reads see every write acknowledged before it was called.
    ///
    /// # Errors
    /// `NotLeader`, `Unavailable`, `Closed`.
    pub async fn read_barrier(&self) -> Result<Revision, Error> {
        self.shared.running()?.node.read_barrier().await?;
        Ok(self.revision())
    }

    /// The last applied revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shared.hub.published()
    }

    /// The oldest revision that can still be read; watches start behind it.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.shared.hub.compacted()
    }

    /// A key now, or as it stood at a revision.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, `Corrupt`.
    pub fn get(&self, key: &[u8], at: Option<Revision>) -> Result<Option<Entry>, Error> {
        let key = Bytes::copy_from_slice(key);
        self.shared.read(|state| {
            let Some(at) = at else {
                return state.latest(&key);
            };
            let view = state.view()?;
            view.check(at)?;
            view.version_at(&key, at.0)
        })
    }

    /// The revision of a key's last change, if it is there; its value is not read.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`.
    pub fn mod_revision(&self, key: &[u8]) -> Result<Option<Revision>, Error> {
        let key = Bytes::copy_from_slice(key);
        let head = self.shared.read(|state| state.head(&key))?;
        Ok(head.map(|head| head.mod_revision))
    }

    /// The keys in `start..end` now or as they stood at a revision, at most `limit` (0: no limit).
    /// An empty `end` is the end of all keys.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, `Corrupt`.
    pub fn range(
        &self,
        start: &[u8],
        end: &[u8],
        at: Option<Revision>,
        limit: usize,
    ) -> Result<Range, Error> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        self.shared.read(|state| {
            let view = state.view()?;
            let revision = at.unwrap_or(Revision(view.stand.revision));
            view.check(revision)?;
            let mut range = Range {
                entries: Vec::new(),
                more: false,
                revision,
            };
            let take = |entry| {
                range.more = range.entries.len() >= limit;
                if range.more {
                    return ControlFlow::Break(());
                }
                range.entries.push(entry);
                ControlFlow::Continue(())
            };
            if revision.0 == view.stand.revision {
                view.visit_latest(start, end, take)?;
            } else {
                view.visit_at(start, end, revision.0, take)?;
            }
            Ok(range)
        })
    }

    /// What is retained of a key, newest first: its versions and deletions, at most `limit`.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`.
    pub fn past(&self, key: &[u8], limit: usize) -> Result<Vec<Version>, Error> {
        let key = Bytes::copy_from_slice(key);
        self.shared.read(|state| state.view()?.past(&key, limit))
    }

    /// How many keys `start..end` holds now.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`.
    pub fn count(&self, start: &[u8], end: &[u8]) -> Result<u64, Error> {
        self.shared
            .read(|state| state.view()?.count_latest(start, end))
    }

    /// Every change under `prefix` with a revision greater than `after`; a future one is waited for.
    ///
    /// # Errors
    /// `Compacted` when the changes behind `after` are not retained.
    pub fn watch(&self, prefix: &[u8], after: Revision) -> Result<Watch, Error> {
        if self.shared.hub.is_closed() {
            return Err(Error::Closed);
        }
        let compacted = self.compacted();
        if after < compacted {
            return Err(Error::Compacted {
                requested: after,
                compacted,
            });
        }
        let source = Arc::new(WeakSource::new(&self.shared));
        Ok(Watch::new(self.shared.hub.clone(), source, prefix, after))
    }

    /// Who this store is: the cluster, and the member in it.
    ///
    /// # Errors
    /// `Unavailable` while it is down, `Closed`.
    pub fn identity(&self) -> Result<Identity, Error> {
        Ok(self.shared.running()?.identity.clone())
    }

    /// Who takes part, by name, as this member knows it.
    #[must_use]
    pub fn members(&self) -> Vec<Peer> {
        let running = self.shared.running();
        running.map(|r| r.node.peers()).unwrap_or_default()
    }

    /// Takes a member in: first it catches up, then it votes. A member of the same name is
    /// replaced. Asking again is harmless.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason, while it catches up too.
    pub async fn add_member(&self, id: u64, member: &Member) -> Result<(), Error> {
        Ok(self.shared.running()?.node.add_member(id, member).await?)
    }

    /// Removes a member for good, the leader too.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason.
    pub async fn remove_member(&self, name: &str) -> Result<(), Error> {
        Ok(self.shared.running()?.node.remove_member(name).await?)
    }

    /// Returns when this member has been removed from the cluster; nothing is served from it then.
    pub async fn removed(&self) {
        loop {
            // While it is down, or ended in another way, that is told elsewhere.
            let status = self.shared.running().map(|running| running.node.status());
            if let Ok(mut status) = status
                && status.wait_for(|s| s.removed).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Hands the leadership to a member.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason.
    pub async fn transfer(&self, name: &str) -> Result<(), Error> {
        Ok(self.shared.running()?.node.transfer(name).await?)
    }

    /// Asks another member's user something; this store has no part in it.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached in time.
    pub async fn ask(&self, peer: &Peer, question: &[u8]) -> Result<Bytes, Error> {
        let running = self.shared.running()?;
        Ok(running
            .node
            .ask(peer, questions::for_user(question))
            .await?)
    }

    /// Copies the state, as it is after some write, into a new directory on the same disk: hard
    /// links to its tables, made while writes go on.
    ///
    /// # Errors
    /// `Io`, `Unavailable`.
    pub async fn checkpoint(&self, to: &Path) -> Result<Copied, Error> {
        let running = self.shared.running()?;
        let (slot, to) = (running.slot.clone(), to.to_path_buf());
        let copied = tokio::task::spawn_blocking(move || slot.copy(&to)).await;
        let stand = copied.map_err(|e| Error::Unavailable { why: e.to_string() })??;
        Ok(Copied {
            revision: Revision(stand.revision),
            cluster: running.identity.cluster,
            term: stand.applied.term,
            index: stand.applied.index,
            // A later one would have been sampled.
            time: stand.sample.time + SAMPLE_SECONDS,
        })
    }

    /// Keeps the log's entries from `from` on, within the bound of `held_log_bytes`, until the next call.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub fn hold_log(&self, from: u64) -> Result<(), Error> {
        self.shared.running()?.node.hold(from);
        Ok(())
    }

    /// What an archive takes next: the committed entries from `from` on, about `limit` bytes.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`, `Corrupt`.
    pub async fn shipment(&self, from: u64, limit: usize) -> Result<Shipment, Error> {
        let running = self.shared.running()?;
        let packing = tokio::task::spawn_blocking(move || {
            let committed = running.node.committed(from, limit)?;
            Ok(archive::pack(running.identity.cluster, committed))
        });
        let packed = packing.await;
        packed.map_err(|e| Error::Unavailable { why: e.to_string() })?
    }

    /// Compares this member's state with the others' at the same place in the log, now. It
    /// happens each minute by itself.
    ///
    /// # Errors
    /// `Corrupt` when this member is the odd one; it then stops serving.
    pub async fn compare(&self) -> Result<(), Error> {
        let running = self.shared.running()?;
        let compared = questions::compare(&running).await;
        compared.inspect_err(|error| self.shared.notice(error))
    }

    /// Gives up the history before `at`; the space is reclaimed in the background.
    ///
    /// # Errors
    /// `FutureRevision`, `Compacted` when it was given up before.
    pub async fn compact(&self, at: Revision) -> Result<(), Error> {
        let (current, compacted) = (self.revision(), self.compacted());
        if at > current {
            return Err(Error::FutureRevision {
                requested: at,
                current,
            });
        }
        if at <= compacted {
            return Err(Error::Compacted {
                requested: at,
                compacted,
            });
        }
        self.shared
            .running()?
            .propose(&Command::compact(at, unix_seconds()), 1)
            .await?;
        self.shared.sweep_wanted.notify_one();
        Ok(())
    }

    /// Has the state flushed and the log purged up to it, soon; both happen by themselves too.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub async fn flush(&self) -> Result<(), Error> {
        Ok(self.shared.running()?.node.flush().await?)
    }

    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Stops serving, flushes, closes the files and frees the lock.
    pub async fn shutdown(&self) {
        self.shared.shutdown().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.shared.options.dir)
            .field("revision", &self.revision())
            .finish()
    }
}
