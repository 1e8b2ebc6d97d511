//! A checkpoint of the store in the data directory (hard links to its tables) and the list of what a backup of it holds. What an
//! earlier run left behind is removed at the start.

use super::super::{hex, now};
use crate::api::Api;
use anyhow::{Context, Result, anyhow};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use triad_backup::{About, Applied, File};

const PLACE: &str = "backups";
/// Checkpoints at a time: each keeps the space of the tables that it links.
const AT_ONCE: usize = 4;

/// Removed when it is dropped, unless it is kept for somebody.
pub(super) struct Checkpoint {
    pub(super) id: String,
    pub(super) about: About,
    pub(super) files: Vec<File>,
    dir: PathBuf,
    kept: bool,
}

impl Checkpoint {
    pub(super) async fn make(api: &Api) -> Result<Self> {
        let place = api.config.data_dir.join(PLACE);
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let under_way = fs::read_dir(&place).map(Iterator::count).unwrap_or(0);
        if under_way >= AT_ONCE {
            return Err(anyhow!(
                "{under_way} backups are under way already: try again later"
            ));
        }
        let id = hex(&rand::random::<[u8; 8]>());
        let dir = place.join(&id);
        let mut made = Self {
            id,
            about: About::default(),
            files: Vec::new(),
            dir: dir.clone(),
            kept: false,
        };
        let copied = api.store.checkpoint(&dir).await?;
        made.about = About {
            cluster: format!("{:016x}", copied.cluster),
            revision: copied.revision.0,
            node: api.config.node_name.clone(),
            time: now(),
            latest: copied.time,
            applied: Applied {
                term: copied.term,
                index: copied.index,
            },
        };
        let (pki, digests) = (api.config.data_dir.join("pki"), api.backer.digests.clone());
        let listing = tokio::task::spawn_blocking(move || digests.list(&dir, &pki));
        made.files = listing.await.context("the backup's listing failed")??;
        Ok(made)
    }

    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, dir = %self.dir.display(), "a checkpoint was not removed");
        }
    }
}

/// Removes what an earlier run left behind.
pub(crate) fn clear(data: &Path) {
    match fs::remove_dir_all(data.join(PLACE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "backups of an earlier run were not removed");
        }
        _ => {}
    }
}

/// Gives a kept one up; whether it was there.
pub(super) fn remove(data: &Path, id: &str) -> bool {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain && fs::remove_dir_all(data.join(PLACE).join(id)).is_ok()
}

/// Where a file of a backup lies; names come from outside and reach nothing else.
pub(super) fn locate(data: &Path, id: &str, name: &str) -> Option<PathBuf> {
    let plain = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    let (room, file) = name.split_once('/')?;
    if !plain(id) || !plain(file) {
        return None;
    }
    let dir = data.join(PLACE).join(id);
    match room {
        "state" => Some(dir.join(file)),
        "pki" if dir.is_dir() => Some(data.join("pki").join(file)),
        _ => None,
    }
}

/// Which file on disk, as it is: tables are never changed, so one that has been read needs no second reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Inode {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The checksums of the tables listed last.
#[derive(Default)]
pub(super) struct Digests {
    known: Mutex<HashMap<Inode, String>>,
}

impl Digests {
    fn list(&self, dir: &Path, pki: &Path) -> Result<Vec<File>> {
        let known = self.known.lock().clone();
        let (mut files, mut tables) = (Vec::new(), HashMap::new());
        for (prefix, from) in [("state/", dir), ("pki/", pki)] {
            for path in paths(from)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let inode = inode(&path)?;
                let (size, sha256) = match known.get(&inode) {
                    Some(sum) => (inode.size, sum.clone()),
                    None => digest(&path)?,
                };
                if name.ends_with(".sst") {
                    tables.insert(inode, sha256.clone());
                }
                files.push(File {
                    name: format!("{prefix}{name}"),
                    size,
                    sha256,
                    stored: String::new(),
                });
            }
        }
        *self.known.lock() = tables;
        Ok(files)
    }
}

fn paths(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn inode(path: &Path) -> Result<Inode> {
    let found = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Inode {
        device: found.dev(),
        inode: found.ino(),
        size: found.len(),
        changed: (found.mtime(), found.mtime_nsec()),
    })
}

fn digest(path: &Path) -> Result<(u64, String)> {
    let mut file =
        fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, hex(&hash.finalize())));
        }
        size += read as u64;
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_nothing_but_files_of_a_backup() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join(PLACE).join("00ff");
        fs::create_dir_all(&dir).unwrap();
        assert!(locate(data.path(), "00ff", "state/000012.sst").is_some());
        assert!(locate(data.path(), "00ff", "pki/ca.crt").is_some());
        for (id, name) in [
            ("00ff", "state/../../pki/ca.key"),
            ("00ff", "state/.."),
            ("..", "state/x"),
            ("00ff", "store/identity"),
            ("00ff", "ca.key"),
            ("none", "pki/ca.key"),
            ("00ff", "pki/a/b"),
        ] {
            assert!(locate(data.path(), id, name).is_none(), "{id} {name}");
        }
    }

    #[test]
    fn a_table_is_read_once_and_what_is_new_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (state, pki) = (dir.path().join("state"), dir.path().join("pki"));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(&pki).unwrap();
        fs::write(state.join("1.sst"), "one").unwrap();
        fs::write(state.join("MANIFEST"), "one").unwrap();
        let digests = Digests::default();
        let first = digests.list(&state, &pki).unwrap();
        assert_eq!(first[0].sha256, first[1].sha256);
        assert_eq!(digests.known.lock().len(), 1);
        // A lie that only the memory of the first reading can tell.
        for sum in digests.known.lock().values_mut() {
            *sum = "remembered".into();
        }
        fs::write(state.join("2.sst"), "two").unwrap();
        let second = digests.list(&state, &pki).unwrap();
        assert_eq!(second[0].sha256, "remembered");
        assert_eq!(second[1].sha256, hex(&Sha256::digest("two")));
        fs::remove_file(state.join("1.sst")).unwrap();
        digests.list(&state, &pki).unwrap();
        assert_eq!(digests.known.lock().len(), 1);
    }
}
