//! Copies of a store outside of it: looking into one, checking all of it, and making a new cluster of one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use rocksdb::WriteBatch;
use triad_raft::{Identity, LogOptions, Member, Position, founding_membership, sealed, seed_log};

use crate::layout::{MEMBERSHIP_KEY, META, STAND_KEY, record};
use crate::state::State;
use crate::{Contents, Entry, Error, Limits};

/// How far a restored store's revision jumps, so that no revision ever names two contents: more
/// than the lost store can have gone on after the copy was made.
pub(crate) const JUMP: u64 = 10_000_000;

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
    let failed = |e: std::io::Error| Error::Io {
        what: format!("restoring into {}", dir.display()),
        why: e.to_string(),
    };
    fs::create_dir_all(dir).map_err(failed)?;
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(Error::Io {
            what: format!("restoring into {}", dir.display()),
            why: "the directory is not empty: a store is never overwritten".into(),
        });
    }
    Copy::open(copy)?.verify()?;
    let identity = Identity::load_or_create(dir)?;
    let member = Member {
        name: node_name.to_owned(),
        address: String::new(),
    };
    // The state comes last: without it the directory is not yet a store.
    let staged = dir.join("restoring");
    move_files(copy, &staged).map_err(failed)?;
    let (applied, revision) = begin_anew(&staged, &identity, &member)?;
    let log = LogOptions {
        dir: dir.to_path_buf(),
        sync: true,
        write_buffer_bytes: Limits::default().write_buffer_bytes,
    };
    seed_log(log, identity.node, applied)?;
    fs::rename(&staged, dir.join("state")).map_err(failed)?;
    sealed::sync_dir(dir)?;
    Ok(revision)
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
    Ok(())
}

/// Raises the revision, gives up all history before it, and makes the member the only one.
fn begin_anew(dir: &Path, identity: &Identity, member: &Member) -> Result<(Position, u64), Error> {
    let state = State::open(dir.to_path_buf(), &Limits::default())?;
    let mut stand = state.view()?.stand;
    stand.revision += JUMP;
    stand.compacted = stand.revision;
    let membership = founding_membership(identity.node, member, stand.applied);
    let mut batch = WriteBatch::default();
    let meta = state.family(META);
    batch.put_cf(meta, STAND_KEY, stand.encode(STAND_KEY));
    let record = record::encode_opaque(MEMBERSHIP_KEY, &membership);
    batch.put_cf(meta, MEMBERSHIP_KEY, record);
    state.write(batch)?;
    state.flush()?;
    Ok((stand.applied, stand.revision))
}
