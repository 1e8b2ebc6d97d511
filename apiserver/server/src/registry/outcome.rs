//! What a write answers with: the object as it was stored, of which a tree is made only for those who need one.

use super::Registry;
use bytes::Bytes;
use serde_json::Value;
use triad_kv::Revision;
use triad_machinery::status::Status;

pub(crate) enum Outcome {
    /// As it lies in the store now.
    Stored { bytes: Bytes, revision: Revision },
    /// What is not there, or not in this form: the answer to a dry run, or the last state of what is gone.
    Shown(Value),
}

impl Outcome {
    /// The object as a tree in the storage version.
    pub(crate) fn into_object(self, registry: &Registry) -> Result<Value, Status> {
        match self {
            Outcome::Stored { bytes, revision } => registry.decode(&bytes, revision),
            Outcome::Shown(object) => Ok(object),
        }
    }
}
