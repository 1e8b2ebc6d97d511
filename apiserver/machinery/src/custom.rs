//! Custom resources as their definition describes them: a version's structural schema, compiled, and what it does to objects:
//! pruning, defaults, metadata read as metadata, validation, rules. Pure; the server keeps one `Schema` for each version.
//! Follows apiextensions-apiserver pkg/apiserver/{schema,validation} and registry/customresource.

mod checks;
mod correlate;
mod default_checks;
mod defaults;
mod definition;
mod formats;
mod lists;
mod metadata;
mod object;
mod prune;
mod rules;
mod scale;
mod schema;
mod validate;

pub(crate) use default_checks::validate_defaults;
pub use definition::{Conversion, Definition, Version, WebhookConversion, compare_versions};
pub use metadata::finalizer_warnings;
pub use object::{apply_defaults, coerce, coerce_stored};
pub use scale::{Scale, Seen, missing as missing_replicas};
pub use schema::{Kind, ListKind, Schema};

use crate::nesting::{guarded, is_deep};
use crate::status::{FieldError, FieldErrorKind};
use serde_json::Value;

/// Said where errors keep the rules of a schema from being run.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Everything wrong with a new object but its metadata (customresource/strategy.go, Validate).
pub fn validate(version: &Version, object: &Value) -> Vec<FieldError> {
    judged(version, object, None, Part::Whole)
}

/// The same of a changed object: what was wrong before and did not change is let be (ValidateUpdate).
pub fn validate_update(version: &Version, object: &Value, old: &Value) -> Vec<FieldError> {
    judged(version, object, Some(old), Part::Whole)
}

/// The same of a changed status (customresource/status_strategy.go).
pub fn validate_status(version: &Version, object: &Value, old: &Value) -> Vec<FieldError> {
    judged(version, object, Some(old), Part::Status)
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    Status,
}

fn judged(version: &Version, object: &Value, old: Option<&Value>, part: Part) -> Vec<FieldError> {
    let deep = is_deep(&[object]) || old.is_some_and(|old| is_deep(&[old]));
    guarded(deep, || judge(version, object, old, part))
}

fn judge(version: &Version, object: &Value, old: Option<&Value>, part: Part) -> Vec<FieldError> {
    let schema = version.schema();
    let mut errors = match part {
        Part::Whole => validate::object(schema, object, old),
        Part::Status => validate::status(schema, object, old),
    };
    if let Some(scale) = version.scale() {
        errors.extend(scale.validate(object, part == Part::Whole));
    }
    if part == Part::Whole {
        errors.extend(metadata::validate_embedded(schema, object));
    }
    let duplicates = lists::validate(schema, object);
    let had_duplicates = || old.is_some_and(|old| !lists::validate(schema, old).is_empty());
    if !duplicates.is_empty() && !had_duplicates() {
        errors.extend(duplicates);
    }
    if !schema.has_rules() {
        return errors;
    }
    if errors.iter().any(blocks_rules) {
        errors.push(FieldError::invalid("<nil>", Value::Null, UNCHECKED));
    } else {
        errors.extend(rules::run(schema, object, old));
    }
    errors
}

fn blocks_rules(error: &FieldError) -> bool {
    use FieldErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    matches!(
        error.kind,
        NotSupported | Required | TooLong | TooMany | TypeInvalid
    )
}

/// The path of a field below another; the root's is empty.
fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of a key of a map.
fn key(path: &str, name: &str) -> String {
    format!("{path}[{name}]")
}

fn index(path: &str, at: usize) -> String {
    format!("{path}[{at}]")
}

/// A path as Go shows none: that of the object itself.
fn shown(path: &str) -> String {
    if path.is_empty() {
        "<nil>".to_owned()
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests;
