//! Metadata of custom resources and of resources embedded in them: read as every object's metadata is, whatever the schema says
//! (apiextensions-apiserver pkg/apiserver/schema/objectmeta).

use serde_json::{Map, Value};

use super::schema::{More, Schema};
use super::{child, index, key};
use crate::codec::Strictness;
use crate::codec::json::{decode, encode_untyped};
use crate::goformat::quote;
use crate::names;
use crate::schema::{TypeId, schema};
use crate::status::FieldError;

/// What of metadata cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    Refuse,
    Drop,
}

fn metadata_type() -> TypeId {
    let found = schema().type_named("meta/v1.ObjectMeta");
    found.unwrap_or_else(|| panic!("the schema table has no ObjectMeta"))
}

/// Metadata as it is known, and the paths of what it has besides.
pub(super) fn read_metadata(
    metadata: &Value,
    malformed: Malformed,
) -> Result<(Value, Vec<String>), String> {
    let read = |value: &Value| {
        let decoded = decode(&encode_untyped(value), metadata_type(), Strictness::Report);
        decoded.map_err(|error| error.to_string())
    };
    match (read(metadata), malformed, metadata) {
        (Ok(decoded), ..) => Ok((decoded.value, unknown(&decoded.strict_errors))),
        (Err(_), Malformed::Drop, Value::Object(map)) => {
            // Field by field, as far as each can be read.
            let mut kept = Map::new();
            for (name, value) in map {
                let single = Value::Object([(name.clone(), value.clone())].into_iter().collect());
                if let Ok(decoded) = read(&single)
                    && let Value::Object(fields) = decoded.value
                {
                    kept.extend(fields);
                }
            }
            Ok((Value::Object(kept), Vec::new()))
        }
        (Err(why), ..) => Err(why),
    }
}

fn unknown(errors: &[String]) -> Vec<String> {
    let field = |error: &String| {
        let path = error.strip_prefix("unknown field \"")?.strip_suffix('"')?;
        Some(format!("metadata.{path}"))
    };
    errors.iter().filter_map(field).collect()
}

/// Reads the metadata of embedded resources; the paths of what is unknown there.
pub(super) fn coerce_embedded(
    value: &mut Value,
    schema: &Schema,
    malformed: Malformed,
) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    if schema.has_embedded() {
        coerce(value, schema, "", malformed, &mut unknown)?;
        unknown.sort();
    }
    Ok(unknown)
}

