//! Validation of metadata on create and update (apimachinery pkg/api/validation/objectmeta.go).

use serde_json::Value;
use triad_machinery::scheme::{NameRule, Resource};
use triad_machinery::status::FieldError;
use triad_machinery::{goformat, meta, names};

/// All annotations of an object together, keys and values.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a name (or, with `prefix`, with the front part of a generated one) by the resource's rule.
pub(crate) fn name_problems(resource: &Resource, name: &str, prefix: bool) -> Vec<String> {
    let masked = if prefix {
        names::mask_trailing_dash(name)
    } else {
        name.to_owned()
    };
    let mut problems = match resource.name_rule {
        NameRule::Subdomain => names::dns1123_subdomain(&masked),
        NameRule::Label => names::dns1123_label(&masked),
        _ if prefix => names::path_segment_prefix(name),
        // The other rules need more of the object than its name: the strategies know them.
        _ => names::path_segment(name),
    };
    if let Some(max) = resource.name_max.filter(|max| name.len() > *max) {
        problems.push(format!("must be no more than {max} characters"));
    }
    problems
}

/// Validates the metadata of a new object.
pub(crate) fn validate(object: &Value, resource: &Resource) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (name, generate_name, namespace) = (
        meta::name(object),
        meta::generate_name(object),
        meta::namespace(object),
    );
    if !generate_name.is_empty() {
        let problems = name_problems(resource, generate_name, true);
        errors.extend(
            problems.into_iter().map(|problem| {
                FieldError::invalid("metadata.generateName", generate_name, problem)
            }),
        );
    }
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else {
        let problems = name_problems(resource, name, false);
        errors.extend(
            problems
                .into_iter()
                .map(|problem| FieldError::invalid("metadata.name", name, problem)),
        );
    }
    if resource.namespaced {
        if namespace.is_empty() {
            errors.push(FieldError::required("metadata.namespace", ""));
        } else {
            let problems = names::dns1123_label(namespace);
            errors.extend(
                problems
                    .into_iter()
                    .map(|problem| FieldError::invalid("metadata.namespace", namespace, problem)),
            );
        }
    } else if !namespace.is_empty() {
        errors.push(FieldError::forbidden(
            "metadata.namespace",
            "not allowed on this type",
        ));
    }
    common(object, &mut errors);
    errors
}

fn common(object: &Value, errors: &mut Vec<FieldError>) {
    if meta::generation(object) < 0 {
        errors.push(FieldError::invalid(
            "metadata.generation",
            meta::generation(object),
            "must be greater than or equal to 0",
        ));
    }
    labels(meta::labels(object), "metadata.labels", errors);
    annotations(object, errors);
    owner_references(object, errors);
    for finalizer in meta::finalizers(object) {
        let problems = names::label_key(finalizer);
        errors.extend(
            problems
                .into_iter()
                .map(|problem| FieldError::invalid("metadata.finalizers", finalizer, problem)),
        );
    }
    for (at, finalizer) in meta::finalizers(object).enumerate() {
        if !finalizer.contains('/')
            && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer)
            && names::label_key(finalizer).is_empty()
        {
            errors.push(FieldError::invalid(
                format!("metadata.finalizers[{at}]"),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    if meta::finalizers(object).any(|f| f == "orphan")
        && meta::finalizers(object).any(|f| f == "foregroundDeletion")
    {
        errors.push(FieldError::invalid(
            "metadata.finalizers",
            at_value(object, "finalizers"),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ));
    }
    managed_fields(object, errors);
}

/// Validates a label map at a path (also of templates and selectors).
pub(crate) fn labels<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let mut sorted: Vec<_> = labels.collect();
    sorted.sort_unstable();
    for (key, value) in sorted {
        errors.extend(
            names::label_key(key)
                .into_iter()
                .map(|problem| FieldError::invalid(path, key, problem)),
        );
        errors.extend(
            names::label_value(value)
                .into_iter()
                .map(|problem| FieldError::invalid(path, value, problem)),
        );
    }
}

fn annotations(object: &Value, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    let mut sorted: Vec<_> = meta::annotations(object).collect();
    sorted.sort_unstable();
    for (key, value) in sorted {
        // Keys are compared in lower case: upstream took capitals once and must go on doing so.
        let problems = names::label_key(&key.to_lowercase());
        errors.extend(
            problems
                .into_iter()
                .map(|problem| FieldError::invalid("metadata.annotations", key, problem)),
        );
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_MAX_BYTES {
        errors.push(FieldError::too_long(
            "metadata.annotations",
            ANNOTATIONS_MAX_BYTES as i64,
        ));
    }
}

fn owner_references(object: &Value, errors: &mut Vec<FieldError>) {
    let mut controller: Option<String> = None;
    for (at, owner) in meta::owner_references(object).enumerate() {
        let path = format!("metadata.ownerReferences[{at}]");
        if owner.api_version.is_empty() {
            errors.push(FieldError::required(
                format!("{path}.apiVersion"),
                "must not be empty",
            ));
        }
        for (field, text) in [
            ("kind", owner.kind),
            ("name", owner.name),
            ("uid", owner.uid),
        ] {
            if text.is_empty() {
                errors.push(FieldError::required(
                    format!("{path}.{field}"),
                    "must not be empty",
                ));
            }
        }
        if owner.kind == "Event" && matches!(owner.api_version, "v1" | "events.k8s.io/v1") {
            errors.push(FieldError::invalid(
                path.clone(),
                meta::kind(object),
                format!(
                    "{}, Kind=Event is disallowed from being an owner",
                    owner.api_version
                ),
            ));
        }
        if owner.controller {
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                        owner.name
                    );
                    errors.push(FieldError::invalid(
                        "metadata.ownerReferences",
                        at_value(object, "ownerReferences"),
                        why,
                    ));
                }
                None => controller = Some(owner.name.to_owned()),
            }
        }
    }
}

