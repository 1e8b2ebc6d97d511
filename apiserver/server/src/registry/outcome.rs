//! What a write answers with: the object as it was stored, of which a tree is made only for those who need one.

use super::Registry;
use bytes::Bytes;
use serde_json::Value;
use triad_kv::Revision;
use triad_machinery::codec::Known;
use triad_machinery::status::Status;

pub(crate) enum Outcome {
    /// As it lies in the store now, and what is known of its message when that has been found to be settled.
    Stored {
        bytes: Bytes,
        revision: Revision,
        settled: Option<Known>,
    },
    /// What is not there, or not in this form: the answer to a dry run, or the last state of what is gone.
    Shown(Value),
}

impl Outcome {
    /// The object as a tree in the storage version.
    pub(crate) fn into_object(self, registry: &Registry) -> Result<Value, Status> {
        match self {
            Outcome::Stored {
                bytes, revision, ..
            } => registry.decode(&bytes, revision),
            Outcome::Shown(object) => Ok(object),
        }
    }
}
