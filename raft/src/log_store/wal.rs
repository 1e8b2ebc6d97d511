//! Reads the write-ahead files of the log's database before the database does, to tell a write
//! that a crash cut short (the last one, never acknowledged: cut off) from damage before it
//! (acknowledged entries: refused). Every write is one batch and is synced before the next, so
//! whatever follows a bad record and starts a new one proves damage.
//! The format is RocksDB's: blocks of 32 KiB holding records of checksum, length, type, bytes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::Error;

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// What one file holds.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Whole records, then nothing or zeros.
    Whole,
    /// Nothing begins behind the first bad piece: the write that began at `at` was cut short.
    CutShort { at: usize, bad: usize },
    /// A record that checks begins behind one that does not.
    Damaged { at: usize },
}

/// Checks all write-ahead files under `dir` and cuts off a write that was cut short.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    for judged in examine(dir)? {
        if let Some((path, at)) = judged? {
            tracing::warn!(file = %path.display(), at, "cutting off a write that a crash cut short");
            cut(&path, at)?;
        }
    }
    Ok(())
}

/// A write that was cut short: in which file, and where it began.
type CutShort = Option<(PathBuf, usize)>;

/// Judges all write-ahead files under `dir`, newest first, and touches none.
pub(super) fn examine(dir: &Path) -> Result<Vec<Result<CutShort, Error>>, Error> {
    let (mut judged, mut newer_holds_records) = (Vec::new(), false);
    for path in files_newest_first(dir)? {
        let bytes =
            fs::read(&path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
        judged.push(match judge(&bytes) {
            Verdict::Whole => Ok(None),
            Verdict::CutShort { at, .. } if newer_holds_records => Err(Error::corrupt(
                format!("it ends in a bad record at byte {at}, but newer files follow"),
                path,
            )),
            Verdict::CutShort { at, .. } => Ok(Some((path, at))),
            Verdict::Damaged { at } => Err(Error::corrupt(
                format!("the record at byte {at} is bad, but whole ones follow"),
                path,
            )),
        });
        newer_holds_records |= begins(&bytes, 0).is_some();
    }
    Ok(judged)
}

/// Whether a file in this format holds whole records only.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    judge(bytes) == Verdict::Whole
}

/// Whether a file in this format holds what a crash may leave behind. A write that was cut short has the kind that
/// it was given, or none: the database reads for ever at a kind that it does not expect (log::Reader::ReadRecord).
pub(crate) fn is_usable(bytes: &[u8]) -> bool {
    match judge(bytes) {
        Verdict::Whole => true,
        Verdict::CutShort { bad, .. } => bytes.get(bad + 6).is_none_or(|kind| *kind <= LAST),
        Verdict::Damaged { .. } => false,
    }
}

fn files_newest_first(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed =
        fs::read_dir(dir).map_err(|e| Error::io(format!("listing {}", dir.display()), e))?;
    let mut files: Vec<PathBuf> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    files.sort();
    files.reverse();
    Ok(files)
}

fn cut(path: &Path, at: usize) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|f| {
        f.set_len(at as u64)?;
        f.sync_all()
    })
    .map_err(|e| Error::io(format!("cutting {}", path.display()), e))
}

fn judge(bytes: &[u8]) -> Verdict {
    let mut at = 0;
    // Where the batch that is being read began, and whether its last piece has been seen.
    let mut begun = 0;
    let mut open = false;
    while at < bytes.len() {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        match record(bytes, at) {
            Some((kind, size)) if in_order(kind, open) => {
                if !open {
                    begun = at;
                }
                open = matches!(kind, FIRST | MIDDLE);
                at += size;
            }
            _ => return ended(bytes, at, if open { begun } else { at }),
        }
    }
    if open {
        Verdict::CutShort {
            at: begun,
            bad: bytes.len(),
        }
    } else {
        Verdict::Whole
    }
}

