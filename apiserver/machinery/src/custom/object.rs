//! What decoding makes of an object of a custom kind beyond its JSON: metadata is read, what is unknown goes, defaults come
//! (apiextensions-apiserver pkg/apiserver/customresource_handler.go, unstructuredSchemaCoercer and unstructuredDefaulter).

use serde_json::Value;

use super::definition::Version;
use super::metadata::{Malformed, coerce_embedded, read_metadata};
use super::{defaults, prune};
use crate::nesting::{guarded, is_deep};

/// Brings an object of a request into the form of its version, but for its defaults. What it had and nobody knows, as the strict
/// decoder tells it; the error says why it cannot be read.
pub fn coerce(version: &Version, object: &mut Value) -> Result<Vec<String>, String> {
    guarded(is_deep(&[object]), || {
        shape(version, object, Malformed::Refuse)
    })
}

/// Sets defaults.
pub fn apply_defaults(version: &Version, object: &mut Value) {
    guarded(is_deep(&[object]), || {
        defaults::apply(object, version.schema());
    });
}

/// Of a stored object, which may be older than the schema: what cannot be read goes.
pub fn coerce_stored(version: &Version, object: &mut Value) -> Result<(), String> {
    guarded(is_deep(&[object]), || {
        shape(version, object, Malformed::Drop)?;
        if crate::meta::generation(object) == 0
            && let Some(metadata) = crate::meta::metadata_mut(object)
        {
            metadata.set("generation", 1.into());
        }
        defaults::apply(object, version.schema());
        Ok(())
    })
}

impl Version {
    /// Of an object that a conversion made.
    pub fn coerce_converted(&self, object: &mut Value) -> Result<(), String> {
        guarded(is_deep(&[object]), || {
            shape(self, object, Malformed::Refuse).map(drop)
        })
    }
}

fn shape(
    version: &Version,
    object: &mut Value,
    malformed: Malformed,
) -> Result<Vec<String>, String> {
    let schema = version.schema();
    let mut unknown = Vec::new();
    let mut metadata = None;
    if let Some(found) = object.get("metadata") {
        let (read, more) = read_metadata(found, malformed)?;
        unknown.extend(more);
        metadata = Some(read);
    }
    if !version.preserves_unknown() {
        unknown.extend(prune::object(object, schema));
        defaults::drop_nulls(object, Some(schema));
    }
    unknown.extend(coerce_embedded(object, schema, malformed)?);
    if let (Some(metadata), Value::Object(root)) = (metadata, object) {
        root.set("metadata", metadata);
    }
    let told = |path: String| format!("unknown field \"{path}\"");
    Ok(unknown.into_iter().map(told).collect())
}
