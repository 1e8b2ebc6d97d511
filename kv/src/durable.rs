//! Directories and names that outlast a loss of power, for those who keep files beside the store.

use std::path::Path;

use triad_raft::sealed;

use crate::Error;

/// Makes a directory and those above it that are missing, durably.
///
/// # Errors
/// `Io` with the directory's name.
pub fn make_dirs(dir: &Path) -> Result<(), Error> {
    Ok(sealed::make_dirs(dir)?)
}

/// Makes creations and renames in a directory durable.
///
/// # Errors
/// `Io` with the directory's name.
pub fn sync_dir(dir: &Path) -> Result<(), Error> {
    Ok(sealed::sync_dir(dir)?)
}
