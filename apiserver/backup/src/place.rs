//! A place of backups: manifests at its top, under `files/` what they are made of. Files are named by their checksum and size, so
//! backups share what they have in common and the next one brings only what is new.

mod archive;
mod marks;
mod prune;

use std::collections::HashSet;
use std::fs::File as DiskFile;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tempfile::TempDir;

use crate::destination::{self, Access, Destination};
use crate::manifest::ENDING;
use crate::{About, Error, File, Keys, Manifest, Meter, Result, background, is_plain, seal};

pub use archive::SegmentName;
pub use prune::Pruned;

const FILES: &str = "files/";
/// Files that are put together again at a time.
const AT_ONCE: usize = 3;

pub struct Place {
    destination: Box<dyn Destination>,
    keys: Keys,
}

/// What a save has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub name: String,
    pub files: usize,
    pub fetched: usize,
    pub fetched_bytes: u64,
}

/// Where the bytes of a file come from.
pub type Source<'a> = dyn FnMut(&File) -> Result<Box<dyn Read + Send>> + Send + 'a;

impl Place {
    /// Opens a place to write to, and makes it when it is not there.
    pub fn make(dest: &str, keys: Keys) -> Result<Self> {
        let destination = destination::open(dest, Access::Write)?;
        let keys = keys.unlock(destination.as_ref(), true)?;
        Ok(Self { destination, keys })
    }

    /// Opens a place to read from.
    pub fn open(dest: &str, keys: Keys) -> Result<Self> {
        let destination = destination::open(dest, Access::Read)?;
        let keys = keys.unlock(destination.as_ref(), false)?;
        Ok(Self { destination, keys })
    }

    /// Writes a backup: the files that are not there yet, then the manifest.
    pub fn save(
        &self,
        name: &str,
        about: About,
        mut files: Vec<File>,
        source: &mut Source<'_>,
        meter: &Meter<'_>,
    ) -> Result<Saved> {
        if !is_plain(name) {
            let what = format!(
                "{name:?} cannot be the name of a backup: letters, digits, `.`, `-` and `_` can"
            );
            return Err(Error::Refused(what));
        }
        let manifest_name = format!("{name}{ENDING}");
        let exists = || Error::Refused(format!("there is a backup {name} already"));
        let top = self.destination.list("")?;
        if top.iter().any(|item| item.name == manifest_name) {
            return Err(exists());
        }
        let _saving = marks::Saving::begin(self.destination.as_ref(), name)?;
        let mut saved = Saved {
            name: name.to_owned(),
            files: files.len(),
            fetched: 0,
            fetched_bytes: 0,
        };
        background::run(|| self.bring_all(&mut files, source, meter, &mut saved))?;
        let manifest = Manifest::new(name, about, files).encode()?;
        if !destination::put(self.destination.as_ref(), &manifest_name, &manifest)? {
            return Err(exists());
        }
        self.destination.close()?;
        Ok(saved)
    }

    /// Fetches the files that the place lacks, and notes under which names all of them lie.
    fn bring_all(
        &self,
        files: &mut [File],
        source: &mut Source<'_>,
        meter: &Meter<'_>,
        saved: &mut Saved,
    ) -> Result<()> {
        let mut there: HashSet<String> = self.stored()?.into_iter().map(|i| i.name).collect();
        let ending = seal::ending(&self.keys);
        for file in files {
            file.stored = format!("{}.{}{ending}", file.sha256, file.size);
            if there.insert(file.stored.clone()) {
                self.bring(file, source, meter)?;
                saved.fetched += 1;
                saved.fetched_bytes += file.size;
            } else {
                meter.add(file.size);
            }
        }
        Ok(())
    }

    fn bring(&self, file: &File, source: &mut Source<'_>, meter: &Meter<'_>) -> Result<()> {
        let name = format!("{FILES}{}", file.stored);
        let mut checked = Checked::new(source(file)?, file);
        seal::write(
            self.destination.as_ref(),
            &name,
            &self.keys,
            &mut checked,
            meter,
        )?;
        Ok(())
    }

    fn stored(&self) -> Result<Vec<destination::Item>> {
        self.destination.list(FILES)
    }

    /// All backups, oldest first.
    pub fn all(&self) -> Result<Vec<Manifest>> {
        let (manifests, damaged) = self.scan()?;
        damaged.into_iter().next().map_or(Ok(manifests), Err)
    }

