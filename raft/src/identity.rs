//! Who this data directory belongs to: the cluster and the member. Written once, then only read; a recovery alone replaces it.

use std::path::Path;

use prost::Message;

use crate::{Error, failpoint, sealed};

/// Kept in `DIR/identity`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Identity {
    /// Drawn when the cluster is made; peers of another cluster are refused.
    #[prost(uint64, tag = "1")]
    pub cluster: u64,
    /// Drawn when the directory is made; names this member in the log.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// Raised when the cluster is made anew from what is left of it: members of an earlier
    /// epoch are refused.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// It was to be taken into a cluster: it never founds one, whatever became of that.
    #[prost(bool, tag = "4")]
    pub joined: bool,
}

impl Identity {
    /// What calls between members carry, to find each other's like.
    pub(crate) fn token(&self) -> String {
        format!("{:016x}.{}", self.cluster, self.epoch)
    }

    /// Reads the directory's identity; `None` when there is none.
    ///
    /// # Errors
    /// `Corrupt` when the file is damaged, `Io` when it cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join("identity");
        let Some(bytes) = sealed::read(&path)? else {
            return Ok(None);
        };
        let read = Self::decode(bytes.as_slice());
        read.map(Some)
            .map_err(|e| Error::corrupt(e.to_string(), path))
    }

    /// The same member as the founder of a cluster made anew: another cluster's id, the next epoch.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            cluster: draw(),
            node: self.node,
            epoch: self.epoch + 1,
            joined: false,
        }
    }

    /// Takes the place of the directory's identity.
    ///
    /// # Errors
    /// `Io`.
    pub fn replace(&self, dir: &Path) -> Result<(), Error> {
        sealed::write(&dir.join("identity"), &self.encode_to_vec())
    }

    /// The identity of a new member of an existing cluster; the directory must be empty of data.
    ///
    /// # Errors
    /// `Io` when the directory belongs to a member already, or refuses the file.
    pub fn join(dir: &Path, cluster: u64, epoch: u64) -> Result<Self, Error> {
        let path = dir.join("identity");
        if path.exists() || dir.join("log").exists() || dir.join("state").exists() {
            return Err(Error::io(
                format!("joining with {}", dir.display()),
                "the directory holds a member's data already",
            ));
        }
        let joined = Self {
            cluster,
            node: draw(),
            epoch,
            joined: true,
        };
        failpoint!("join.identity");
        sealed::write(&path, &joined.encode_to_vec())?;
        failpoint!("join.identified");
        Ok(joined)
    }

    /// Reads the directory's identity, or draws one for a directory that holds no data yet.
    ///
    /// # Errors
    /// `Corrupt` when the file is damaged, or missing beside existing data.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("identity");
        if let Some(identity) = Self::read(dir)? {
            return Ok(identity);
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
            epoch: 0,
            joined: false,
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
