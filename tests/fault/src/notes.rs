//! The file that `disk.c` shares with the harness, read and written by offset. The constants
//! mirror `struct shared` there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const PATH: u64 = 240;
const FILES: u64 = 16384;
const RENAMES: u64 = 4096;
const UNDO_BYTES: u64 = 32 << 20;

const SPACE: u64 = 0;
const FAIL_SYNC: u64 = 8;
const FAIL_WRITE: u64 = FAIL_SYNC + 8 + PATH;
const DELAY: u64 = FAIL_WRITE + 8 + PATH;
const CLOCK: u64 = DELAY + 8 + PATH;
const SYNCS: u64 = CLOCK + 8;
const FILE_COUNT: u64 = SYNCS + 8;
const RENAME_COUNT: u64 = FILE_COUNT + 8;
const UNDO_USED: u64 = RENAME_COUNT + 8;
const FILE: u64 = UNDO_USED + 8;
const FILE_SIZE: u64 = PATH + 16;
const RENAME: u64 = FILE + FILES * FILE_SIZE;
const RENAME_SIZE: u64 = 3 * PATH + 8;
const UNDO: u64 = RENAME + RENAMES * RENAME_SIZE;

pub(crate) struct Notes(File);

pub(crate) struct FileNote {
    pub(crate) path: PathBuf,
    pub(crate) synced: u64,
    pub(crate) live: bool,
    pub(crate) name_unsynced: bool,
    pub(crate) directory: bool,
}

pub(crate) struct RenameNote {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    /// What `to` named before.
    pub(crate) saved: Option<PathBuf>,
    /// The directory has not been synced since.
    pub(crate) active: bool,
}

/// Synced bytes that have been overwritten and not synced again.
pub(crate) struct UndoNote {
    pub(crate) file: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Notes {
    pub(crate) fn create(path: &Path) {
        let file = File::create(path).expect("the notes are made");
        file.set_len(UNDO + UNDO_BYTES)
            .expect("the notes are sized");
        Self(file).set_space(-1);
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self(
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .expect("the notes open"),
        )
    }

    pub(crate) fn set_space(&self, bytes: i64) {
        self.0
            .write_all_at(&bytes.to_ne_bytes(), SPACE)
            .expect("the notes take orders");
    }

    pub(crate) fn set_fail_sync(&self, part: &str, errno: u64) {
        self.set_order(FAIL_SYNC, part, errno);
    }

    pub(crate) fn set_fail_write(&self, part: &str, errno: u64) {
        self.set_order(FAIL_WRITE, part, errno);
    }

    fn set_order(&self, at: u64, part: &str, number: u64) {
        let mut path = [0; PATH as usize];
        path[..part.len()].copy_from_slice(part.as_bytes());
        self.0
            .write_all_at(&path, at + 8)
            .expect("the notes take orders");
        self.0
            .write_all_at(&number.to_ne_bytes(), at)
            .expect("the notes take orders");
    }

    pub(crate) fn set_delay(&self, part: &str, microseconds: u64) {
        self.set_order(DELAY, part, microseconds);
    }

    pub(crate) fn set_clock(&self, microseconds: i64) {
        self.0
            .write_all_at(&microseconds.to_ne_bytes(), CLOCK)
            .expect("the notes take orders");
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.number(SYNCS)
    }

    pub(crate) fn files(&self) -> Vec<FileNote> {
        let each = |i| {
            let at = FILE + i * FILE_SIZE;
            let flags = self.number(at + PATH + 8);
            FileNote {
                path: self.path(at).unwrap_or_default(),
                synced: self.number(at + PATH),
                live: flags & 1 != 0,
                name_unsynced: flags & 2 != 0,
                directory: flags & 4 != 0,
            }
        };
        (0..self.number(FILE_COUNT)).map(each).collect()
    }

    pub(crate) fn renames(&self) -> Vec<RenameNote> {
        let each = |i| {
            let at = RENAME + i * RENAME_SIZE;
            RenameNote {
                from: self.path(at).unwrap_or_default(),
                to: self.path(at + PATH).unwrap_or_default(),
                saved: self.path(at + 2 * PATH),
                active: self.number(at + 3 * PATH) != 0,
            }
        };
        (0..self.number(RENAME_COUNT)).map(each).collect()
    }

    pub(crate) fn undo(&self) -> Vec<UndoNote> {
        let (mut notes, mut at) = (Vec::new(), 0);
        while at < self.number(UNDO_USED) {
            let head = UNDO + at;
            let size = self.number(head + 16);
            let mut bytes = vec![0; usize::try_from(size).expect("a kept piece fits")];
            self.0
                .read_exact_at(&mut bytes, head + 32)
                .expect("the notes are whole");
            if self.number(head + 24) != 0 {
                notes.push(UndoNote {
                    file: self.number(head),
                    offset: self.number(head + 8),
                    bytes,
                });
            }
            at += 32 + size;
        }
        notes
    }

    fn number(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0
            .read_exact_at(&mut bytes, at)
            .expect("the notes are whole");
        u64::from_ne_bytes(bytes)
    }

    fn path(&self, at: u64) -> Option<PathBuf> {
        let mut bytes = [0; PATH as usize];
        self.0
            .read_exact_at(&mut bytes, at)
            .expect("the notes are whole");
        let end = bytes.iter().position(|b| *b == 0)?;
        (end > 0).then(|| PathBuf::from(String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }
}
