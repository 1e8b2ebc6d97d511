//! A directory. It holds every secret of the cluster, so only its owner gets in.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Destination, Item, Sink};
use crate::background::Portions;
use crate::{Error, Result};

pub(super) struct Directory {
    dir: PathBuf,
}

impl Directory {
    pub(super) fn make(dir: &Path) -> Result<Self> {
        make_private(dir)?;
        Self::open(dir)
    }

    pub(super) fn open(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            let what = format!("{} is not there, or is no directory", dir.display());
            return Err(Error::Missing(what));
        }
        Ok(Self {
            dir: dir.to_path_buf(),
        })
    }
}

fn make_private(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|e| Error::io(format!("cannot make {}", dir.display()), e))
}

impl Destination for Directory {
    fn list(&self, folder: &str) -> Result<Vec<Item>> {
        let dir = self.dir.join(folder);
        let failed = |e: std::io::Error| Error::io(format!("cannot read {}", dir.display()), e);
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut items = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let found = match entry.metadata() {
                // Removed since the directory was read.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                other => other.map_err(failed)?,
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            // What begins with a dot is still being written.
            if found.is_file() && !name.starts_with('.') {
                items.push(Item {
                    name,
                    size: found.len(),
                });
            }
        }
        Ok(items)
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.dir.join(name);
        match File::open(&path) {
            Ok(file) => Ok(Box::new(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::Missing(format!("{} is missing", path.display())))
            }
            Err(e) => Err(Error::io(format!("cannot read {}", path.display()), e)),
        }
    }

    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        let path = self.dir.join(name);
        let folder = path.parent().unwrap_or(&self.dir).to_path_buf();
        make_private(&folder)?;
        let made = NamedTempFile::new_in(&folder);
        let file =
            made.map_err(|e| Error::io(format!("cannot write into {}", folder.display()), e))?;
        Ok(Box::new(Unnamed {
            file,
            path,
            folder,
            portions: Portions::default(),
        }))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io(format!("cannot remove {}", path.display()), e))
            }
            _ => Ok(()),
        }
    }

    fn describe(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// A file that has no name yet.
struct Unnamed {
    file: NamedTempFile,
    path: PathBuf,
    folder: PathBuf,
    portions: Portions,
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.portions.wrote(written, self.file.as_file())?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Unnamed {
    fn finish(self: Box<Self>) -> Result<bool> {
        let failed =
            |e: std::io::Error| Error::io(format!("cannot write {}", self.path.display()), e);
        self.file.as_file().sync_all().map_err(failed)?;
        match self.file.persist_noclobber(&self.path) {
            Ok(_) => {}
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => {
                let what = format!("cannot write {}", self.path.display());
                return Err(Error::io(what, e.error));
            }
        }
        let synced = File::open(&self.folder).and_then(|dir| dir.sync_all());
        synced.map_err(|e| Error::io(format!("cannot write {}", self.folder.display()), e))?;
        Ok(true)
    }
}
