//! Makes the state again from a log that still begins at its beginning, and compares what comes out: the strongest check there
//! is, while there is such a log. Otherwise the rolling hash has nothing that it could be compared with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use triad_raft::{LogItem, Position};

use super::findings::Findings;
use crate::apply::Machine;
use crate::layout::record::StandRecord;
use crate::state::Slot;
use crate::{Error, Limits};

pub(super) struct Replay {
    /// Where the state is made.
    dir: PathBuf,
    /// What has to come out.
    expected: Option<StandRecord>,
    machine: Option<Machine>,
    next: u64,
}

impl Replay {
    pub(super) fn new(dir: PathBuf, expected: Option<StandRecord>) -> Self {
        Self {
            dir,
            expected,
            machine: None,
            next: 0,
        }
    }

    /// Takes the log's next entry; one that does not follow ends the replay.
    pub(super) fn take(&mut self, at: Position, item: LogItem<'_>) {
        let Some(expected) = self.expected else {
            return;
        };
        if at.index > expected.applied.index {
            return;
        }
        if at.index != self.next || self.apply(at, item).is_err() {
            // What is wrong with the entry is found elsewhere.
            self.expected = None;
            return;
        }
        self.next += 1;
    }

    fn apply(&mut self, at: Position, item: LogItem<'_>) -> Result<(), triad_raft::Error> {
        let machine = match &mut self.machine {
            Some(machine) => machine,
            none => none.insert(machine(&self.dir)?),
        };
        machine.take(at, item)
    }

    /// Whether the replay reached as far as the state; a difference is a finding.
    pub(super) fn compare(self, state: &Path, found: &mut Findings) -> bool {
        let (Some(expected), Some(machine)) = (self.expected, self.machine) else {
            return false;
        };
        if self.next != expected.applied.index + 1 {
            return false;
        }
        let made = machine.record();
        if made != expected {
            let what = format!(
                "after entry {} it is at revision {} with the rolling hash {:016x}, but the log makes revision {} and {:016x}",
                expected.applied.index, expected.revision, expected.hash, made.revision, made.hash
            );
            found.add(state, what);
        }
        true
    }
}

fn machine(dir: &Path) -> Result<Machine, Error> {
    std::fs::create_dir(dir).map_err(|e| Error::Io {
        what: format!("making {}", dir.display()),
        why: e.to_string(),
    })?;
    Machine::unwatched(Arc::new(Slot::open(dir, &Limits::default())?))
}