    /// All backups whose manifests are whole, oldest first, and what is wrong with the others.
    pub fn scan(&self) -> Result<(Vec<Manifest>, Vec<Error>)> {
        let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
        for item in self.destination.list("")? {
            if !item.name.ends_with(ENDING) {
                continue;
            }
            match self.manifest(&item.name) {
                Ok(manifest) => manifests.push(manifest),
                Err(error @ (Error::Damaged { .. } | Error::Refused(_))) => damaged.push(error),
                // Pruned since the place was listed.
                Err(Error::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        manifests.sort_by_key(|m| (m.about.time, m.about.revision));
        Ok((manifests, damaged))
    }

    fn manifest(&self, name: &str) -> Result<Manifest> {
        let text = destination::read_all(self.destination.as_ref(), name)?;
        Manifest::decode(&self.destination.describe(name), &text)
    }

    /// The backup of a name, whatever the others are like, or the newest.
    pub fn find(&self, name: Option<&str>) -> Result<Manifest> {
        let found = match name {
            None => self.all()?.pop(),
            Some(name) if is_plain(name) => match self.manifest(&format!("{name}{ENDING}")) {
                Err(Error::Missing(_)) => None,
                other => Some(other?),
            },
            Some(_) => None,
        };
        found.ok_or_else(|| {
            let which = name.map_or_else(|| "no backup".into(), |name| format!("no backup {name}"));
            let place = self.destination.describe("");
            let place = place.trim_end_matches('/');
            Error::Missing(format!("there is {which} in {place}"))
        })
    }

    /// Puts the files under a prefix together again in a new directory, each checked; durably, if they are there to stay.
    pub fn assemble(
        &self,
        manifest: &Manifest,
        prefix: &str,
        parent: &Path,
        durable: bool,
        meter: &Meter<'_>,
    ) -> Result<TempDir> {
        let made = tempfile::Builder::new()
            .prefix("triad-backup-")
            .tempdir_in(parent);
        let dir = made.map_err(|e| {
            let what = format!("cannot make a directory in {}", parent.display());
            Error::io(what, e)
        })?;
        let files = manifest.files.iter();
        let wanted: Vec<(&File, &str)> = files
            .filter_map(|f| Some((f, f.name.strip_prefix(prefix)?)))
            .collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            while let Some((file, name)) = wanted.get(next.fetch_add(1, Relaxed)) {
                let to = dir.path().join(name);
                if durable {
                    self.copy(file, &to, meter)?;
                } else {
                    self.write_out(file, &to, meter)?;
                }
            }
            Ok(())
        };
        // The disk works on one file while another is decoded.
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                let why = "its thread panicked";
                let ended = worker.join();
                ended.unwrap_or_else(|_| Err(Error::io("putting a backup together", why)))
            })
        })?;
        Ok(dir)
    }

    /// Writes one file of a backup to disk, checked and durable; nothing is there already.
    pub fn copy(&self, file: &File, to: &Path, meter: &Meter<'_>) -> Result<()> {
        let synced = self.write_out(file, to, meter)?.sync_all();
        synced.map_err(|e| Error::io(format!("cannot write {}", to.display()), e))
    }

    fn write_out(&self, file: &File, to: &Path, meter: &Meter<'_>) -> Result<DiskFile> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = DiskFile::options();
        let opened = options.write(true).create_new(true).mode(0o600).open(to);
        let mut out = opened.map_err(|e| Error::io(format!("cannot write {}", to.display()), e))?;
        let name = format!("{FILES}{}", file.stored);
        let place = self.destination.as_ref();
        let sum = seal::read(place, &name, &self.keys, &mut out, meter)?;
        if sum.sha256 != file.sha256 || sum.size != file.size {
            let shown = place.describe(&name);
            let what = format!("it does not hold the {} that it is named after", file.name);
            return Err(Error::damaged(shown, what));
        }
        Ok(out)
    }
}

/// Fails at the end of what is not what it should be, so that it never gets a name.
struct Checked<'a> {
    from: Box<dyn Read + Send>,
    file: &'a File,
    hash: sha2::Sha256,
    size: u64,
}

impl<'a> Checked<'a> {
    fn new(from: Box<dyn Read + Send>, file: &'a File) -> Self {
        Self {
            from,
            file,
            hash: sha2::Sha256::default(),
            size: 0,
        }
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        use sha2::Digest;
        let read = self.from.read(out)?;
        if read > 0 {
            self.hash.update(&out[..read]);
            self.size += read as u64;
        } else if self.size != self.file.size
            || crate::hex(&self.hash.clone().finalize()) != self.file.sha256
        {
            return Err(std::io::Error::other(format!(
                "{} was changed or cut short on its way",
                self.file.name
            )));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
