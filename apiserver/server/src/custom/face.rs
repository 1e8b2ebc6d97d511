//! One version of a custom kind, as handlers meet it at its endpoint.

use super::Kind;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::codec::Decoded;
use triad_machinery::custom::{Conversion, Schema, Version, coerce};
use triad_machinery::meta;

pub(crate) struct Face {
    pub(crate) kind: Arc<Kind>,
    pub(crate) version: Arc<Version>,
}

impl Face {
    /// Whether a webhook may be asked for what is shown.
    pub(crate) fn is_converted(&self) -> bool {
        self.kind.definition.conversion != Conversion::None
    }

    /// Reads a document that a patch made.
    pub(crate) fn reread(&self, document: &Value) -> Result<Decoded, String> {
        let mut value = document.clone();
        let strict_errors = coerce(&self.version, &mut value)?;
        Ok(Decoded {
            value,
            strict_errors,
        })
    }

    /// An object of this version in another of the same kind, with its schema there: for managed fields. Those of a version that it
    /// cannot be had in are given up.
    pub(crate) fn in_version(&self, object: &Value, api_version: &str) -> Option<(Value, &Schema)> {
        let (group, name) = meta::group_version(api_version);
        let definition = &self.kind.definition;
        if group != definition.group {
            return None;
        }
        let version = definition.version(name)?;
        let converted = self
            .kind
            .converter
            .convert(&self.kind, object.clone(), name);
        match converted {
            Ok(object) => Some((object, version.schema())),
            Err(error) => {
                tracing::warn!(
                    error,
                    definition = definition.name,
                    "managers of another version are given up"
                );
                None
            }
        }
    }
}