/// The bytes at `at` are no record that may stand there: the file ends, or is cut short, or worse.
fn ended(bytes: &[u8], at: usize, begun: usize) -> Verdict {
    if begins(bytes, at).is_some() {
        return Verdict::Damaged { at };
    }
    if bytes[begun..].iter().all(|b| *b == 0) {
        Verdict::Whole
    } else {
        Verdict::CutShort { at: begun, bad: at }
    }
}

fn in_order(kind: u8, open: bool) -> bool {
    match kind {
        MIDDLE | LAST => open,
        _ => !open,
    }
}

/// The kind and whole size of the record at `at`, when it checks.
fn record(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let header = bytes.get(at..at + HEADER)?;
    let size = HEADER + usize::from(u16::from_le_bytes([header[4], header[5]]));
    let kind = header[6];
    if kind == 0 || at % BLOCK + size > BLOCK {
        return None;
    }
    let stored = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let sum = crc32c::crc32c(bytes.get(at + 6..at + size)?);
    let masked = sum.rotate_right(15).wrapping_add(0xa282_ead8);
    (stored == masked).then_some((kind, size))
}

/// Where, from `from` on, a record that checks begins a batch; every byte is tried, since the
/// length of a bad record cannot be believed.
fn begins(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len().saturating_sub(HEADER - 1))
        .filter(|at| matches!(bytes[at + 6], FULL | FIRST))
        .find(|at| record(bytes, *at).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(file: &mut Vec<u8>, kind: u8, body: &[u8]) {
        let mut checked = vec![kind];
        checked.extend_from_slice(body);
        let sum = crc32c::crc32c(&checked)
            .rotate_right(15)
            .wrapping_add(0xa282_ead8);
        file.extend_from_slice(&sum.to_le_bytes());
        file.extend_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
        file.extend_from_slice(&checked);
    }

    fn three() -> (Vec<u8>, usize) {
        let mut file = Vec::new();
        push(&mut file, FULL, b"first");
        push(&mut file, FULL, b"second");
        let last = file.len();
        push(&mut file, FULL, b"third");
        (file, last)
    }

    fn cut_at(file: &[u8], begun: usize) -> bool {
        matches!(judge(file), Verdict::CutShort { at, .. } if at == begun)
    }

    #[test]
    fn whole_files_pass_with_zeros_behind() {
        let (mut file, _) = three();
        assert_eq!(judge(&file), Verdict::Whole);
        file.resize(file.len() + 5000, 0);
        assert_eq!(judge(&file), Verdict::Whole);
        assert_eq!(judge(&[]), Verdict::Whole);
    }

    #[test]
    fn a_short_or_bad_last_record_was_cut_short() {
        let (file, last) = three();
        for size in last + 1..file.len() {
            assert!(cut_at(&file[..size], last));
            assert!(is_usable(&file[..size]));
        }
        let mut file = file;
        file[last + 9] ^= 1;
        assert!(cut_at(&file, last));
    }

    #[test]
    fn a_last_record_of_an_unknown_kind_was_not_cut_short() {
        let (mut file, last) = three();
        file[last + 6] ^= 4;
        assert!(cut_at(&file, last));
        assert!(!is_usable(&file));
    }

    #[test]
    fn every_flipped_bit_before_the_last_record_is_damage() {
        let (file, last) = three();
        for bit in 0..last * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(judge(&bad), Verdict::Damaged { .. }), "bit {bit}");
        }
    }

    #[test]
    fn a_batch_without_its_last_piece_is_cut_at_its_beginning() {
        let mut file = Vec::new();
        push(&mut file, FULL, b"whole");
        let begun = file.len();
        push(&mut file, FIRST, &vec![7; BLOCK - begun - HEADER]);
        push(&mut file, MIDDLE, &vec![8; BLOCK - HEADER]);
        assert!(cut_at(&file, begun));
        push(&mut file, LAST, b"end");
        assert_eq!(judge(&file), Verdict::Whole);
    }
}
