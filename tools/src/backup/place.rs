//! A directory of backups: `NAME.json` for each, `files/SHA256` for what they are made of. A file is complete once it has its
//! name, and a manifest is written last, so whatever is interrupted leaves whole backups behind.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{files, word};

pub(super) struct Place {
    dir: PathBuf,
}

/// A directory that goes with the value.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already when its files have been taken over.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Place {
    pub(super) fn make(dir: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        // What lies here holds every secret of the cluster.
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir.join("files"));
        made.with_context(|| format!("cannot make {}", dir.display()))?;
        Self::open(dir)
    }

    pub(super) fn open(dir: &Path) -> Result<Self> {
        ensure!(
            dir.join("files").is_dir(),
            "{} is no place of backups",
            dir.display()
        );
        Ok(Self {
            dir: dir.to_path_buf(),
        })
    }

    fn file(&self, sum: &str) -> PathBuf {
        self.dir.join("files").join(sum)
    }

    pub(super) fn has(&self, sum: &str, size: u64) -> bool {
        fs::metadata(self.file(sum)).is_ok_and(|found| found.len() == size)
    }

    /// Fetches a file piece by piece; it gets its name once all of it is there and is what it should be.
    pub(super) fn bring(
        &self,
        sum: &str,
        size: u64,
        mut piece: impl FnMut(u64) -> Result<Bytes>,
    ) -> Result<()> {
        let path = self.file(sum);
        let partial = path.with_extension("partial");
        let failed = || format!("cannot write {}", partial.display());
        let mut file = File::create(&partial).with_context(failed)?;
        let (mut hash, mut offset) = (Sha256::new(), 0);
        while offset < size {
            let bytes = piece(offset)?;
            ensure!(!bytes.is_empty(), "a file of the backup ends too early");
            hash.update(&bytes);
            file.write_all(&bytes).with_context(failed)?;
            offset += bytes.len() as u64;
        }
        file.sync_all().with_context(failed)?;
        ensure!(
            hex(&hash.finalize()) == sum,
            "a file of the backup was damaged on its way"
        );
        fs::rename(&partial, &path).with_context(failed)
    }

    pub(super) fn put(&self, name: &str, manifest: &Value) -> Result<()> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        ensure!(
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain),
            "{name:?} cannot be the name of a backup: letters, digits, `.`, `-` and `_` can"
        );
        let path = self.dir.join(format!("{name}.json"));
        ensure!(!path.exists(), "there is a backup {name} already");
        let partial = path.with_extension("partial");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&partial)?;
            file.write_all(format!("{manifest:#}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// All manifests, oldest first.
    pub(super) fn all(&self) -> Result<Vec<Value>> {
        let mut manifests = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "json") {
                let text =
                    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let manifest: Value = serde_json::from_slice(&text)
                    .with_context(|| format!("{} is damaged", path.display()))?;
                manifests.push(manifest);
            }
        }
        manifests.sort_by_key(|m| (m["time"].as_u64(), m["revision"].as_u64()));
        Ok(manifests)
    }

    /// The backup of a name, or the newest.
    pub(super) fn find(&self, name: Option<&str>) -> Result<Value> {
        let mut all = self.all()?;
        match name {
            None => all
                .pop()
                .ok_or_else(|| anyhow!("there is no backup in {}", self.dir.display())),
            Some(name) => all
                .into_iter()
                .find(|manifest| manifest["name"] == name)
                .ok_or_else(|| anyhow!("there is no backup {name} in {}", self.dir.display())),
        }
    }

    /// The bytes of a file, checked.
    pub(super) fn read(&self, sum: &str) -> Result<Vec<u8>> {
        let path = self.file(sum);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            hex(&Sha256::digest(&bytes)) == sum,
            "{} is damaged",
            path.display()
        );
        Ok(bytes)
    }

    /// Puts the files under a prefix together again, each checked.
    pub(super) fn assemble(&self, manifest: &Value, prefix: &str) -> Result<Scratch> {
        self.assemble_in(manifest, prefix, &std::env::temp_dir())
    }

    pub(super) fn assemble_in(
        &self,
        manifest: &Value,
        prefix: &str,
        parent: &Path,
    ) -> Result<Scratch> {
        let dir = parent.join(format!("triad-backup-{}", std::process::id()));
        let scratch = Scratch(dir.clone());
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for file in files(manifest) {
            let Some(name) = word(file, "name")?.strip_prefix(prefix) else {
                continue;
            };
            ensure!(
                !name.contains('/') && !name.starts_with('.'),
                "{name:?} is no file of a backup"
            );
            self.copy(word(file, "sha256")?, &dir.join(name))?;
        }
        Ok(scratch)
    }

    fn copy(&self, sum: &str, to: &Path) -> Result<()> {
        let path = self.file(sum);
        let mut from =
            File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut out = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            out.write_all(&buffer[..read])?;
        }
        ensure!(
            hex(&hash.finalize()) == sum,
            "{} is damaged",
            path.display()
        );
        out.sync_all()
            .with_context(|| format!("cannot write {}", to.display()))
    }

    /// Removes all but the newest, and what none of the rest needs.
    pub(super) fn prune(&self, keep: usize, dry_run: bool) -> Result<String> {
        ensure!(keep > 0, "at least one backup is kept");
        let all = self.all()?;
        let (old, rest) = all.split_at(all.len().saturating_sub(keep));
        let mut out = String::new();
        let said = if dry_run {
            "would be removed (dry run)"
        } else {
            "removed"
        };
        for manifest in old {
            let name = word(manifest, "name")?;
            if !dry_run {
                fs::remove_file(self.dir.join(format!("{name}.json")))?;
            }
            out.push_str(&format!("backup {name} {said}\n"));
        }
        let needed: HashSet<&str> = rest
            .iter()
            .flat_map(files)
            .filter_map(|f| f["sha256"].as_str())
            .collect();
        let mut freed = 0;
        for entry in fs::read_dir(self.dir.join("files"))? {
            let entry = entry?;
            if !needed.contains(entry.file_name().to_string_lossy().as_ref()) {
                freed += 1;
                if !dry_run {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        out.push_str(&format!(
            "{freed} files {said}; {} backups stay\n",
            rest.len()
        ));
        Ok(out)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn backup(place: &Place, name: &str, time: u64, contents: &[&'static str]) {
        let mut listed = Vec::new();
        for (n, text) in contents.iter().enumerate() {
            let sum = hex(&Sha256::digest(text));
            if !place.has(&sum, text.len() as u64) {
                let bring = place.bring(&sum, text.len() as u64, |at| {
                    Ok(Bytes::from_static(&text.as_bytes()[at as usize..][..1]))
                });
                bring.unwrap();
            }
            listed.push(json!({"name": format!("state/{n}"), "size": text.len(), "sha256": sum}));
        }
        place
            .put(name, &json!({"name": name, "time": time, "files": listed}))
            .unwrap();
    }

    #[test]
    fn files_are_shared_checked_and_kept_while_needed() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(&dir.path().join("b")).unwrap();
        backup(&place, "one", 1, &["same", "old"]);
        backup(&place, "two", 2, &["same", "new"]);
        assert_eq!(fs::read_dir(dir.path().join("b/files")).unwrap().count(), 3);
        assert_eq!(place.find(None).unwrap()["name"], "two");
        assert!(place.find(Some("three")).is_err());
        assert!(place.put("two", &json!({})).is_err() && place.put("../x", &json!({})).is_err());
        place.prune(1, true).unwrap();
        assert_eq!(place.all().unwrap().len(), 2);
        place.prune(1, false).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("b/files")).unwrap().count(), 2);
        let whole = place
            .assemble_in(&place.find(None).unwrap(), "state/", dir.path())
            .unwrap();
        assert_eq!(fs::read(whole.path().join("1")).unwrap(), b"new");
        drop(whole);
        let sum = hex(&Sha256::digest("new"));
        fs::write(place.file(&sum), "nEw").unwrap();
        let broken = place.assemble_in(&place.find(None).unwrap(), "state/", dir.path());
        assert!(broken.err().unwrap().to_string().contains("damaged"));
    }

    #[test]
    fn what_was_damaged_on_its_way_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(dir.path()).unwrap();
        let sum = hex(&Sha256::digest("right"));
        assert!(
            place
                .bring(&sum, 5, |_| Ok(Bytes::from_static(b"wrong")))
                .is_err()
        );
        assert!(place.bring(&sum, 5, |_| Ok(Bytes::new())).is_err());
        assert!(!place.has(&sum, 5));
    }
}
