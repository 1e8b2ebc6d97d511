//! Which state is the current one. Another member's state replaces it as a whole: readers keep the
//! old one until they are done, and a crash leaves the one or the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use triad_raft::{Stand, StateFiles, failpoint, sealed};

use super::State;
use crate::layout::record::StandRecord;
use crate::{Error, Limits};

/// The first state lies here; each that is installed gets a name of its own.
const FIRST: &str = "state";
/// Names the current one when it is not the first.
const POINTER: &str = "state.current";
/// How often it is looked whether readers still hold a state that was replaced.
const DISCARD_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) struct Slot {
    dir: PathBuf,
    limits: Limits,
    state: ArcSwap<State>,
}

impl Slot {
    /// Opens the current state, and removes any that an interrupted replacement left behind.
    pub(crate) fn open(dir: &Path, limits: &Limits) -> Result<Self, Error> {
        let current = current(dir)?;
        remove_others(dir, &current)?;
        let state = State::open(dir.join(&current), limits)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            limits: limits.clone(),
            state: ArcSwap::from_pointee(state),
        })
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Copies the current state; where the copy stands.
    pub(crate) fn copy(&self, to: &Path) -> Result<StandRecord, Error> {
        let copy = self.state().checkpoint(to, &self.limits)?;
        Ok(copy.view()?.stand)
    }

    /// Makes the state in a directory, which lies beside this one, the current one.
    pub(crate) fn install(&self, from: &Path) -> Result<Arc<State>, Error> {
        let failed = |e: std::io::Error| Error::Io {
            what: format!("installing the state in {}", from.display()),
            why: e.to_string(),
        };
        let applied = State::open_copy(from, &self.limits)?.current().applied;
        let index = applied.map_or(0, |at| at.index);
        let name = format!("{FIRST}-{index}");
        let to = self.dir.join(&name);
        if self.state().dir == to {
            return Err(Error::Unavailable {
                why: format!("the state is already that after entry {index}"),
            });
        }
        if to.exists() {
            fs::remove_dir_all(&to).map_err(failed)?;
        }
        failpoint!("install.rename", |e| Err(Error::from(e)));
        fs::rename(from, &to).map_err(failed)?;
        sealed::sync_dir(&self.dir)?;
        let state = Arc::new(State::open(to, &self.limits)?);
        failpoint!("install.point", |e| Err(Error::from(e)));
        sealed::write(&self.dir.join(POINTER), name.as_bytes())?;
        failpoint!("install.pointed");
        let old = self.state.swap(state.clone());
        discard(old);
        Ok(state)
    }
}

impl StateFiles for Slot {
    fn flush(&self) -> Result<Stand, triad_raft::Error> {
        Ok(self.state().flush()?)
    }

    fn flushed(&self) -> Stand {
        self.state().flushed()
    }

    fn checkpoint(&self, to: &Path) -> Result<Stand, triad_raft::Error> {
        Ok(self.state().checkpoint(to, &self.limits)?.current())
    }
}

/// The name of the current state's directory.
pub(crate) fn current(dir: &Path) -> Result<String, Error> {
    let path = dir.join(POINTER);
    match sealed::read(&path)? {
        None => Ok(FIRST.into()),
        Some(name) => match String::from_utf8(name) {
            Ok(name) if is_state(&name) => Ok(name),
            _ => Err(Error::Corrupt {
                what: "it does not name a state".into(),
                file: path,
            }),
        },
    }
}

/// Names of directories that hold states, and nothing else.
fn is_state(name: &str) -> bool {
    let rest = name.strip_prefix(FIRST);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty())
    })
}

fn remove_others(dir: &Path, current: &str) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Io {
        what: format!("removing replaced states in {}", dir.display()),
        why: e.to_string(),
    };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if is_state(name) && name != current {
            tracing::info!(state = name, "removing a state that was replaced");
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes a state's files once its last reader is gone.
fn discard(state: Arc<State>) {
    let dir = state.dir.clone();
    let closed = state.closed();
    drop(state);
    std::thread::spawn(move || {
        while !closed.yet() {
            std::thread::sleep(DISCARD_INTERVAL);
        }
        if let Err(error) = fs::remove_dir_all(&dir) {
            // The next start tries again.
            tracing::warn!(%error, dir = %dir.display(), "a replaced state was not removed");
        }
    });
}