fn managed_fields(object: &Value, errors: &mut Vec<FieldError>) {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    for (at, entry) in entries.into_iter().flatten().enumerate() {
        let path = format!("metadata.managedFields[{at}]");
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or("");
        if !matches!(text("operation"), "Apply" | "Update") {
            errors.push(FieldError::invalid(
                format!("{path}.operation"),
                text("operation"),
                "must be `Apply` or `Update`",
            ));
        }
        if !text("fieldsType").is_empty() && text("fieldsType") != "FieldsV1" {
            errors.push(FieldError::invalid(
                format!("{path}.fieldsType"),
                text("fieldsType"),
                "must be `FieldsV1`",
            ));
        }
        if text("manager").chars().count() > 128 {
            errors.push(FieldError::too_long(format!("{path}.manager"), 128));
        }
        if text("subresource").chars().count() > 256 {
            errors.push(FieldError::too_long(format!("{path}.subresource"), 256));
        }
    }
}

fn at_value(object: &Value, field: &str) -> Value {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .cloned()
        .unwrap_or(Value::Null)
}

/// Carries over what a client may leave out, then validates the new metadata against the old.
pub(crate) fn carry_over(object: &mut Value, old: &Value) {
    let old_value = |field: &str| {
        old.get("metadata")
            .and_then(|metadata| metadata.get(field))
            .cloned()
    };
    let Some(metadata) = meta::metadata_mut(object) else {
        return;
    };
    metadata.shift_remove("selfLink");
    for field in ["uid", "creationTimestamp"] {
        let empty = metadata
            .get(field)
            .is_none_or(|value| value.as_str() == Some(""));
        if let (true, Some(value)) = (empty, old_value(field)) {
            metadata.insert(field.to_owned(), value);
        }
    }
    // A deletion that has begun can be neither undone nor changed.
    if old_value("deletionTimestamp").is_some() {
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            match old_value(field) {
                Some(value) => metadata.insert(field.to_owned(), value),
                None => metadata.shift_remove(field),
            };
        }
    }
}

/// Validates changed metadata against the old.
pub(crate) fn validate_update(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let field = |object: &Value, name: &str| at_value(object, name);
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let new = field(object, name);
        if new != field(old, name) {
            errors.push(FieldError::invalid(
                format!("metadata.{name}"),
                new,
                IMMUTABLE,
            ));
        }
    }
    if meta::generation(object) < meta::generation(old) {
        errors.push(FieldError::invalid(
            "metadata.generation",
            meta::generation(object),
            "must not be decremented",
        ));
    }
    if !meta::deletion_timestamp(old).is_empty() {
        let added: Vec<String> = meta::finalizers(object)
            .filter(|f| !meta::finalizers(old).any(|o| o == *f))
            .map(goformat::quote)
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", why));
        }
    }
    common(object, &mut errors);
    errors
}
