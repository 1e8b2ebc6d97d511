//! What makes a directory that of a new cluster's only member: restores, imports and recoveries end alike.

use std::fs;
use std::path::Path;

use rocksdb::WriteBatch;
use triad_raft::{LogOptions, Member, Position, founding_membership, sealed, seed_log};

use crate::layout::record::{self, StandRecord};
use crate::layout::{MEMBERSHIP_KEY, META, STAND_KEY};
use crate::state::State;
use crate::{Error, Limits};

/// How far a restored store's revision jumps, so that no revision ever names two contents: more
/// than the lost store can have gone on after the copy was made.
pub(crate) const JUMP: u64 = 10_000_000;

/// Makes a directory for a store, durably, or takes one that is empty.
pub(crate) fn empty_dir(dir: &Path) -> Result<(), Error> {
    sealed::make_dirs(dir)?;
    let mut held = fs::read_dir(dir).map_err(|e| refused(dir, &e.to_string()))?;
    match held.next() {
        None => Ok(()),
        Some(_) => Err(refused(
            dir,
            "the directory is not empty: a store is never overwritten",
        )),
    }
}

/// Ends a state's past where it stands and makes a member the only one; all of it is in files then.
pub(crate) fn begin(
    state: &State,
    mut stand: StandRecord,
    node: u64,
    name: &str,
) -> Result<(), Error> {
    stand.compacted = stand.revision;
    let member = Member {
        name: name.to_owned(),
        address: String::new(),
    };
    let membership = founding_membership(node, &member, stand.applied);
    let mut batch = WriteBatch::default();
    let meta = state.family(META);
    batch.put_cf(meta, STAND_KEY, stand.encode(STAND_KEY));
    let record = record::encode_opaque(MEMBERSHIP_KEY, &membership);
    batch.put_cf(meta, MEMBERSHIP_KEY, record);
    state.write(batch)?;
    state.flush()?;
    Ok(())
}

/// Makes the log of a state that stands at `at`.
pub(crate) fn begin_log(dir: &Path, node: u64, at: Position) -> Result<(), Error> {
    let log = LogOptions {
        dir: dir.to_path_buf(),
        sync: true,
        write_buffer_bytes: Limits::default().write_buffer_bytes,
    };
    Ok(seed_log(log, node, at)?)
}

/// Gives a state its place. It comes last: without it the directory is not yet a store.
pub(crate) fn put_state(dir: &Path, staged: &Path) -> Result<(), Error> {
    fs::rename(staged, dir.join("state")).map_err(|e| refused(dir, &e.to_string()))?;
    Ok(sealed::sync_dir(dir)?)
}

fn refused(dir: &Path, why: &str) -> Error {
    Error::Io {
        what: format!("making a store in {}", dir.display()),
        why: why.to_owned(),
    }
}
