//! Reads a whole log that no process has open and says what is wrong with it; it changes nothing. The order of checks is that of
//! a start: floor, write-ahead files, marks, entries.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use rocksdb::{ColumnFamilyDescriptor, DB, Options};

use super::floor::{self, Floor};
use super::{LogOptions, record, recovery, wal};
use crate::member::MembershipRecord;
use crate::tables::Database;
use crate::type_config::Payload;
use crate::{Error, Position, tables};

/// The one family of the log's database.
const FAMILY: &str = "default";

/// What an entry carries.
#[derive(Clone, Copy, Debug)]
pub enum LogItem<'a> {
    Blank,
    Commands(&'a [Bytes]),
    /// The record that a state keeps of it.
    Membership(&'a [u8]),
}

/// What a log holds.
#[derive(Debug, Default)]
pub struct LogReading {
    /// Up to here entries have been given up; the state has them.
    pub purged: Option<Position>,
    /// The first entry that is there, and the last; `purged` when there is none.
    pub first: Option<u64>,
    pub last: Option<Position>,
    /// All entries below this index have been on disk.
    pub floor: u64,
    /// The newest term that was voted in.
    pub term: u64,
    pub damage: Vec<Error>,
    /// What a start would put right by itself.
    pub notes: Vec<String>,
}

/// Reads the log of a data directory. The entries that check are visited in order.
///
/// # Errors
/// `Io` when something cannot be read at all; what is damaged is in the answer.
pub fn read_log(
    dir: &Path,
    scratch: &Path,
    mut visit: impl FnMut(Position, LogItem<'_>),
) -> Result<LogReading, Error> {
    let mut reading = LogReading::default();
    let options = LogOptions {
        dir: dir.to_path_buf(),
        sync: true,
        write_buffer_bytes: 1 << 20,
    };
    let place = recovery::directory(&options);
    reading.read_floor(dir, &place)?;
    if !place.is_dir() {
        return Ok(reading);
    }
    if reading.read_ahead(&place)? {
        let database = recovery::database_options(&options)?;
        match open(database, &place, scratch) {
            Ok(db) => reading.read_entries(&db, &place, &mut visit)?,
            Err(error) => reading.damage.push(error),
        }
    }
    Ok(reading)
}

fn open(options: Options, place: &Path, scratch: &Path) -> Result<Database, Error> {
    let family = ColumnFamilyDescriptor::new(FAMILY, options.clone());
    tables::open_to_read(options, vec![family], place, Some(scratch))
}

impl LogReading {
    fn read_floor(&mut self, dir: &Path, place: &Path) -> Result<(), Error> {
        let path = dir.join("log.floor");
        match Floor::read(&path) {
            Ok(Some(index)) => self.floor = index,
            Ok(None) if place.exists() => {
                let missing = Error::corrupt("it is missing beside an existing log", &path);
                self.damage.push(missing);
            }
            Ok(None) => {}
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => self.damage.push(error),
        }
        if let Some(slot) = floor::bad_slot(&path) {
            let what = format!(
                "slot {slot} of two does not check; the other says that {} entries were on disk",
                self.floor
            );
            self.damage.push(Error::corrupt(what, &path));
        }
        if self.floor > 0 && !place.exists() {
            let what = "it is missing, but entries were written to it";
            self.damage.push(Error::corrupt(what, place));
        }
        Ok(())
    }

    /// Whether the write-ahead files let the database be opened.
    fn read_ahead(&mut self, place: &Path) -> Result<bool, Error> {
        let mut fit = true;
        for judged in wal::examine(place)? {
            match judged {
                Ok(None) => {}
                Ok(Some((path, at))) => self.notes.push(format!(
                    "{} ends in a write that a crash cut short, at byte {at}: it was never acknowledged, and the next start cuts it off",
                    path.display()
                )),
                Err(error) => {
                    self.damage.push(error);
                    fit = false;
                }
            }
        }
        Ok(fit)
    }

    fn read_entries(
        &mut self,
        db: &DB,
        place: &Path,
        visit: &mut impl FnMut(Position, LogItem<'_>),
    ) -> Result<(), Error> {
        self.read_marks(db, place);
        self.last = self.purged;
        let begins = self.purged.map_or(0, |at| at.index + 1);
        let mut damage = Vec::new();
        let failures = tables::visit_rows(db, FAMILY, place, |key, value| {
            if key == record::VOTE_KEY || key == record::PURGED_KEY {
                return;
            }
            let Some(index) = record::entry_index(key) else {
                damage.push(Error::corrupt("it holds an unknown key", place));
                return;
            };
            if index < begins {
                return;
            }
            let expected = self.last.map_or(0, |at| at.index + 1);
            if index != expected {
                let what = format!("entry {expected} is missing, {index} follows");
                damage.push(Error::corrupt(what, place));
            }
            let whole = record::decode_entry(index, value);
            let at = whole.as_ref().map_or(
                Position {
                    index,
                    ..self.last.unwrap_or_default()
                },
                |entry| Position::of(entry.log_id),
            );
            if self.last.is_some_and(|last| at.term < last.term) {
                let what = format!("entry {index} is of term {}, after a newer one", at.term);
                damage.push(Error::corrupt(what, place));
            }
            self.first.get_or_insert(index);
            self.last = Some(at);
            match whole {
                Ok(entry) => tell(at, &entry.payload, visit),
                Err(what) => damage.push(Error::corrupt(format!("entry {index}: {what}"), place)),
            }
        })?;
        self.damage.extend(damage);
        self.damage.extend(failures);
        let reached = self.last.map_or(0, |at| at.index + 1);
        if reached < self.floor {
            let what = format!(
                "it holds entries below {reached}, but all below {} were on disk",
                self.floor
            );
            self.damage.push(Error::corrupt(what, place));
        }
        Ok(())
    }

    fn read_marks(&mut self, db: &DB, place: &Path) {
        let vote = recovery::read(db, place, record::VOTE_KEY, record::decode_vote);
        match vote {
            Ok(vote) => self.term = vote.map_or(0, |vote| vote.leader_id.term),
            Err(error) => self.damage.push(error),
        }
        let purged = recovery::read(db, place, record::PURGED_KEY, |value| {
            record::decode_position(record::PURGED_KEY, value)
        });
        match purged {
            Ok(purged) => self.purged = purged,
            Err(error) => self.damage.push(error),
        }
    }
}

fn tell(at: Position, payload: &Payload, visit: &mut impl FnMut(Position, LogItem<'_>)) {
    match payload {
        Payload::Blank => visit(at, LogItem::Blank),
        Payload::Normal(frame) => visit(at, LogItem::Commands(&frame.commands)),
        Payload::Membership(members) => {
            let record = MembershipRecord::new(members, Some(at)).encode_to_vec();
            visit(at, LogItem::Membership(&record));
        }
    }
}
