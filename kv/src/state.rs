//! The state database (`DIR/state`): opening it, reading what it says about itself, flushing it.
//! Only `apply` and the sweep of given-up history write to it; the log replays what it loses.

mod checkpoint;
mod open;
mod past;
mod read;
mod slot;
mod sweep;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rocksdb::{Cache, ColumnFamily, FlushOptions, Snapshot, WriteBatch, WriteOptions};
use triad_raft::tables::Database;
use triad_raft::{Pace, Stand};

use crate::Error;
use crate::layout::record::StandRecord;
use crate::layout::{FAMILIES, META, STAND_KEY, record};

pub use past::Version;
pub(crate) use slot::{Slot, current};
pub use verify::Contents;

/// An open state database.
pub(crate) struct State {
    db: Database,
    dir: PathBuf,
    cache: Cache,
    pace: Pace,
    /// What of the state is in files; the rest is in the log.
    flushed: Mutex<Stand>,
    /// The stand after the newest entry, for `flush` to know what it has covered.
    current: Mutex<Stand>,
    /// Dropped last, when the files are closed.
    open: Arc<()>,
}

/// Tells when a state's files are closed: its last user may still be closing them after it has let go of the state.
#[derive(Clone)]
pub(crate) struct Closed(Weak<()>);

impl Closed {
    pub(crate) fn yet(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// The state as it was at one moment: the reads of one answer all use the same one.
pub(crate) struct View<'a> {
    state: &'a State,
    snapshot: Snapshot<'a>,
    pub(crate) stand: StandRecord,
}

impl State {
    /// Writes one batch; it is visible as a whole, or not at all.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.pace.wait(batch.size_in_bytes(), &self.db, &FAMILIES)?;
        let mut options = WriteOptions::default();
        // The raft log is this database's write-ahead log.
        options.disable_wal(true);
        self.db
            .write_opt(batch, &options)
            .map_err(|e| self.trouble("writing the state", &e))
    }

    /// Notes that everything up to `stand` has been written.
    pub(crate) fn advance(&self, stand: Stand) {
        *self.current.lock() = stand;
    }

    pub(crate) fn current(&self) -> Stand {
        self.current.lock().clone()
    }

    pub(crate) fn view(&self) -> Result<View<'_>, Error> {
        let snapshot = self.db.snapshot();
        let stand = match snapshot.get_pinned_cf(self.family(META), STAND_KEY) {
            Ok(None) => StandRecord::default(),
            Ok(Some(bytes)) => StandRecord::decode(STAND_KEY, &bytes)
                .map_err(|what| self.damaged("the stand", &what))?,
            Err(e) => return Err(self.trouble("reading the state", &e)),
        };
        Ok(View {
            state: self,
            snapshot,
            stand,
        })
    }

    pub(crate) fn closed(&self) -> Closed {
        Closed(Arc::downgrade(&self.open))
    }

    pub(crate) fn place(&self) -> &std::path::Path {
        &self.dir
    }

    /// The database itself, for what reads all of it.
    pub(crate) fn db(&self) -> &Database {
        &self.db
    }

    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        // Opening fails unless all families are there, and none is ever dropped.
        self.db.cf_handle(name).expect("all families are opened")
    }

    /// A number that the database knows about one family.
    pub(crate) fn family_number(&self, name: &str, property: &str) -> u64 {
        self.db
            .property_int_value_cf(self.family(name), property)
            .ok()
            .flatten()
            .unwrap_or(0)
    }

    /// The same number, summed over all families.
    pub(crate) fn number(&self, property: &str) -> u64 {
        FAMILIES
            .iter()
            .map(|name| self.family_number(name, property))
            .sum()
    }

    pub(crate) fn cache_bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }

    /// An error of the database in the store's words.
    pub(crate) fn trouble(&self, what: &str, error: &rocksdb::Error) -> Error {
        triad_raft::Error::database(what, error, &self.dir).into()
    }

    /// A record that does not check: which one, and where.
    pub(crate) fn damaged(&self, record: &str, what: &str) -> Error {
        let error = Error::Corrupt {
            what: format!("{record}: {what}"),
            file: self.dir.clone(),
        };
        tracing::error!(%error, "a record is damaged and is not served");
        error
    }

    fn read_numbers<const N: usize>(&self, key: &[u8]) -> Result<Option<[u64; N]>, Error> {
        let read = self.db.get_pinned_cf(self.family(META), key);
        let read = read.map_err(|e| self.trouble("reading the state", &e))?;
        let name = String::from_utf8_lossy(key);
        read.map(|bytes| record::decode_numbers(key, &bytes))
            .transpose()
            .map_err(|what| self.damaged(&name, &what))
    }
}

impl State {
    /// Returns when at least everything applied before the call is in files, and what that was.
    pub(crate) fn flush(&self) -> Result<Stand, Error> {
        let covered = self.current();
        let families: Vec<&ColumnFamily> = FAMILIES.iter().map(|name| self.family(name)).collect();
        let families: Vec<&&ColumnFamily> = families.iter().collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db
            .flush_cfs_opt(&families, &options)
            .map_err(|e| self.trouble("flushing the state", &e))?;
        *self.flushed.lock() = covered.clone();
        Ok(covered)
    }

    pub(crate) fn flushed(&self) -> Stand {
        self.flushed.lock().clone()
    }
}
