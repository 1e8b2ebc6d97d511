//! Copies of the state: hard links to its tables, made while it is written to. A copy holds the
//! state as it was after some entry, and says after which.

use std::path::Path;

use rocksdb::checkpoint::Checkpoint;

use super::State;
use crate::{Error, Limits};

impl State {
    /// Copies the state into a new directory on the same disk, and opens the copy. What is in
    /// memory is flushed for it.
    pub(crate) fn checkpoint(&self, to: &Path, limits: &Limits) -> Result<Self, Error> {
        let copied = Checkpoint::new(&self.db).and_then(|c| c.create_checkpoint(to));
        copied.map_err(|e| self.trouble("copying the state", &e))?;
        // Entries may have been applied while it was made: only the copy itself knows.
        Self::open_copy(to, limits)
    }
}
