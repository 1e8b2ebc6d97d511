//! The durable floor: an index up to which the log is known to be on disk, kept outside the
//! log's database. A log that ends below it has lost entries, whatever its own files say.
//! Two slots are written in turn, each with a sequence and a checksum, so one write and one
//! sync replace it and a torn write harms only the slot that it was for.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, sealed};

const MAGIC: &[u8; 8] = b"TRIADFL1";
const SLOT: u64 = 512;
const RECORD: usize = 8 + 8 + 8 + 4;

pub(crate) struct Floor {
    file: File,
    path: PathBuf,
    sequence: u64,
    index: u64,
}

impl Floor {
    /// Opens the floor; `None` when there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Error> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(format!("opening {}", path.display()), e)),
        };
        let (sequence, index) = newest(&file, path)?;
        Ok(Some(Self {
            file,
            path: path.to_path_buf(),
            sequence,
            index,
        }))
    }

    /// The floor as it lies, opened to be read; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<u64>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(format!("opening {}", path.display()), e)),
        };
        newest(&file, path).map(|(_, index)| Some(index))
    }

    /// Makes a floor of 0 for a log that is about to be made.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let failed = |e| Error::io(format!("creating {}", path.display()), e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(failed)?;
        let mut floor = Self {
            file,
            path: path.to_path_buf(),
            sequence: 0,
            index: 0,
        };
        floor.set(0)?;
        floor.set(0)?;
        if let Some(dir) = path.parent() {
            sealed::sync_dir(dir)?;
        }
        Ok(floor)
    }

    /// How many entries the log must reach: it holds every index below this one.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    pub(crate) fn set(&mut self, index: u64) -> Result<(), Error> {
        let failed = |e| Error::io(format!("writing {}", self.path.display()), e);
        let sequence = self.sequence + 1;
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(MAGIC);
        record[8..16].copy_from_slice(&sequence.to_le_bytes());
        record[16..24].copy_from_slice(&index.to_le_bytes());
        let sum = crc32c::crc32c(&record[..24]);
        record[24..].copy_from_slice(&sum.to_le_bytes());
        self.file
            .write_all_at(&record, (sequence % 2) * SLOT)
            .map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        (self.sequence, self.index) = (sequence, index);
        Ok(())
    }
}

fn newest(file: &File, path: &Path) -> Result<(u64, u64), Error> {
    let slots = [0, 1].into_iter();
    slots
        .filter_map(|slot| read_slot(file, slot))
        .max()
        .ok_or_else(|| Error::corrupt("neither of its two slots checks", path))
}

/// The slot that does not check while the other does.
pub(super) fn bad_slot(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let [first, second] = [0, 1].map(|slot| read_slot(&file, slot).is_some());
    (first != second).then_some(u64::from(first))
}

fn read_slot(file: &File, slot: u64) -> Option<(u64, u64)> {
    let mut record = [0; RECORD];
    file.read_exact_at(&mut record, slot * SLOT).ok()?;
    let number = |at: usize| record[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let sum = u32::from_le_bytes(record[24..].try_into().ok()?);
    let whole = &record[..8] == MAGIC && sum == crc32c::crc32c(&record[..24]);
    whole.then_some((number(8)?, number(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_write_falls_back_to_the_slot_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("floor");
        let mut floor = Floor::create(&path).unwrap();
        floor.set(10).unwrap();
        floor.set(20).unwrap();
        let newest = floor.sequence % 2;
        floor
            .file
            .write_all_at(&[0xff; 4], newest * SLOT + 9)
            .unwrap();
        assert_eq!(Floor::open(&path).unwrap().unwrap().index(), 10);
        floor
            .file
            .write_all_at(&[0xff; 4], (1 - newest) * SLOT + 9)
            .unwrap();
        assert!(matches!(Floor::open(&path), Err(Error::Corrupt { .. })));
    }
}
