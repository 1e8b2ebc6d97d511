//! What is said of a JSON Patch that cannot be read or does not apply, in the words of the libraries that upstream does it with.

use serde_json::Value;

use crate::patch::{PatchError, merge};

pub(super) fn refused(text: impl Into<String>) -> PatchError {
    PatchError::DoesNotApply(text.into())
}

pub(super) fn missing(operation: &str, what: String) -> PatchError {
    refused(format!(
        "{operation} operation does not apply: {what}: missing value"
    ))
}

pub(super) fn no_source(operation: &str, from: &str) -> PatchError {
    missing(operation, format!("doc is missing from path: {from}"))
}

pub(super) fn no_target(operation: &str, path: &str) -> PatchError {
    missing(
        operation,
        format!("doc is missing destination path: {path}"),
    )
}

/// Says what was being done when an error came up.
pub(super) fn within(what: String) -> impl FnOnce(PatchError) -> PatchError {
    move |error| refused(format!("error in {what}: {error}"))
}

pub(super) fn bad_index(key: &str) -> PatchError {
    refused(format!(
        "Unable to access invalid index: {key}: invalid index referenced"
    ))
}

pub(super) fn check_types(operation: &Value) -> Result<(), PatchError> {
    let map = match operation {
        Value::Object(map) => map,
        Value::Null => return Ok(()),
        other => {
            return Err(mismatch(
                other,
                "Go value of type handlers.jsonPatchOp",
                true,
            ));
        }
    };
    for key in ["op", "path", "from"] {
        match map.get(key) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => {
                return Err(mismatch(
                    other,
                    &format!("Go struct field jsonPatchOp.{key} of type string"),
                    true,
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn mismatch(value: &Value, target: &str, typed: bool) -> PatchError {
    let lead = if typed { "error decoding patch: " } else { "" };
    PatchError::Malformed(format!(
        "{lead}json: cannot unmarshal {} into {target}",
        merge::json_kind(value)
    ))
}
