//! Copies of a store outside of it: looking into one, checking all of it, and making a new cluster of one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use triad_raft::Identity;

use crate::founding::{self, JUMP};
use crate::state::State;
use crate::{Contents, Entry, Error, Limits};

/// A copy opened to be read.
pub struct Copy {
    state: State,
}

impl Copy {
    /// Opens a directory that a store's `checkpoint` made.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        State::open_copy(dir, &Limits::default()).map(|state| Self { state })
    }

    /// Reads and checks all of it.
    ///
    /// # Errors
    /// `Corrupt` with the first thing that is wrong.
    pub fn verify(&self) -> Result<Contents, Error> {
        self.state.verify()
    }

    /// The entries of `start..end`, in key order.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn range(&self, start: &[u8], end: &[u8]) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        self.visit(start, end, |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        })?;
        Ok(entries)
    }

    /// The same one by one, until the caller has seen enough.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn visit(
        &self,
        start: &[u8],
        end: &[u8],
        visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.state.view()?.visit_latest(start, end, visit)
    }

    /// One key.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        self.state.latest(&Bytes::copy_from_slice(key))
    }
}

/// Makes a new cluster of a copy: its only member, with a new cluster's id, in a directory that
/// holds no store yet. The copy's files become its own. Returns the revision that it goes on at.
///
/// # Errors
/// `Io` when the directory holds a store; `Corrupt` when the copy does not check.
pub fn restore(copy: &Path, dir: &Path, node_name: &str) -> Result<u64, Error> {
    founding::empty_dir(dir)?;
    Copy::open(copy)?.verify()?;
    let identity = Identity::load_or_create(dir)?;
    let staged = dir.join("restoring");
    move_files(copy, &staged).map_err(|e| Error::Io {
        what: format!("restoring into {}", dir.display()),
        why: e.to_string(),
    })?;
    let state = State::open(staged.clone(), &Limits::default())?;
    let mut stand = state.view()?.stand;
    stand.revision += JUMP;
    founding::begin(&state, stand, identity.node, node_name)?;
    drop(state);
    founding::begin_log(dir, identity.node, stand.applied)?;
    founding::put_state(dir, &staged)?;
    Ok(stand.revision)
}

/// Moves the files of a directory, or copies them where they lie on another disk.
fn move_files(from: &Path, to: &Path) -> std::io::Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target)?;
        fs::File::open(&target)?.sync_all()?;
    }
    fs::File::open(to)?.sync_all()
}
