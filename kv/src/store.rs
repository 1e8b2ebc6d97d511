//! The front door. A `Store` is a cheap handle; its clones share one open store.
//! Reads are local and synchronous; writes and barriers go through the log.

use crate::{Entry, Error, Health, Metrics, Range, Revision, StoreOptions, Txn, TxnOutcome, Watch};

#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Recovers what is on disk and returns when the store serves.
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `Io`.
    pub async fn open(_options: StoreOptions) -> Result<Self, Error> {
        Err(Error::Closed)
    }

    /// Carries out a transaction; durable when it returns.
    ///
    /// # Errors
    /// `TooLarge` before anything happens; `Unavailable` when the outcome is unknown.
    pub async fn txn(&self, _txn: Txn) -> Result<TxnOutcome, Error> {
        Err(Error::Closed)
    }

    /// After it returns, local reads see every write acknowledged before it was called.
    ///
    /// # Errors
    /// `NotLeader`, `Unavailable`, `Closed`.
    pub async fn read_barrier(&self) -> Result<Revision, Error> {
        Err(Error::Closed)
    }

    /// The last applied revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(0)
    }

    /// The oldest revision that can still be read; watches start behind it.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        Revision(0)
    }

    /// A key now, or as it stood at a revision.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, `Corrupt`.
    pub fn get(&self, _key: &[u8], _at: Option<Revision>) -> Result<Option<Entry>, Error> {
        Err(Error::Closed)
    }

    /// The keys in `start..end` now or as they stood at a revision, at most `limit` (0: no limit).
    /// An empty `end` is the end of all keys.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, `Corrupt`.
    pub fn range(
        &self,
        _start: &[u8],
        _end: &[u8],
        _at: Option<Revision>,
        _limit: usize,
    ) -> Result<Range, Error> {
        Err(Error::Closed)
    }

    /// How many keys `start..end` holds now.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`.
    pub fn count(&self, _start: &[u8], _end: &[u8]) -> Result<u64, Error> {
        Err(Error::Closed)
    }

    /// Every change under `prefix` with a revision greater than `after`; a future one is waited for.
    ///
    /// # Errors
    /// `Compacted` when the changes behind `after` are not retained.
    pub fn watch(&self, _prefix: &[u8], _after: Revision) -> Result<Watch, Error> {
        Err(Error::Closed)
    }

    /// Gives up the history before `at`; the space is reclaimed in the background.
    ///
    /// # Errors
    /// `FutureRevision`, `Compacted` when it was given up before.
    pub async fn compact(&self, _at: Revision) -> Result<(), Error> {
        Err(Error::Closed)
    }

    #[must_use]
    pub fn health(&self) -> Health {
        Health::default()
    }

    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    /// Stops serving, flushes, closes the files and frees the lock.
    pub async fn shutdown(&self) {}
}
