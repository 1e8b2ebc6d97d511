//! What backups are written to. A name is complete once it is there, and nothing that is there is ever replaced: whatever is
//! interrupted leaves what was there before.

mod bucket;
mod directory;
mod file;

use std::io::{Read, Write};
use std::path::Path;

use crate::{Error, Result};

/// One thing that lies at a destination.
pub(crate) struct Item {
    /// The name within its folder.
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// Names are `FOLDER/NAME` or, at the top, `NAME`.
pub(crate) trait Destination: Send + Sync {
    /// What lies in a folder itself, not deeper; nothing when there is none. "" is the top.
    fn list(&self, folder: &str) -> Result<Vec<Item>>;

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Begins something new; nothing is there until the sink is finished.
    fn create(&self, name: &str) -> Result<Box<dyn Sink>>;

    /// What is gone already is no error.
    fn remove(&self, name: &str) -> Result<()>;

    /// Where something lies, for people.
    fn describe(&self, name: &str) -> String;

    /// Makes what was written last; only a single file needs it.
    fn close(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it can hold more than the backup that is written now.
    fn holds_many(&self) -> bool {
        true
    }
}

/// Something that is being written; dropped before its end it leaves nothing.
pub(crate) trait Sink: Write + Send {
    /// Gives it its name, unless something has it: then false, and what is there stays.
    fn finish(self: Box<Self>) -> Result<bool>;
}

/// What a place is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Made when it is not there.
    Write,
}

/// A URL names a bucket, `*.tar` a single file, anything else a directory.
pub(crate) fn open(dest: &str, access: Access) -> Result<Box<dyn Destination>> {
    if let Some((scheme, _)) = dest.split_once("://") {
        return match scheme {
            "s3" | "gs" | "az" => Ok(Box::new(bucket::Bucket::open(dest)?)),
            "file" => open(dest.trim_start_matches("file://"), access),
            other => Err(Error::Refused(format!(
                "{other}:// is no kind of destination: a directory, a file that ends in .tar, s3://, gs:// and az:// are"
            ))),
        };
    }
    let path = Path::new(dest);
    let single = path.extension().is_some_and(|end| end == "tar") && !path.is_dir();
    match (single, access) {
        (true, Access::Read) => Ok(Box::new(file::SingleFile::open(path)?)),
        (true, Access::Write) => Ok(Box::new(file::SingleFile::make(path)?)),
        (false, Access::Read) => Ok(Box::new(directory::Directory::open(path)?)),
        (false, Access::Write) => Ok(Box::new(directory::Directory::make(path)?)),
    }
}

/// All of something small.
pub(crate) fn read_all(destination: &dyn Destination, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = destination.read(name)?.read_to_end(&mut bytes);
    read.map_err(|e| Error::io(format!("cannot read {}", destination.describe(name)), e))?;
    Ok(bytes)
}

/// Puts something small, unless something has its name: then false.
pub(crate) fn put(destination: &dyn Destination, name: &str, bytes: &[u8]) -> Result<bool> {
    let mut sink = destination.create(name)?;
    let written = sink.write_all(bytes);
    written.map_err(|e| Error::io(format!("cannot write {}", destination.describe(name)), e))?;
    sink.finish()
}
