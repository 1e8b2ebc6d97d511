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
    /// Holds the lock without a trace of having done so; `None` where there is none to hold, since
    /// no store was ever opened there.
    pub(crate) fn hold(dir: &Path) -> Result<Option<Self>, Error> {
        match File::open(dir.join("lock")) {
            Ok(file) => lock(dir, &file).map(|()| Some(Self { _file: file })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && dir.is_dir() => Ok(None),
            Err(e) => Err(refused(dir, &e)),
        }
    }

    /// Takes the lock; the holder's name is in the file for whoever is refused.
    pub(crate) fn take(dir: &Path, name: &str) -> Result<Self, Error> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"));
        let mut file = opened.map_err(|e| refused(dir, &e))?;
        lock(dir, &file)?;
        // The name is for people: a full disk must not keep the store from opening.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{name}, pid {}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn lock(dir: &Path, file: &File) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(dir.join("lock"))
                .ok()
                .map(|s| s.trim().to_owned());
            Err(Error::Locked {
                dir: dir.to_path_buf(),
                holder: holder.filter(|s| !s.is_empty()),
            })
        }
        Err(TryLockError::Error(e)) => Err(refused(dir, &e)),
    }
}

fn refused(dir: &Path, why: &std::io::Error) -> Error {
    Error::Io {
        what: format!("locking {}", dir.join("lock").display()),
        why: why.to_string(),
    }
}
