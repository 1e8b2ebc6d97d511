//! Takes in a state that the leader sends: files come into `DIR/incoming`, where a later attempt
//! finds those that are whole, and are installed only once every one of them checks.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::wire::{Chunk, FileRecord, Offer, Wanted};
use crate::state_machine::checksum;
use crate::{Error, failpoint, sealed};

/// Where a state lies until it is installed.
pub(super) fn place(dir: &Path) -> PathBuf {
    dir.join("incoming")
}

/// Says what of an offered state is there already; everything else in the place goes.
pub(super) fn offer(dir: &Path, offer: &Offer) -> Result<Wanted, Error> {
    let place = place(dir);
    let failed = |e: std::io::Error| Error::io(format!("preparing {}", place.display()), e);
    fs::create_dir_all(&place).map_err(failed)?;
    for file in &offer.files {
        check_name(&file.name)?;
    }
    for entry in fs::read_dir(&place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if !offer.files.iter().any(|f| *f.name == *name) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    let present = offer.files.iter().map(|file| kept(&place, file));
    failpoint!("receive.offer", Err);
    Ok(Wanted {
        present: present.collect::<Result<_, Error>>()?,
    })
}

/// Bytes of a file that need not be sent again: all of it when it checks, what arrived of it
/// when it is shorter (the whole is checked in the end), else nothing.
fn kept(place: &Path, file: &FileRecord) -> Result<u64, Error> {
    let path = place.join(&file.name);
    let size = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(_) => {
            // An empty one is whole without a single piece.
            File::create(&path)
                .map_err(|e| Error::io(format!("creating {}", path.display()), e))?;
            return Ok(0);
        }
    };
    if size < file.size {
        return Ok(size);
    }
    if size == file.size && checksum(&path)?.1 == file.checksum {
        return Ok(size);
    }
    fs::remove_file(&path).map_err(|e| Error::io(format!("removing {}", path.display()), e))?;
    Ok(0)
}

/// Writes one piece of a file where it belongs.
pub(super) fn chunk(dir: &Path, chunk: &Chunk) -> Result<(), Error> {
    check_name(&chunk.name)?;
    let path = place(dir).join(&chunk.name);
    let failed = |e: std::io::Error| Error::io(format!("writing {}", path.display()), e);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    failpoint!("receive.chunk", Err);
    file.write_all_at(&chunk.bytes, chunk.offset)
        .map_err(failed)
}

/// Checks and syncs everything; the place is then a state to be installed.
pub(super) fn seal(dir: &Path, offer: &Offer) -> Result<PathBuf, Error> {
    let place = place(dir);
    failpoint!("receive.seal", Err);
    for file in &offer.files {
        check_name(&file.name)?;
        let path = place.join(&file.name);
        if checksum(&path)? != (file.size, file.checksum) {
            // The next attempt sends it again.
            fs::remove_file(&path)
                .map_err(|e| Error::io(format!("removing {}", path.display()), e))?;
            return Err(Error::corrupt("it is not what was offered", path));
        }
        File::open(&path)
            .and_then(|f| f.sync_all())
            .map_err(|e| Error::io(format!("syncing {}", path.display()), e))?;
    }
    sealed::sync_dir(&place)?;
    failpoint!("receive.sealed", Err);
    Ok(place)
}

/// Names come from another member: they name files in the place and nothing else.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if plain {
        Ok(())
    } else {
        Err(Error::io(
            "taking in a state",
            format!("{name:?} is no file of a state"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::PositionRecord;
    use crate::type_config::{CommittedLeader, Vote};

    fn offered(files: &[(&str, &[u8])]) -> Offer {
        let vote = Vote {
            leader_id: CommittedLeader {
                term: 1,
                node_id: 1,
            },
            committed: true,
        };
        Offer {
            vote: (&vote).into(),
            files: files
                .iter()
                .map(|(name, bytes)| FileRecord {
                    name: (*name).into(),
                    size: bytes.len() as u64,
                    checksum: crc32c::crc32c(bytes),
                })
                .collect(),
            applied: PositionRecord::default(),
            membership: Vec::new(),
        }
    }

    fn send(dir: &Path, name: &str, offset: u64, bytes: &'static [u8]) {
        let piece = Chunk {
            name: name.into(),
            offset,
            bytes: bytes.into(),
        };
        chunk(dir, &piece).unwrap();
    }

    #[test]
    fn what_arrived_is_kept_and_what_is_bad_is_sent_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = offered(&[("1.sst", b"whole"), ("2.sst", b"begun"), ("old", b"x")]);
        assert_eq!(offer(dir.path(), &first).unwrap().present, [0, 0, 0]);
        send(dir.path(), "1.sst", 0, b"whole");
        send(dir.path(), "2.sst", 0, b"beg");
        send(dir.path(), "old", 0, b"x");
        let second = offered(&[
            ("1.sst", b"whole"),
            ("2.sst", b"begun"),
            ("3.sst", b"new"),
            ("4.log", b""),
        ]);
        assert_eq!(offer(dir.path(), &second).unwrap().present, [5, 3, 0, 0]);
        assert!(!place(dir.path()).join("old").exists());
        send(dir.path(), "2.sst", 3, b"XX");
        send(dir.path(), "3.sst", 0, b"new");
        assert!(seal(dir.path(), &second).is_err());
        assert_eq!(offer(dir.path(), &second).unwrap().present, [5, 0, 3, 0]);
        send(dir.path(), "2.sst", 0, b"begun");
        seal(dir.path(), &second).unwrap();
    }

    #[test]
    fn a_name_cannot_leave_the_place() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../log.floor", "/etc/passwd", "", ".hidden", "a/b"] {
            assert!(
                offer(dir.path(), &offered(&[(name, b"")])).is_err(),
                "{name}"
            );
        }
    }
}
