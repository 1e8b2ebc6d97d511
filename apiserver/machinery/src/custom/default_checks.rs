//! Defaults that a definition's schema sets: each must be a value that the schema takes
//! (apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go).

use serde_json::Value;

use super::metadata::{Malformed, coerce_embedded, validate_embedded};
use super::schema::Schema;
use super::{child, key, prune, rules, validate};
use crate::status::FieldError;

/// Everything wrong with the defaults in a schema that stands at a path.
pub(crate) fn validate_defaults(path: &str, schema: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(path, schema, (true, false), &mut errors);
    errors
}

fn walk(
    path: &str,
    written: &Value,
    (root, inside_metadata): (bool, bool),
    errors: &mut Vec<FieldError>,
) {
    if let Some(default) = written.get("default").filter(|default| !default.is_null()) {
        errors.extend(judge(
            &child(path, "default"),
            written,
            default,
            inside_metadata,
        ));
    }
    if written["items"].is_object() {
        walk(
            &child(path, "items"),
            &written["items"],
            (false, inside_metadata),
            errors,
        );
    }
    let resource = root || written["x-kubernetes-embedded-resource"] == true;
    let properties = child(path, "properties");
    for (name, property) in written["properties"].as_object().into_iter().flatten() {
        let inside = resource && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        let below = (false, inside || inside_metadata && !resource);
        walk(&key(&properties, name), property, below, errors);
    }
}

fn judge(path: &str, written: &Value, default: &Value, inside_metadata: bool) -> Vec<FieldError> {
    let mut bare = written.clone();
    super::defaults::take_own(&mut bare);
    let schema = Schema::node(&bare, false);
    let mut errors = Vec::new();
    if !inside_metadata {
        let mut pruned = default.clone();
        prune::value(&mut pruned, &schema);
        if pruned != *default {
            errors.push(FieldError::invalid(
                path,
                default.clone(),
                "must not have unknown fields",
            ));
        }
        if let Err(why) = coerce_embedded(&mut pruned, &schema, Malformed::Refuse) {
            errors.push(FieldError::invalid(path, default.clone(), why));
            return errors;
        }
        let embedded = validate_embedded(&schema, default);
        if !embedded.is_empty() {
            errors.extend(embedded.into_iter().map(|error| below(path, error)));
            return errors;
        }
    }
    let unfit = validate::value(&schema, default, path);
    if !unfit.is_empty() {
        errors.extend(unfit);
    } else if schema.has_rules() {
        // As one that stays, and as one that comes.
        let found = rules::run_at(&schema, default, Some(default), path);
        match found.is_empty() {
            true => errors.extend(rules::run_at(&schema, default, None, path)),
            false => errors.extend(found),
        }
    }
    errors
}

/// An error whose path begins at the default.
fn below(path: &str, error: FieldError) -> FieldError {
    let field = match error.field.as_str() {
        field if field.starts_with('[') => format!("{path}{field}"),
        field => child(path, field),
    };
    FieldError { field, ..error }
}
