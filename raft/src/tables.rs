//! Opens databases, their manifests checked first, and reads one that no process has open, as it lies: nothing in its directory is
//! written, not even the database's own notes, and what cannot be read does not hide what lies behind it.

mod database;

use std::path::Path;

use rocksdb::{ColumnFamilyDescriptor, DB, Options, ReadOptions};

use crate::Error;
use crate::log_store::{is_usable, is_whole};
pub use database::Database;

/// Opens a database to write to it, and makes one where there is none.
///
/// # Errors
/// `Corrupt`, `Io`.
pub fn open(
    options: &Options,
    families: Vec<ColumnFamilyDescriptor>,
    dir: &Path,
) -> Result<Database, Error> {
    if dir.join("CURRENT").exists() {
        check_manifest(dir, is_usable)?;
    }
    DB::open_cf_descriptors(options, dir, families)
        .map(Database::new)
        .map_err(|e| Error::database("opening it", &e, dir))
}

/// Opens a database to look at. Its notes go to `scratch`, or lie beside its files.
///
/// # Errors
/// `Corrupt`, `Io`.
pub fn open_to_read(
    mut options: Options,
    families: Vec<ColumnFamilyDescriptor>,
    dir: &Path,
    scratch: Option<&Path>,
) -> Result<Database, Error> {
    if !dir.join("CURRENT").is_file() {
        return Err(Error::corrupt(
            "it is missing, so there is no database",
            dir.join("CURRENT"),
        ));
    }
    check_manifest(dir, is_whole)?;
    options.create_if_missing(false);
    if let Some(scratch) = scratch {
        options.set_db_log_dir(scratch);
    }
    DB::open_cf_descriptors_read_only(&options, dir, families, false)
        .map(Database::new)
        .map_err(|e| Error::database("opening it", &e, dir))
}

/// The database reads some damaged manifests for ever (log::Reader::ReadRecord), so they are read here first: they are written
/// in the format of write-ahead files.
fn check_manifest(dir: &Path, passes: fn(&[u8]) -> bool) -> Result<(), Error> {
    let current = dir.join("CURRENT");
    let failed = |path: &Path, e| Error::io(format!("reading {}", path.display()), e);
    let name = std::fs::read(&current).map_err(|e| failed(&current, e))?;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    let manifest = dir.join(&name);
    if !name.starts_with("MANIFEST-") || !manifest.is_file() {
        return Err(Error::corrupt(
            "it names no manifest that is there",
            current,
        ));
    }
    let bytes = std::fs::read(&manifest).map_err(|e| failed(&manifest, e))?;
    if passes(&bytes) {
        return Ok(());
    }
    Err(Error::corrupt("a record of it does not check", manifest))
}

/// Visits all rows of a family, every block of them checked. Behind a block that cannot be read it goes on with the next
/// table; what went wrong comes back.
///
/// # Errors
/// `Io` when the tables cannot be listed.
pub fn visit_rows(
    db: &DB,
    family: &str,
    dir: &Path,
    mut visit: impl FnMut(&[u8], &[u8]),
) -> Result<Vec<Error>, Error> {
    let handle = db
        .cf_handle(family)
        .ok_or_else(|| Error::corrupt(format!("it has no family {family}"), dir))?;
    let tables = db
        .live_files()
        .map_err(|e| Error::database("listing its tables", &e, dir))?;
    let mut begins: Vec<Vec<u8>> = tables
        .into_iter()
        .filter(|table| table.column_family_name == family)
        .filter_map(|table| table.start_key)
        .collect();
    begins.sort();
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    let mut rows = db.raw_iterator_cf_opt(handle, options);
    rows.seek_to_first();
    let (mut last, mut failures) = (Vec::new(), Vec::new());
    loop {
        while let Some((key, value)) = rows.item() {
            visit(key, value);
            last.clear();
            last.extend_from_slice(key);
            rows.next();
        }
        let Err(error) = rows.status() else {
            return Ok(failures);
        };
        failures.push(Error::database("reading it", &error, dir));
        let Some(next) = begins.iter().find(|begin| **begin > last) else {
            return Ok(failures);
        };
        last.clone_from(next);
        rows.seek(next);
    }
}
