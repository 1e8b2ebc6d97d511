//! A disk that loses power, runs full and fails, for programs that are killed and started again.
//! `disk.c` is loaded into them; this is the harness's side: orders to it, and what a power loss
//! leaves. For tests only.

mod dice;
mod keys;
pub mod linear;
pub mod load;
mod loss;
pub mod member;
mod notes;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use dice::Dice;
pub use keys::Keys;
use notes::Notes;

/// One line on standard output in one write, so that a death leaves whole lines.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listened has gone: nothing is left to tell.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// A disk under one directory.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    state: PathBuf,
    library: PathBuf,
}

impl Disk {
    /// Prepares a disk under `dir`, whose notes are kept in `scratch` beside it.
    ///
    /// # Panics
    /// When the library cannot be compiled.
    #[must_use]
    pub fn new(dir: &Path, scratch: &Path) -> Self {
        Self::with(&Self::library(scratch), dir, scratch)
    }

    /// Compiles the library into a directory, for several disks.
    ///
    /// # Panics
    /// When it cannot be compiled.
    #[must_use]
    pub fn library(scratch: &Path) -> PathBuf {
        let library = scratch.join("disk.so");
        let source = scratch.join("disk.c");
        std::fs::write(&source, include_str!("../disk.c"))
            .expect("the library's source is written");
        let compiled = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(
            compiled.is_ok_and(|status| status.success()),
            "cc must compile {}",
            source.display()
        );
        library
    }

    /// As `new`, with the library compiled before.
    #[must_use]
    pub fn with(library: &Path, dir: &Path, scratch: &Path) -> Self {
        let disk = Self {
            dir: dir.to_path_buf(),
            state: scratch.join("disk.state"),
            library: library.to_path_buf(),
        };
        disk.reset();
        disk
    }

    /// Lets a program run on this disk.
    pub fn put_under(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAULT_STATE", &self.state)
            .env("FAULT_DIR", &self.dir);
    }

    /// The bytes that may still be written; `None` for no limit.
    pub fn set_space(&self, bytes: Option<i64>) {
        self.notes().set_space(bytes.unwrap_or(-1));
    }

    /// Fails syncs of files whose path holds `part` (a `*` in it stands for anything), with an errno; 0 for no longer.
    pub fn fail_syncs(&self, part: &str, errno: u64) {
        self.notes().set_fail_sync(part, errno);
    }

    /// Fails writes to files whose path holds `part`, with an errno; 0 for no longer.
    pub fn fail_writes(&self, part: &str, errno: u64) {
        self.notes().set_fail_write(part, errno);
    }

    /// Delays syncs of files whose path holds `part`, those that fail too; 0 for no longer.
    pub fn delay_syncs(&self, part: &str, microseconds: u64) {
        self.notes().set_delay(part, microseconds);
    }

    /// Sets the wall clock of whoever runs on this disk wrong.
    pub fn shift_clock(&self, microseconds: i64) {
        self.notes().set_clock(microseconds);
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.notes().syncs()
    }

    /// Takes away what was not synced, as the dice fall, and forgets all notes: the next program
    /// finds a disk on which everything is durable. The program must be dead.
    ///
    /// # Panics
    /// When the files are not as the notes say.
    pub fn lose_power(&self, dice: &mut Dice) {
        loss::strike(&self.notes(), dice);
        self.reset();
    }

    /// Forgets all notes and orders.
    pub fn reset(&self) {
        Notes::create(&self.state);
    }

    fn notes(&self) -> Notes {
        Notes::open(&self.state)
    }
}
