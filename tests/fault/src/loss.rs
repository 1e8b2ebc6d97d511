//! What a power loss leaves of a disk: of everything not synced some part, which the dice choose.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Dice;
use crate::notes::{FileNote, Notes, RenameNote};

const PAGE: u64 = 4096;

pub(crate) fn strike(notes: &Notes, dice: &mut Dice) {
    let files = notes.files();
    take_bytes(&files, dice);
    take_overwrites(notes, &files, dice);
    take_names(&files, dice);
    take_renames(&notes.renames(), dice);
}

/// Bytes behind the last sync: gone, or there up to some point, or there with pages that are not.
fn take_bytes(files: &[FileNote], dice: &mut Dice) {
    for file in files.iter().filter(|f| f.live && !f.directory) {
        let Ok(meta) = fs::metadata(&file.path) else {
            continue;
        };
        if meta.len() <= file.synced {
            continue;
        }
        let open = OpenOptions::new()
            .write(true)
            .open(&file.path)
            .expect("an unsynced file opens");
        let unsynced = meta.len() - file.synced;
        match dice.below(4) {
            0 => {}
            1 => open
                .set_len(file.synced + dice.below(unsynced + 1))
                .expect("a file is cut"),
            2 if is_log(&file.path) => lose_pages(&open, file.synced, meta.len(), dice),
            _ => open.set_len(file.synced).expect("a file is cut"),
        }
    }
}

/// The write-ahead log must tell a torn write from damage even when its pages arrive out of
/// order; the manifest is appended in pieces smaller than a page.
fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "log")
}

fn lose_pages(file: &fs::File, from: u64, end: u64, dice: &mut Dice) {
    let mut at = from;
    while at < end {
        let next = (at / PAGE + 1) * PAGE;
        let size = next.min(end) - at;
        if dice.one_in(2) {
            let zeros = vec![0; usize::try_from(size).expect("a page fits")];
            file.write_all_at(&zeros, at).expect("a page is lost");
        }
        at = next;
    }
}

fn take_overwrites(notes: &Notes, files: &[FileNote], dice: &mut Dice) {
    for undo in notes.undo().into_iter().rev() {
        let Some(file) = files
            .get(usize::try_from(undo.file).expect("an index"))
            .filter(|f| f.live)
        else {
            continue;
        };
        if dice.one_in(3) {
            continue;
        }
        if let Ok(open) = OpenOptions::new().write(true).open(&file.path) {
            open.write_all_at(&undo.bytes, undo.offset)
                .expect("bytes go back");
        }
    }
}

/// Files and directories whose parent was never synced after they were made.
fn take_names(files: &[FileNote], dice: &mut Dice) {
    for file in files.iter().filter(|f| f.live && f.name_unsynced) {
        if dice.one_in(2) {
            continue;
        }
        let removed = if file.directory {
            fs::remove_dir_all(&file.path)
        } else {
            fs::remove_file(&file.path)
        };
        match removed {
            Err(e) if e.kind() != ErrorKind::NotFound => panic!("{}: {e}", file.path.display()),
            _ => {}
        }
    }
}

/// Directories journal their changes in order: the last few renames did not happen.
fn take_renames(renames: &[RenameNote], dice: &mut Dice) {
    let active: Vec<&RenameNote> = renames.iter().filter(|r| r.active).collect();
    let kept = usize::try_from(dice.below(active.len() as u64 + 1)).expect("a count");
    for rename in active[kept..].iter().rev() {
        if fs::rename(&rename.to, &rename.from).is_err() {
            // Removed since; the removal is durable.
            continue;
        }
        if let Some(saved) = &rename.saved {
            fs::copy(saved, &rename.to).expect("the earlier file comes back");
        }
    }
}
