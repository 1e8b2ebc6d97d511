//! A single file: a tar archive of what would otherwise lie in a directory. It is written once, and has its name when it is whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use super::{Destination, Item, Sink};
use crate::background::Portions;
use crate::{Error, Result};

type Building = std::sync::Arc<Mutex<Option<tar::Builder<NamedTempFile>>>>;

pub(super) struct SingleFile {
    path: PathBuf,
    folder: PathBuf,
    /// Where each thing lies in the file, and how long it is.
    index: HashMap<String, (u64, u64)>,
    building: Building,
}

impl SingleFile {
    pub(super) fn make(path: &Path) -> Result<Self> {
        if path.exists() {
            let what = format!(
                "{} is there already: a single file holds one backup",
                path.display()
            );
            return Err(Error::Refused(what));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let made = NamedTempFile::new_in(&folder);
        let file =
            made.map_err(|e| Error::io(format!("cannot write into {}", folder.display()), e))?;
        Ok(Self {
            path: path.to_path_buf(),
            folder,
            index: HashMap::new(),
            building: std::sync::Arc::new(Mutex::new(Some(tar::Builder::new(file)))),
        })
    }

    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let file = match File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(Error::Missing(format!("{shown} is not there")));
            }
            other => other.map_err(|e| Error::io(format!("cannot read {shown}"), e))?,
        };
        Ok(Self {
            path: path.to_path_buf(),
            folder: PathBuf::new(),
            index: index(file, &shown)?,
            building: Building::default(),
        })
    }
}

/// Finds what the file holds. One that was cut short says so here already.
fn index(file: File, shown: &str) -> Result<HashMap<String, (u64, u64)>> {
    let damaged = |e: std::io::Error| Error::damaged(shown, format!("it is no whole archive: {e}"));
    let length = file.metadata().map_err(damaged)?.len();
    let mut archive = tar::Archive::new(file);
    let mut index = HashMap::new();
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let name = entry
            .path()
            .map_err(damaged)?
            .to_string_lossy()
            .into_owned();
        let (start, size) = (entry.raw_file_position(), entry.size());
        end = start + size;
        if end > length {
            let what = format!("it ends too early, in the middle of {name}");
            return Err(Error::damaged(shown, what));
        }
        index.insert(name, (start, size));
    }
    // Two empty blocks end an archive.
    if end.next_multiple_of(512) + 1024 > length {
        return Err(Error::damaged(shown, "it ends too early"));
    }
    Ok(index)
}

impl Destination for SingleFile {
    fn list(&self, folder: &str) -> Result<Vec<Item>> {
        let children = self.index.iter().filter_map(|(path, (_, size))| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            (parent == folder.trim_end_matches('/')).then(|| Item {
                name: name.to_owned(),
                size: *size,
            })
        });
        Ok(children.collect())
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let Some((start, size)) = self.index.get(name) else {
            return Err(Error::Missing(format!(
                "{} is missing",
                self.describe(name)
            )));
        };
        let failed = |e| Error::io(format!("cannot read {}", self.path.display()), e);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(*start)).map_err(failed)?;
        Ok(Box::new(file.take(*size)))
    }

    /// An archive's entry begins with its length, so what is written waits in a file beside it.
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        let made = tempfile::tempfile_in(&self.folder);
        let waiting =
            made.map_err(|e| Error::io(format!("cannot write into {}", self.folder.display()), e))?;
        Ok(Box::new(Waiting {
            waiting,
            portions: Portions::default(),
            name: name.to_owned(),
            shown: self.describe(name),
            building: self.building.clone(),
        }))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let what = format!(
            "{} stays: nothing is removed from a single file",
            self.describe(name)
        );
        Err(Error::Refused(what))
    }

    fn describe(&self, name: &str) -> String {
        format!("{} in {}", name, self.path.display())
    }

    fn close(&self) -> Result<()> {
        let failed =
            |e: std::io::Error| Error::io(format!("cannot write {}", self.path.display()), e);
        let mut building = self.building.lock().unwrap_or_else(|e| e.into_inner());
        let Some(builder) = building.take() else {
            return Ok(());
        };
        let file = builder.into_inner().map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&self.path)
            .map_err(|e| failed(e.error))?;
        let synced = File::open(&self.folder).and_then(|dir| dir.sync_all());
        synced.map_err(failed)
    }

    fn holds_many(&self) -> bool {
        false
    }
}

struct Waiting {
    waiting: File,
    portions: Portions,
    name: String,
    shown: String,
    building: Building,
}

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.waiting.write(bytes)?;
        self.portions.wrote(written, &self.waiting)?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.waiting.flush()
    }
}

impl Sink for Waiting {
    fn finish(mut self: Box<Self>) -> Result<bool> {
        let failed = |e: std::io::Error| Error::io(format!("cannot write {}", self.shown), e);
        let size = self.waiting.stream_position().map_err(failed)?;
        self.waiting.rewind().map_err(failed)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        let mut building = self.building.lock().unwrap_or_else(|e| e.into_inner());
        let Some(builder) = building.as_mut() else {
            return Err(Error::Refused(format!("{} is closed", self.shown)));
        };
        let added = builder.append_data(&mut header, &self.name, &mut self.waiting);
        added.map_err(failed)?;
        Ok(true)
    }
}
