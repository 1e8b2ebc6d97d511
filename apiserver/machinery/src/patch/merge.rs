//! Merge patch (RFC 7396): null removes, maps merge, everything else replaces.
//! As in evanphx/json-patch v4, nulls inside new maps go, nulls that are list elements stay, and maps that the
//! patch reaches come out with sorted keys.

use serde_json::{Map, Value};

use super::PatchError;
use crate::nesting::{guarded, is_deep};

/// The patched document. `typed` words the refusal of a patch that is no map as field validation Strict and Warn do.
pub fn apply(document: Value, patch: &Value, typed: bool) -> Result<Value, PatchError> {
    guarded(is_deep(&[&document, patch]), || {
        merge(document, patch, typed)
    })
}

fn merge(mut document: Value, patch: &Value, typed: bool) -> Result<Value, PatchError> {
    match (&mut document, patch) {
        (Value::Object(target), Value::Object(patch)) => merge_maps(target, patch),
        (_, Value::Null) => return Err(PatchError::Malformed("Invalid JSON Patch".into())),
        (_, other) if typed && !other.is_object() => {
            let kind = json_kind(other);
            return Err(PatchError::Malformed(format!(
                "error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )));
        }
        (_, other @ (Value::Object(_) | Value::Array(_))) => document = pruned(other),
        _ => return Err(PatchError::Malformed("Invalid JSON Patch".into())),
    }
    Ok(document)
}

/// What `encoding/json` calls a value in its errors.
pub(super) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn merge_maps(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (target.get_mut(key), value) {
            (_, Value::Null) => {
                target.shift_remove(key);
            }
            (Some(Value::Object(current)), Value::Object(changes)) => merge_maps(current, changes),
            (Some(current @ Value::Object(_)), other) => *current = other.clone(),
            (Some(current), other) => *current = pruned(other),
            (None, other) => {
                target.put(key, pruned(other));
            }
        }
    }
    target.sort_keys();
}

/// A copy without the nulls inside maps.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut kept: Map<String, Value> = map
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k.clone(), pruned(v)))
                .collect();
            kept.sort_keys();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges() {
        for (document, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": [1, 2]}),
                json!({"a": [{"x": null, "y": 1}, null]}),
                json!({"a": [{"y": 1}, null]}),
            ),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": null, "d": {"e": null}}}),
                json!({"a": {"c": 2, "d": {}}}),
            ),
            (json!({"a": {"b": 1}}), json!({"a": [1]}), json!({"a": [1]})),
            (
                json!({"a": 1}),
                json!({"a": {"b": null, "c": 1}}),
                json!({"a": {"c": 1}}),
            ),
            (
                json!({"a": null}),
                json!({"a": {"b": 1}}),
                json!({"a": {"b": 1}}),
            ),
        ] {
            assert_eq!(apply(document, &patch, true), Ok(want), "{patch}");
        }
    }

    #[test]
    fn refuses_what_is_no_map() {
        let want = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}";
        assert_eq!(
            apply(json!({}), &json!([]), true),
            Err(PatchError::Malformed(want.to_owned()))
        );
        assert_eq!(apply(json!({}), &json!([1]), false), Ok(json!([1])));
        assert!(apply(json!({}), &json!("x"), false).is_err());
        assert!(apply(json!({}), &Value::Null, true).is_err());
    }
}
