//! Bringing a copy of the state forward: the entries of an archive are applied to it, exactly as members applied them, up to a
//! revision, a time, or as far as there are any.

use std::path::Path;

use prost::Message;
use rocksdb::WriteBatch;

use super::step::Step;
use super::{answer, put_stand};
use crate::archive::{self, SegmentEntry};
use crate::command::Command;
use crate::layout::record::StandRecord;
use crate::state::State;
use crate::{Error, Limits};

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Behind the transaction that made this revision.
    Revision(u64),
    /// Before the first command that carries a later time (unix seconds).
    Time(u64),
    /// Behind the last entry.
    End,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub revision: u64,
    /// The last log entry taken in, perhaps in part.
    pub index: u64,
    /// The latest time that any of its commands carried, 0 when there was none.
    pub time: u64,
    /// Whether where it was to end was met.
    pub met: bool,
}

pub struct Replay {
    state: State,
    stand: StandRecord,
    cluster: u64,
    until: Until,
    time: u64,
    met: bool,
}

impl Replay {
    /// Opens a copy, which is changed by this, for the entries of a cluster.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn open(dir: &Path, cluster: u64, until: Until) -> Result<Self, Error> {
        let state = State::open(dir.to_path_buf(), &Limits::default())?;
        let stand = state.view()?.stand;
        let mut replay = Self {
            state,
            stand,
            cluster,
            until,
            time: 0,
            met: false,
        };
        replay.met = replay.is_there(None);
        Ok(replay)
    }

    /// The entry that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.stand.applied.index + 1
    }

    /// Whether nothing more is to be fed.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.met
    }

    /// Takes in a segment; what of it is there already is passed over.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged, of another cluster, or not the one that comes next.
    pub fn feed(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let wrong = |what: String| Error::Corrupt {
            what,
            file: name.into(),
        };
        let segment = archive::decode(name, bytes)?;
        if segment.cluster != self.cluster {
            let what = format!("it is of another cluster, {:016x}", segment.cluster);
            return Err(wrong(what));
        }
        for entry in segment.entries {
            let (at, next) = (entry.at(), self.next());
            if self.met || at.index < next {
                continue;
            }
            if at.index > next || at.term < self.stand.applied.term {
                return Err(wrong(format!(
                    "entry {at} does not follow entry {}",
                    next - 1
                )));
            }
            self.take(&entry)?;
        }
        Ok(())
    }

    fn take(&mut self, entry: &SegmentEntry) -> Result<(), Error> {
        let mut step = Step::new(&self.state, self.stand);
        let mut taken = 0;
        for command in &entry.commands {
            // One that does not decode is reported by the step below.
            let time = Command::decode(command.clone()).map_or(0, |command| command.time);
            if self.is_there(Some((step.stand().revision, time))) {
                self.met = true;
                break;
            }
            answer(&mut step, command)?;
            self.time = self.time.max(time);
            taken += 1;
        }
        if self.met && taken == 0 {
            return Ok(());
        }
        let (batch, stand, _) = step.finish();
        self.stand = StandRecord {
            applied: entry.at(),
            ..stand
        };
        self.commit(batch)?;
        self.met = self.met || self.is_there(None);
        Ok(())
    }

    fn commit(&mut self, mut batch: WriteBatch) -> Result<(), Error> {
        put_stand(&self.state, &mut self.stand, &mut batch);
        self.state.write(batch)
    }

    /// Whether the end is met: as things stand, or before a command that carries a time.
    fn is_there(&self, before: Option<(u64, u64)>) -> bool {
        let revision = before.map_or(self.stand.revision, |(revision, _)| revision);
        match self.until {
            Until::Revision(wanted) => revision >= wanted,
            Until::Time(wanted) => before.is_some_and(|(_, time)| time > wanted),
            Until::End => false,
        }
    }

    /// Makes what was replayed durable.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(self) -> Result<Reached, Error> {
        self.state.flush()?;
        Ok(Reached {
            revision: self.stand.revision,
            index: self.stand.applied.index,
            time: self.time,
            met: self.met || self.until == Until::End,
        })
    }
}
