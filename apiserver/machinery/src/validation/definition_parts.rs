//! What versions of custom resources have besides their schema: columns, subresources, fields to select by, and how one
//! becomes the other (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{definition_extensions, webhooks};
use crate::names;

const COLUMN_TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];

const COLUMN_FORMATS: &[&str] = &[
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];

const SELECTABLE_MAX: usize = 8;

pub(super) fn columns(at: &At<'_>, errors: &mut Errors) {
    for column in at.items() {
        errors.need(&column.get("name"));
        let (kind, format, path) = (
            column.get("type"),
            column.get("format"),
            column.get("JSONPath"),
        );
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        if kind.empty() {
            errors.required(&kind, &types);
        } else if !COLUMN_TYPES.contains(&kind.text()) {
            errors.invalid(&kind, types);
        }
        if !format.empty() && !COLUMN_FORMATS.contains(&format.text()) {
            errors.invalid(
                &format,
                format!("must be one of {}", COLUMN_FORMATS.join(",")),
            );
        }
        if errors.need(&path) {
            simple_path(&path, errors);
        }
    }
}

/// Says whether it is one.
fn simple_path(at: &At<'_>, errors: &mut Errors) -> bool {
    let right = at.text().starts_with('.');
    if !right {
        errors.invalid(at, "must be a simple json path starting with .");
    }
    right
}

pub(super) fn subresources(at: &At<'_>, errors: &mut Errors) {
    let scale = at.get("scale");
    if !scale.given() {
        return;
    }
    for (field, front) in [
        ("specReplicasPath", ".spec"),
        ("statusReplicasPath", ".status"),
    ] {
        let path = scale.get(field);
        if errors.need(&path)
            && simple_path(&path, errors)
            && !path.text().starts_with(&format!("{front}."))
        {
            errors.invalid(&path, format!("should be a json path under {front}"));
        }
    }
    let labels = scale.get("labelSelectorPath");
    let right = [".spec.", ".status."]
        .iter()
        .any(|front| labels.text().starts_with(front));
    if !labels.empty() && simple_path(&labels, errors) && !right {
        errors.invalid(
            &labels,
            "should be a json path under either .spec or .status",
        );
    }
}

pub(super) fn selectable(at: &At<'_>, validation: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return;
    }
    let schema = validation.get("openAPIV3Schema");
    if !schema.given() {
        let detail = "may only be set when validations.schema is included";
        return errors.invalid_value(at, "", detail);
    }
    let mut seen = HashSet::new();
    for field in at.items() {
        let path = field.get("jsonPath");
        if !errors.need(&path) {
            continue;
        }
        let found = match definition_extensions::field(&schema, path.text(), false) {
            Ok(found) => found,
            Err(problem) => {
                errors.invalid(&path, format!("is an invalid path: {problem}"));
                continue;
            }
        };
        if path.text().split('.').nth(1) == Some("metadata") {
            errors.invalid(&path, "must not point to fields in metadata");
        }
        if !matches!(found.get("type").text(), "string" | "boolean" | "integer") {
            errors.invalid(&path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
        }
        if !seen.insert(path.text()) {
            errors.duplicate(&path);
        }
    }
    if seen.len() > SELECTABLE_MAX {
        errors.too_many(at, seen.len(), SELECTABLE_MAX);
    }
}

pub(super) fn conversion(at: &At<'_>, errors: &mut Errors) {
    const ONLY_WEBHOOK: &str = "should not be set when strategy is not set to Webhook";
    if !at.given() {
        return;
    }
    let (strategy, config, versions) = (
        at.get("strategy"),
        at.get("webhookClientConfig"),
        at.get("conversionReviewVersions"),
    );
    errors.need_one_of(&strategy, &["None", "Webhook"]);
    if strategy.text() != "Webhook" {
        if config.given() {
            errors.forbidden(&config, ONLY_WEBHOOK);
        }
        if !versions.empty() {
            errors.forbidden(&versions, ONLY_WEBHOOK);
        }
        return;
    }
    let (url, service) = (config.get("url"), config.get("service"));
    match (config.given(), url.given(), service.given()) {
        (false, ..) => errors.required(&config, "required when strategy is set to Webhook"),
        (true, true, false) => webhooks::url(&url, errors),
        (true, false, true) => webhooks::service(&service, errors),
        _ => errors.required(&config, "exactly one of url or service is required"),
    }
    review_versions(&versions, errors);
}

fn review_versions(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    let mut seen = HashSet::new();
    for version in at.items() {
        if seen.insert(version.text()) {
            errors.each(&version, names::dns1035_label(version.text()));
        } else {
            errors.invalid(&version, "duplicate version");
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        errors.invalid(at, "must include at least one of v1, v1beta1");
    }
}