fn coerce(
    value: &mut Value,
    schema: &Schema,
    path: &str,
    malformed: Malformed,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            if schema.embedded {
                identify(map, path, malformed, unknown)?;
            }
            for (name, inner) in map.iter_mut() {
                if let Some(property) = schema.property(name) {
                    coerce(inner, property, &child(path, name), malformed, unknown)?;
                } else if let More::Each(each) = &schema.more {
                    coerce(inner, each, &key(path, name), malformed, unknown)?;
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                for (at, item) in items.iter_mut().enumerate() {
                    coerce(item, schema, &index(path, at), malformed, unknown)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn identify(
    map: &mut Map<String, Value>,
    path: &str,
    malformed: Malformed,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    for name in ["apiVersion", "kind"] {
        let odd = map.get(name).is_some_and(|value| !value.is_string());
        match malformed {
            Malformed::Drop if odd => drop(map.shift_remove(name)),
            Malformed::Refuse if odd => {
                let value = map.get(name).cloned().unwrap_or_default();
                let error = FieldError::invalid(child(path, name), value, "must be a string");
                return Err(error.to_string());
            }
            _ => {}
        }
    }
    let Some(metadata) = map.get("metadata") else {
        return Ok(());
    };
    match read_metadata(metadata, malformed) {
        Ok((read, more)) => {
            unknown.extend(more.iter().map(|field| child(path, field)));
            map.put("metadata", read);
            Ok(())
        }
        Err(_) if malformed == Malformed::Drop => Ok(()),
        Err(why) => {
            let error = FieldError::invalid(child(path, "metadata"), metadata.clone(), why);
            Err(error.to_string())
        }
    }
}

/// What is wrong with the identity of embedded resources.
pub(super) fn validate_embedded(schema: &Schema, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if schema.has_embedded() {
        walk(schema, object, "", &mut errors);
    }
    errors
}

fn walk(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            if schema.embedded {
                embedded(map, path, errors);
            }
            for (name, inner) in map {
                if let Some(property) = schema.property(name) {
                    walk(property, inner, &child(path, name), errors);
                } else if let More::Each(each) = &schema.more {
                    walk(each, inner, &key(path, name), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                for (at, item) in items.iter().enumerate() {
                    walk(schema, item, &index(path, at), errors);
                }
            }
        }
        _ => {}
    }
}

fn embedded(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        if !map.contains_key(name) {
            errors.push(FieldError::required(child(path, name), ""));
        }
    }
    let mut told = |name: &str, value: &Value, why: &str| {
        errors.push(FieldError::invalid(child(path, name), value.clone(), why));
    };
    if let Some(value) = map.get("apiVersion") {
        match value.as_str() {
            None => told("apiVersion", value, "must be a string"),
            Some("") => told("apiVersion", value, "must not be empty"),
            Some(text) if text.matches('/').count() > 1 => {
                let why = format!("unexpected GroupVersion string: {text}");
                told("apiVersion", value, &why);
            }
            Some(_) => {}
        }
    }
    if let Some(value) = map.get("kind") {
        match value.as_str() {
            None => told("kind", value, "must be a string"),
            Some("") => told("kind", value, "must not be empty"),
            Some(text) => {
                let problems = names::dns1035_label(&text.to_lowercase());
                if !problems.is_empty() {
                    let why = "may have mixed case, but should otherwise match: ";
                    told("kind", value, &format!("{why}{}", problems.join(",")));
                }
            }
        }
    }
    if let Some(metadata) = map.get("metadata") {
        identity(metadata, &child(path, "metadata"), errors);
    }
}

/// Names, labels and annotations of an embedded resource.
fn identity(metadata: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let text = |name: &str| metadata[name].as_str().unwrap_or("");
    let mut each = |name: &str, shown: &str, problems: Vec<String>| {
        let told = |why| FieldError::invalid(child(path, name), shown, why);
        errors.extend(problems.into_iter().map(told));
    };
    let (name, generated) = (text("name"), text("generateName"));
    if !generated.is_empty() {
        each(
            "generateName",
            generated,
            names::path_segment_prefix(generated),
        );
    }
    if !name.is_empty() {
        each("name", name, names::path_segment(name));
    }
    if !text("namespace").is_empty() {
        each(
            "namespace",
            text("namespace"),
            names::dns1123_label(text("namespace")),
        );
    }
    for (label, value) in metadata["labels"].as_object().into_iter().flatten() {
        each("labels", label, names::label_key(label));
        let value = value.as_str().unwrap_or("");
        each("labels", value, names::label_value(value));
    }
    for (annotation, _) in metadata["annotations"].as_object().into_iter().flatten() {
        let problems = names::label_key(&annotation.to_lowercase());
        each("annotations", annotation, problems);
    }
}

/// What is said of finalizers that are not named as they should be (customresource/validator.go, validateKubeFinalizerName).
pub fn finalizer_warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let before: Vec<&str> = old.into_iter().flat_map(crate::meta::finalizers).collect();
    let mut added: Vec<&str> = crate::meta::finalizers(object)
        .filter(|finalizer| !before.contains(finalizer))
        .collect();
    added.sort_unstable();
    added.dedup();
    let mut warnings = Vec::new();
    for finalizer in added {
        let told = |why: &str| format!("metadata.finalizers: {}: {why}", quote(finalizer));
        let problems = names::label_key(finalizer);
        warnings.extend(problems.iter().map(|why| told(why)));
        if !finalizer.contains('/') && !STANDARD.contains(&finalizer) {
            let path = if finalizer.contains('.') {
                " including a path (/)"
            } else {
                ""
            };
            warnings.push(told(&format!("prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers")));
        }
    }
    warnings
}
