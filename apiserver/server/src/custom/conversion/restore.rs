//! What a conversion may not change (webhook_converter.go, validateConvertedObject and restoreObjectMeta).

use crate::registry::object_meta;
use serde_json::{Map, Value};
use triad_machinery::meta;
use triad_machinery::status::{FieldError, Status};

/// Whether the converted object still is the one that was sent.
pub(super) fn same_object(original: &Value, converted: &Value) -> Result<(), String> {
    for (what, of) in [
        ("name", meta::name as fn(&Value) -> &str),
        ("namespace", meta::namespace),
        ("UID", meta::uid),
    ] {
        let (expected, found) = (of(original), of(converted));
        if expected != found {
            return Err(format!("must have the same {what}: {expected} != {found}"));
        }
    }
    Ok(())
}

/// The converted object with the metadata of the original but for labels and annotations.
pub(super) fn metadata(original: &Value, mut converted: Value) -> Result<Value, String> {
    let given = match converted.get("metadata") {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Value::Object(given)) => given.clone(),
        Some(other) => {
            let kind = go_type(other);
            return Err(format!(
                "invalid metadata of type {kind} in converted object"
            ));
        }
    };
    let mut kept = meta::metadata(original).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => drop(kept.shift_remove(field)),
            Some(Value::Object(texts)) => {
                check(field, texts, kept.get(field))?;
                kept.insert(field.to_owned(), Value::Object(texts.clone()));
            }
            Some(other) => {
                let kind = go_type(other);
                return Err(format!(
                    "invalid metadata.{field} of type {kind} in converted object"
                ));
            }
        }
    }
    converted["metadata"] = Value::Object(kept);
    Ok(converted)
}

fn check(field: &str, texts: &Map<String, Value>, before: Option<&Value>) -> Result<(), String> {
    if let Some((key, value)) = texts.iter().find(|(_, value)| !value.is_string()) {
        let kind = go_type(value);
        return Err(format!(
            "metadata.{field}[{key}] must be a string, but is {kind} in converted object"
        ));
    }
    if before.and_then(Value::as_object) == Some(texts) {
        return Ok(());
    }
    let mut errors: Vec<FieldError> = Vec::new();
    let pairs = || {
        texts
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or("")))
    };
    match field {
        "labels" => object_meta::labels(pairs(), "metadata.labels", &mut errors),
        _ => object_meta::annotations(pairs(), "metadata.annotation", &mut errors),
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::aggregate(&errors)),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
