//! Reads a whole data directory that no server has open, says everything that is wrong with it, and writes nothing into it.
//! `triadctl verify` is the only caller.

mod agreement;
mod findings;
mod leftovers;
mod replay;
mod tables;

use std::path::Path;

use tempfile::TempDir;
use triad_raft::{Identity, LogItem, LogReading, Position, Seat, read_log, seats};

use crate::command::Command;
use crate::layout::record::StandRecord;
use crate::lock::DirLock;
use crate::recover::UNFINISHED;
use crate::state::{State, current};
use crate::{Contents, Entry, Error, Limits};

pub use findings::Finding;
use findings::Findings;
use replay::Replay;

/// Says what is wrong with a value, if something is; it sees every version that is kept.
pub type CheckValue<'a> = dyn FnMut(&Entry) -> Option<String> + 'a;

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    pub findings: Vec<Finding>,
    /// Findings beyond those, once there are too many to list.
    pub unlisted: u64,
    /// What is no damage, but good to know.
    pub notes: Vec<String>,
    pub identity: Option<Identity>,
    /// What the state holds, as far as it could be read.
    pub contents: Contents,
    /// The last entry that the state has taken in.
    pub applied: Option<Position>,
    pub log: Option<LogReading>,
    /// Who takes part, by the newest membership of state and log.
    pub seats: Vec<Seat>,
    /// Whether the state was made again from the log and came out the same.
    pub replayed: bool,
}

/// Examines the data directory of a store.
///
/// # Errors
/// `Locked` while a process has it; `Io` when it cannot be read at all.
pub fn examine(dir: &Path, value: &mut CheckValue<'_>) -> Result<Examined, Error> {
    let _lock = DirLock::hold(dir)?;
    examine_held(dir, value)
}

/// The same for whoever holds the directory's lock.
pub(crate) fn examine_held(dir: &Path, value: &mut CheckValue<'_>) -> Result<Examined, Error> {
    let scratch = scratch()?;
    let mut found = Findings::default();
    let mut examined = Examined {
        identity: found
            .keep(Identity::read(dir).map_err(Error::from))?
            .flatten(),
        ..Examined::default()
    };
    if examined.identity.is_none() && !found.any() {
        found.add(dir.join("identity"), "it is missing");
    }
    let current = found.keep(current(dir))?;
    let place = dir.join(current.as_deref().unwrap_or("state"));
    let mut stand = None;
    if current.is_some() && place.is_dir() {
        stand = state(&place, scratch.path(), value, &mut found, &mut examined)?;
    }
    if dir.join(UNFINISHED).exists() {
        // In the midst of a recovery the state is ahead of what the log makes.
        stand = None;
    }
    let mut replay = Replay::new(scratch.path().join("replay"), stand);
    let log = log(dir, scratch.path(), &mut replay, &mut found, &mut examined)?;
    if let Some(name) = current {
        if !place.is_dir() {
            missing(dir, &name, &log, &mut found);
        }
        leftovers::look(dir, &name, &mut found)?;
    }
    agreement::check(dir, &examined, &log, &mut found);
    examined.replayed = replay.compare(&place, &mut found);
    examined.log = Some(log);
    found.give(&mut examined);
    Ok(examined)
}

/// There is no state where it should be.
fn missing(dir: &Path, name: &str, log: &LogReading, found: &mut Findings) {
    if name != "state" {
        let what = format!("it names {name}, which is not there");
        found.add(dir.join("state.current"), what);
    } else if log.purged.is_some() {
        let what = "it is missing, and the log does not begin at its beginning";
        found.add(dir.join(name), what);
    } else {
        found.note("there is no state: the next start makes it from the log".into());
    }
}

/// Examines a copy of a state, as backups hold it.
///
/// # Errors
/// `Io` when it cannot be read at all.
pub fn examine_copy(dir: &Path, value: &mut CheckValue<'_>) -> Result<Examined, Error> {
    let scratch = scratch()?;
    let (mut found, mut examined) = (Findings::default(), Examined::default());
    state(dir, scratch.path(), value, &mut found, &mut examined)?;
    found.give(&mut examined);
    Ok(examined)
}

/// A directory for what an examination has to write down: outside of what it examines, for nobody else's eyes, and gone with it.
pub(crate) fn scratch() -> Result<TempDir, Error> {
    let made = tempfile::Builder::new().prefix("triad-examine-").tempdir();
    made.map_err(|e| Error::Io {
        what: format!("making a directory in {}", std::env::temp_dir().display()),
        why: e.to_string(),
    })
}

fn state(
    place: &Path,
    scratch: &Path,
    value: &mut CheckValue<'_>,
    found: &mut Findings,
    examined: &mut Examined,
) -> Result<Option<StandRecord>, Error> {
    let limits = Limits::default();
    let opened = State::open_untouched(place, &limits, scratch);
    let Some(state) = found.keep(opened)? else {
        return Ok(None);
    };
    let current = state.current();
    examined.applied = current.applied;
    // One that does not decode is a finding of the family that holds it.
    examined.seats = current
        .membership
        .as_deref()
        .and_then(seats)
        .unwrap_or_default();
    let checked = tables::check(&state, place, value, found);
    let Some((contents, stand)) = found.keep(checked)? else {
        return Ok(None);
    };
    examined.contents = contents;
    Ok(Some(stand))
}

/// Reads the log, and hands its entries to the replay.
fn log(
    dir: &Path,
    scratch: &Path,
    replay: &mut Replay,
    found: &mut Findings,
    examined: &mut Examined,
) -> Result<LogReading, Error> {
    let mut undecodable = Vec::new();
    let mut log = read_log(dir, scratch, |at, item| {
        match item {
            LogItem::Blank => {}
            LogItem::Commands(commands) => {
                let unreadable = commands.iter().filter_map(Command::unreadable);
                undecodable.extend(unreadable.map(|what| format!("entry {}: {what}", at.index)));
            }
            LogItem::Membership(record) => {
                // The state may stand ahead of a log that lags.
                if examined
                    .applied
                    .is_none_or(|applied| at.index > applied.index)
                {
                    examined.seats = seats(record).unwrap_or_default();
                }
            }
        }
        replay.take(at, item);
    })?;
    for error in log.damage.drain(..) {
        found.damage(error.into());
    }
    for what in undecodable {
        found.add(dir.join("log"), what);
    }
    for note in log.notes.drain(..) {
        found.note(note);
    }
    Ok(log)
}
