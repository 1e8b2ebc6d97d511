//! What openraft passes around as a snapshot: a way to the local state, which is copied only when
//! another member needs it, or a state that came from another member. Nothing of it is in memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::alias::SnapshotMetaOf;

use super::driver::membership;
use super::{Stand, StateFiles};
use crate::type_config::TypeConfig;
use crate::{Error, Position};

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, StateSource>;

/// Directories of copies begin with this; those of an earlier run are removed at the start.
const COPY: &str = "outgoing-";
static COPIES: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
pub(crate) enum StateSource {
    Local {
        files: Arc<dyn StateFiles>,
        dir: PathBuf,
    },
    Received(PathBuf),
}

/// A copy of the state that lives as long as this.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    dir: PathBuf,
    applied: Position,
    membership: Vec<u8>,
}

impl std::fmt::Debug for StateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local { .. } => f.write_str("Local"),
            Self::Received(dir) => f.debug_tuple("Received").field(dir).finish(),
        }
    }
}

impl StateSource {
    /// A state that another member's checkpoint holds, with what openraft is to know of it.
    pub(crate) fn received(
        dir: PathBuf,
        applied: Position,
        record: Vec<u8>,
    ) -> Result<Snapshot, Error> {
        let stand = Stand {
            applied: Some(applied),
            membership: Some(record),
        };
        Ok(Snapshot {
            meta: SnapshotMetaOf::<TypeConfig> {
                last_log_id: Some(applied.log_id()),
                last_membership: membership(&stand)?,
            },
            snapshot: Self::Received(dir),
        })
    }

    /// Copies the local state. It is at least as new as openraft was told.
    pub(crate) fn checkpoint(self) -> Result<Checkpoint, Error> {
        let Self::Local { files, dir } = self else {
            return Err(Error::io("copying the state", "it is not the local one"));
        };
        let copy = COPIES.fetch_add(1, Ordering::Relaxed);
        let to = dir.join(format!("{COPY}{}-{copy}", std::process::id()));
        let mut checkpoint = Checkpoint {
            dir: to,
            applied: Position::default(),
            membership: Vec::new(),
        };
        let stand = files.checkpoint(&checkpoint.dir)?;
        let (Some(applied), Some(membership)) = (stand.applied, stand.membership) else {
            return Err(Error::io("copying the state", "nothing is in it yet"));
        };
        (checkpoint.applied, checkpoint.membership) = (applied, membership);
        Ok(checkpoint)
    }
}

impl Checkpoint {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn applied(&self) -> Position {
        self.applied
    }

    pub(crate) fn membership(&self) -> &[u8] {
        &self.membership
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Removes copies that an earlier run left behind.
pub(crate) fn clear(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(COPY) {
            remove(&entry.path());
        }
    }
}

fn remove(dir: &Path) {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, dir = %dir.display(), "a copy of the state was not removed");
        }
        _ => {}
    }
}

/// A file's size and CRC32C.
pub(crate) fn checksum(path: &Path) -> Result<(u64, u32), Error> {
    let failed = |e: std::io::Error| Error::io(format!("reading {}", path.display()), e);
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 256 << 10];
    let (mut size, mut sum) = (0, 0);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((size, sum));
        }
        size += read as u64;
        sum = crc32c::crc32c_append(sum, &buffer[..read]);
    }
}
