//! A member that was removed says so, ends, and does not come back by a restart: what it holds grows old, and nobody would hear it.

use crate::options::Config;
use anyhow::{Error, Result, anyhow};
use std::path::PathBuf;

/// Left in the data directory of a member that was removed.
const MARK: &str = "removed";

fn mark(config: &Config) -> PathBuf {
    config.data_dir.join(MARK)
}

/// Refuses a data directory whose member was removed.
pub(crate) fn check(config: &Config) -> Result<()> {
    if mark(config).exists() {
        return Err(told(config));
    }
    Ok(())
}

/// Notes that this member has been removed; why it ends.
pub(crate) fn note(config: &Config) -> Error {
    let text = "This member was removed from its cluster (triadctl member remove).\n";
    if let Err(error) = std::fs::write(mark(config), text) {
        // The next start finds it out as this one did.
        tracing::warn!(%error, "the removal was not noted in the data directory");
    }
    told(config)
}

fn told(config: &Config) -> Error {
    anyhow!(
        "this member has been removed from the cluster: it serves no more. To bring it back, empty its data directory {} and join with a new token",
        config.data_dir.display()
    )
}
