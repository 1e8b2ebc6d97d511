//! Small files that must be whole or refused: a magic, a length, the bytes, a checksum.
//! Replaced by rename, so that a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::Error;

const MAGIC: &[u8; 8] = b"TRIADSF1";
const HEADER: usize = 12;

/// Writes `bytes` so that `read` finds all of them or the previous ones.
///
/// # Errors
/// `Io` with the file's name.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::io(format!("writing {}", path.display()), e);
    let size = u32::try_from(bytes.len()).map_err(|e| Error::io("sealing a file", e))?;
    let mut sealed = Vec::with_capacity(HEADER + bytes.len() + 4);
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&size.to_le_bytes());
    sealed.extend_from_slice(bytes);
    sealed.extend_from_slice(&crc32c::crc32c(&sealed).to_le_bytes());

    let next = path.with_extension("next");
    let mut file = File::create(&next).map_err(failed)?;
    file.write_all(&sealed).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&next, path).map_err(failed)?;
    if let Some(dir) = path.parent() {
        sync_dir(dir)?;
    }
    Ok(())
}

/// The bytes of a sealed file; `None` when there is none.
///
/// # Errors
/// `Corrupt` when it is damaged, `Io` when it cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let sealed = match fs::read(path) {
        Ok(sealed) => sealed,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(format!("reading {}", path.display()), e)),
    };
    let damaged = |what: &str| Error::corrupt(what, path);
    if sealed.len() < HEADER + 4 || &sealed[..8] != MAGIC {
        return Err(damaged("it is not a file of this program"));
    }
    let (body, sum) = sealed.split_at(sealed.len() - 4);
    if crc32c::crc32c(body).to_le_bytes() != sum {
        return Err(damaged("its checksum does not match"));
    }
    let size = u32::from_le_bytes([body[8], body[9], body[10], body[11]]) as usize;
    if size != body.len() - HEADER {
        return Err(damaged("its length does not match"));
    }
    Ok(Some(body[HEADER..].to_vec()))
}

/// Makes a directory and those above it that are missing, durably: a name that its parent has not
/// been synced with is gone after a loss of power, with all that lies under it.
///
/// # Errors
/// `Io` with the directory's name.
pub fn make_dirs(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    make_dirs(parent)?;
    match fs::create_dir(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io(format!("creating {}", dir.display()), e));
        }
        _ => {}
    }
    sync_dir(parent)
}

/// Makes creations and renames in a directory durable.
///
/// # Errors
/// `Io` with the directory's name.
pub fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| Error::io(format!("syncing {}", dir.display()), e))
}
