//! A directory for what an examination has to write down: outside of what it examines, and gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

static MADE: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("triad-examine-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        // What is read may be secret. A name that somebody else has is refused.
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|e| Error::Io {
            what: format!("making {}", dir.display()),
            why: e.to_string(),
        })?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies where the system removes what is left behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}
