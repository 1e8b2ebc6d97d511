//! Opens the state database and finds out where in the log it stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompactionStyle, DBCompressionType,
    LogLevel, Options,
};
use triad_raft::tables::{self, Database};
use triad_raft::{Pace, Stand};

use super::State;
use crate::layout::record::StandRecord;
use crate::layout::{
    CHANGES, EXPIRY, FAMILIES, LATEST, MEMBERSHIP_KEY, META, STAND_KEY, VERSIONS, record,
};
use crate::{Error, Limits};

impl State {
    /// Opens a state for writing. What was never flushed is gone, and is in the log.
    pub(crate) fn open(dir: PathBuf, limits: &Limits) -> Result<Self, Error> {
        Self::open_with(dir, limits, tables::open)
    }

    /// Opens a copy to look at.
    pub(crate) fn open_copy(dir: &Path, limits: &Limits) -> Result<Self, Error> {
        Self::open_with(dir.to_path_buf(), limits, |options, families, dir| {
            tables::open_to_read(options.clone(), families, dir, None)
        })
    }

    /// Opens a state that nobody writes to, and leaves no trace in its directory.
    pub(crate) fn open_untouched(
        dir: &Path,
        limits: &Limits,
        scratch: &Path,
    ) -> Result<Self, Error> {
        Self::open_with(dir.to_path_buf(), limits, |options, families, dir| {
            tables::open_to_read(options.clone(), families, dir, Some(scratch))
        })
    }

    fn open_with(
        dir: PathBuf,
        limits: &Limits,
        open: impl FnOnce(
            &Options,
            Vec<ColumnFamilyDescriptor>,
            &Path,
        ) -> Result<Database, triad_raft::Error>,
    ) -> Result<Self, Error> {
        let cache = Cache::new_lru_cache(limits.block_cache_bytes);
        let families = FAMILIES
            .map(|name| ColumnFamilyDescriptor::new(name, family_options(name, limits, &cache)));
        let db = open(&database_options(limits)?, families.into(), &dir)?;
        let state = Self {
            db,
            dir,
            cache,
            pace: Pace::new(limits.write_buffer_bytes),
            flushed: Mutex::default(),
            current: Mutex::default(),
            open: Arc::default(),
        };
        let stand = state.recovered_stand()?;
        *state.flushed.lock() = stand.clone();
        *state.current.lock() = stand;
        Ok(state)
    }

    fn recovered_stand(&self) -> Result<Stand, Error> {
        let read = |key| {
            let value = self.db.get_cf(self.family(META), key);
            value.map_err(|e| self.trouble("reading the state", &e))
        };
        let applied = read(STAND_KEY)?
            .map(|bytes| StandRecord::decode(STAND_KEY, &bytes))
            .transpose()
            .map_err(|what| self.damaged("the stand", &what))?
            .map(|stand| stand.applied);
        let membership = read(MEMBERSHIP_KEY)?
            .map(|bytes| record::decode_opaque(MEMBERSHIP_KEY, &bytes))
            .transpose()
            .map_err(|what| self.damaged("the membership", &what))?;
        Ok(Stand {
            applied,
            membership,
        })
    }
}

/// Larger blocks compress better and cost less to compress; a read of one key unpacks more.
const HISTORY_BLOCK_BYTES: usize = 16 << 10;
/// Files of recent history that wait to be merged: twice as many are merged half as often.
const HISTORY_FILES: i32 = 8;
/// A file with a larger part of deletions is merged at once, so that the disk gets back what they stand for. While history is
/// given up as fast as it comes in, half of what is written are deletions.
const MOSTLY_DELETIONS: f64 = 0.75;

fn database_options(limits: &Limits) -> Result<Options, Error> {
    // No automatic resume after an error: the node is fenced instead, and reopens.
    let mut db = Options::default()
        .get_options_from_string("max_bgerror_resume_count=0")
        .map_err(|e| Error::Io {
            what: "setting up the state".into(),
            why: e.to_string(),
        })?;
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // All families reach the disk together, so that the state is always that of one log entry.
    db.set_atomic_flush(true);
    db.set_paranoid_checks(true);
    db.set_db_write_buffer_size(limits.write_buffer_bytes * 3);
    // One for flushes, two for merges: a large one does not keep small ones waiting.
    db.set_max_background_jobs(3);
    db.set_max_open_files(256);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(1 << 20);
    db.set_log_level(LogLevel::Warn);
    db.set_stats_dump_period_sec(0);
    db.set_stats_persist_period_sec(0);
    db.set_max_manifest_file_size(4 << 20);
    Ok(db)
}

fn family_options(name: &str, limits: &Limits, cache: &Cache) -> Options {
    let mut family = Options::default();
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Most compares ask for keys that are not there; a version is asked for by its key, and lies in one of several files.
    if matches!(name, LATEST | VERSIONS) {
        table.set_bloom_filter(10.0, false);
    }
    // What is newest is compared with at every write; the past is written once and seldom read.
    if name == LATEST {
        family.set_bottommost_compression_type(DBCompressionType::Lz4);
    } else {
        table.set_block_size(HISTORY_BLOCK_BYTES);
        family.set_bottommost_compression_type(DBCompressionType::Zstd);
        family.set_level_zero_file_num_compaction_trigger(HISTORY_FILES);
        // Files of about one size are merged (docs/adr/0015).
        family.set_compaction_style(DBCompactionStyle::Universal);
    }
    family.add_compact_on_deletion_collector_factory(0, 0, MOSTLY_DELETIONS);
    family.set_block_based_table_factory(&table);
    family.set_write_buffer_size(match name {
        VERSIONS => limits.write_buffer_bytes,
        LATEST | CHANGES => limits.write_buffer_bytes / 2,
        EXPIRY | META => limits.write_buffer_bytes / 8,
        other => unreachable!("{other} is no family"),
    });
    Pace::lift_limits(&mut family);
    family.set_compression_type(DBCompressionType::Lz4);
    family.set_level_compaction_dynamic_level_bytes(true);
    family
}
