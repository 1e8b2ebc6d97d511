//! Who this data directory belongs to: the cluster and the member. Written once, then only read.

use std::path::Path;

use prost::Message;

use crate::{Error, sealed};

/// Kept in `DIR/identity`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Identity {
    /// Drawn when the cluster is made; peers of another cluster are refused.
    #[prost(uint64, tag = "1")]
    pub cluster: u64,
    /// Drawn when the directory is made; names this member in the log.
    #[prost(uint64, tag = "2")]
    pub node: u64,
}

impl Identity {
    /// Reads the directory's identity, or draws one for a directory that holds no data yet.
    ///
    /// # Errors
    /// `Corrupt` when the file is damaged, or missing beside existing data.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("identity");
        if let Some(bytes) = sealed::read(&path)? {
            return Self::decode(bytes.as_slice()).map_err(|e| Error::corrupt(e.to_string(), path));
        }
        if dir.join("log").exists() || dir.join("state").exists() {
            return Err(Error::corrupt(
                "it is missing, but the directory holds data",
                path,
            ));
        }
        let drawn = Self {
            cluster: draw(),
            node: draw(),
        };
        sealed::write(&path, &drawn.encode_to_vec())?;
        Ok(drawn)
    }
}

/// A random number that is not 0, from the standard library's per-process random keys.
fn draw() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 1 | 1
}
