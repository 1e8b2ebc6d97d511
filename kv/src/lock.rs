//! Keeps a second process out of the data directory. The lock dies with its holder, whatever
//! way that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use crate::Error;

/// Holds `DIR/lock` until it is dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock; the holder's name is in the file for whoever is refused.
    pub(crate) fn take(dir: &Path, name: &str) -> Result<Self, Error> {
        let path = dir.join("lock");
        let failed = |e: std::io::Error| Error::Io {
            what: format!("locking {}", path.display()),
            why: e.to_string(),
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = std::fs::read_to_string(&path)
                    .ok()
                    .map(|s| s.trim().to_owned());
                return Err(Error::Locked {
                    dir: dir.to_path_buf(),
                    holder: holder.filter(|s| !s.is_empty()),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // The name is for people: a full disk must not keep the store from opening.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{name}, pid {}", std::process::id()));
        Ok(Self { _file: file })
    }
}
