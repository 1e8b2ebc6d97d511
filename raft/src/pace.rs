//! Holds writers back while a database is behind with its files. RocksDB would do so by itself, but a
//! writer that it holds (DBImpl::DelayWrite) never comes back when a flush finds the disk full
//! meanwhile: its recovery (ErrorHandler::RecoverFromNoSpace) flushes first, and that flush queues
//! behind the writer. So RocksDB's own limits are put out of reach, and writers wait here.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rocksdb::{DB, Options};

use crate::Error;

/// Memory tables that wait to become files: from here on writers wait.
const FULL_TABLES: u64 = 3;
/// Files that wait to be merged: from here on writers are slowed down,
const MANY_FILES: u64 = 20;
/// and from here on they wait.
const MOST_FILES: u64 = 36;
/// Between two looks of a writer that waits; also what a slowed one waits at a look.
const PAUSE: Duration = Duration::from_millis(2);
/// Beyond what a database ever has of anything.
const UNREACHED: i32 = 1 << 20;

/// Looks at a database once in so many bytes written.
pub struct Pace {
    every: usize,
    since: AtomicUsize,
}

impl Pace {
    /// `table_bytes` is the size of the largest memory table.
    #[must_use]
    pub fn new(table_bytes: usize) -> Self {
        Self {
            every: table_bytes / 32,
            since: AtomicUsize::new(0),
        }
    }

    /// Puts RocksDB's own limits out of reach; to be called for each family's options.
    pub fn lift_limits(family: &mut Options) {
        family.set_max_write_buffer_number(UNREACHED);
        family.set_level_zero_slowdown_writes_trigger(UNREACHED);
        family.set_level_zero_stop_writes_trigger(UNREACHED);
        family.set_soft_pending_compaction_bytes_limit(0);
        family.set_hard_pending_compaction_bytes_limit(0);
    }

    /// Called before a write of so many bytes to a database's default family or the named ones.
    ///
    /// # Errors
    /// `Io` when the database could not write its files: the memory tables would grow for ever.
    pub fn wait(&self, bytes: usize, db: &DB, families: &[&str]) -> Result<(), Error> {
        if self.since.fetch_add(bytes, Relaxed) + bytes < self.every {
            return Ok(());
        }
        self.since.store(0, Relaxed);
        let most = |property| {
            let handles = families.iter().filter_map(|name| db.cf_handle(name));
            let numbers = handles.map(|family| db.property_int_value_cf(family, property));
            let own = db.property_int_value(property);
            numbers.chain([own]).flatten().flatten().max().unwrap_or(0)
        };
        loop {
            // It is kept for the database as a whole, and found at the default family.
            let failed = db.property_int_value("rocksdb.background-errors");
            if failed.ok().flatten() != Some(0) {
                let why = "a table could not be written, the file LOG beside them says why";
                return Err(Error::io("writing the tables in the background", why));
            }
            let tables = most("rocksdb.num-immutable-mem-table");
            let files = most("rocksdb.num-files-at-level0");
            let full = tables >= FULL_TABLES || files >= MOST_FILES;
            if full || files >= MANY_FILES {
                std::thread::sleep(PAUSE);
            }
            if !full {
                return Ok(());
            }
        }
    }
}
