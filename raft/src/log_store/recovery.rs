//! Opens the log after any crash: cuts what a crash cut short, refuses what is damaged or
//! missing by name, and finds out what the log holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBRecoveryMode, IteratorMode, LogLevel, Options, ReadOptions,
};

use super::floor::Floor;
use super::{LogOptions, record, wal};
use crate::tables::Database;
use crate::type_config::{LogId, Vote};
use crate::{Error, Pace, Position, sealed, tables};

/// An opened log and what it holds.
pub(super) struct Recovered {
    pub(super) db: Arc<Database>,
    pub(super) floor: Floor,
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
}

pub(super) fn open(options: &LogOptions) -> Result<Recovered, Error> {
    let dir = options.dir.join("log");
    let floor = open_floor(options, &dir)?;
    if dir.exists() {
        wal::check(&dir)?;
    }
    let db = tables::open(&database_options(options)?, Vec::new(), &dir)?;
    if options.sync {
        // The directory that was just made must outlive a power loss as its files do.
        sealed::sync_dir(&options.dir)?;
    }
    let vote = read(&db, &dir, record::VOTE_KEY, record::decode_vote)?;
    let purged = read(&db, &dir, record::PURGED_KEY, |v| {
        record::decode_position(record::PURGED_KEY, v)
    })?;
    let last = verify_entries(&db, &dir, purged)?;
    let reached = last.map_or(0, |p| p.index + 1);
    if reached < floor.index() {
        let what = format!(
            "it holds entries below {reached}, but all below {} were on disk",
            floor.index()
        );
        return Err(Error::corrupt(what, dir));
    }
    Ok(Recovered {
        db: Arc::new(db),
        floor,
        vote,
        purged: purged.map(Position::log_id),
        last: last.map(Position::log_id),
    })
}

/// The floor is made before the log, so a log without one has lost it.
fn open_floor(options: &LogOptions, dir: &Path) -> Result<Floor, Error> {
    let path = options.dir.join("log.floor");
    match Floor::open(&path)? {
        Some(floor) if floor.index() > 0 && !dir.exists() => Err(Error::corrupt(
            "it is missing, but entries were written to it",
            dir,
        )),
        Some(floor) => Ok(floor),
        None if dir.exists() => Err(Error::corrupt("it is missing beside an existing log", path)),
        None => Floor::create(&path),
    }
}

/// Walks all entries: each must check and follow the one before it.
fn verify_entries(
    db: &DB,
    dir: &Path,
    purged: Option<Position>,
) -> Result<Option<Position>, Error> {
    let mut last = purged;
    let mut read = ReadOptions::default();
    read.set_iterate_lower_bound(record::entry_key(purged.map_or(0, |p| p.index + 1)));
    read.set_iterate_upper_bound(b"f");
    read.set_verify_checksums(true);
    read.fill_cache(false);
    for item in db.iterator_opt(IteratorMode::Start, read) {
        let (key, value) = item.map_err(|e| Error::database("reading the log", &e, dir))?;
        let index = record::entry_index(&key)
            .ok_or_else(|| Error::corrupt("it holds an unknown key", dir))?;
        let expected = last.map_or(0, |p| p.index + 1);
        if index != expected {
            return Err(Error::corrupt(
                format!("entry {expected} is missing, {index} follows"),
                dir,
            ));
        }
        let entry = record::decode_entry(index, &value)
            .map_err(|what| Error::corrupt(format!("entry {index}: {what}"), dir))?;
        last = Some(Position::of(entry.log_id));
    }
    Ok(last)
}

pub(super) fn read<T>(
    db: &DB,
    dir: &Path,
    key: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    let name = String::from_utf8_lossy(&key[1..]).into_owned();
    let value = db
        .get_pinned(key)
        .map_err(|e| Error::database("reading the log", &e, dir))?;
    value
        .map(|v| decode(&v))
        .transpose()
        .map_err(|what| Error::corrupt(format!("the {name} record: {what}"), dir))
}

pub(super) fn database_options(options: &LogOptions) -> Result<Options, Error> {
    // No automatic resume after an error: the node is fenced instead, and reopens.
    let mut db = Options::default()
        .get_options_from_string("max_bgerror_resume_count=0")
        .map_err(|e| Error::io("setting up the log", e))?;
    db.create_if_missing(true);
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    db.set_track_and_verify_wals_in_manifest(true);
    db.set_paranoid_checks(true);
    db.set_write_buffer_size(options.write_buffer_bytes);
    Pace::lift_limits(&mut db);
    db.set_max_background_jobs(2);
    db.set_max_open_files(64);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(1 << 20);
    db.set_log_level(LogLevel::Warn);
    db.set_stats_dump_period_sec(0);
    db.set_stats_persist_period_sec(0);
    db.set_max_manifest_file_size(4 << 20);
    db.set_allow_concurrent_memtable_write(false);
    db.set_compression_type(rocksdb::DBCompressionType::Lz4);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(1 << 20));
    db.set_block_based_table_factory(&table);
    Ok(db)
}

/// The database's own directory, for messages.
pub(super) fn directory(options: &LogOptions) -> PathBuf {
    options.dir.join("log")
}
