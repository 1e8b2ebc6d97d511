//! Where backups lie and in what form: a directory, a single file or a bucket, holding manifests, compressed and perhaps encrypted
//! files named by what they hold, and the archive of the log. It knows bytes and names only: what a file means is the
//! store's business. The server and triadctl call it, from threads that may block.

mod background;
mod destination;
mod error;
mod keys;
mod manifest;
mod meter;
mod place;
mod seal;

pub use error::{Error, Result};
pub use keys::Keys;
pub use manifest::{About, Applied, File, Manifest};
pub use meter::Meter;
pub use place::{Place, Pruned, Saved, SegmentName, Source};

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a word can be a name at a destination: it reaches nothing but its own folder.
pub(crate) fn is_plain(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !word.is_empty() && !word.starts_with('.') && word.bytes().all(plain)
}
