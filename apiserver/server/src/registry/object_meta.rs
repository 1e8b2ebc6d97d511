//! Validation of metadata on create and update (apimachinery pkg/api/validation/objectmeta.go).

use super::owners;
use serde_json::Value;
use triad_machinery::scheme::{NameRule, Resource};
use triad_machinery::status::FieldError;
use triad_machinery::{goformat, meta, names, validation};

/// All annotations of an object together, keys and values.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a name (or, with `prefix`, with the front part of a generated one) by the resource's rule.
fn name_problems(resource: &Resource, object: &Value, name: &str, prefix: bool) -> Vec<String> {
    let masked = if prefix {
        names::mask_trailing_dash(name)
    } else {
        name.to_owned()
    };
    let spec = |field: &str| {
        let value = object.pointer(&format!("/spec/{field}"));
        value.and_then(Value::as_str).unwrap_or("")
    };
    let mut problems = match resource.name_rule {
        NameRule::Subdomain | NameRule::CustomResourceDefinition | NameRule::StorageVersion => {
            names::dns1123_subdomain(&masked)
        }
        NameRule::Label => names::dns1123_label(&masked),
        NameRule::PathSegment => path_segment(name, prefix),
        NameRule::ApiService => api_service(name, spec("version"), spec("group")),
        NameRule::IpAddress => validation::strict_ip(name),
        NameRule::TrustBundle => trust_bundle(name, &masked, spec("signerName")),
        NameRule::Any => Vec::new(),
    };
    if let Some(max) = resource.name_max.filter(|max| name.len() > *max) {
        problems.push(format!("must be no more than {max} characters"));
    }
    problems
}

fn path_segment(name: &str, prefix: bool) -> Vec<String> {
    if prefix {
        names::path_segment_prefix(name)
    } else {
        names::path_segment(name)
    }
}

fn api_service(name: &str, version: &str, group: &str) -> Vec<String> {
    let problems = names::path_segment(name);
    let wanted = format!("{version}.{group}");
    if !problems.is_empty() || name == wanted {
        return problems;
    }
    let wanted = goformat::quote(&wanted);
    vec![format!("must be `spec.version+\".\"+spec.group`: {wanted}")]
}

/// Bundles of a signer bear its name (pkg/apis/core/validation/names.go).
fn trust_bundle(name: &str, masked: &str, signer: &str) -> Vec<String> {
    if signer.is_empty() {
        if name.contains(':') {
            let why = "ClusterTrustBundle without signer name must not have \":\" in its name";
            return vec![why.to_owned()];
        }
        return names::dns1123_subdomain(masked);
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match masked.strip_prefix(&prefix) {
        Some(rest) => names::dns1123_subdomain(rest),
        None => vec![format!(
            "ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
        )],
    }
}

/// Judges the metadata of a new object by its resource's rules. Events of the core group have none of their own.
pub(crate) fn validate(object: &Value, resource: &Resource) -> Vec<FieldError> {
    if resource.group.is_empty() && resource.plural == "events" {
        return Vec::new();
    }
    let problems = |name: &str, prefix| {
        if prefix && resource.any_generate_name {
            return Vec::new();
        }
        name_problems(resource, object, name, prefix)
    };
    named(object, resource, &problems)
}

/// Judges the metadata of any object, whatever its kind (rest.ValidateCreate and validateCommonFields of rest/update.go).
pub(crate) fn validate_common(object: &Value, resource: &Resource) -> Vec<FieldError> {
    named(object, resource, &path_segment)
}

fn named(
    object: &Value,
    resource: &Resource,
    problems: &dyn Fn(&str, bool) -> Vec<String>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let namespace = meta::namespace(object);
    let mut each = |field: &str, text: &str, problems: Vec<String>| {
        let told = |problem| FieldError::invalid(field, text, problem);
        errors.extend(problems.into_iter().map(told));
    };
    let (name, generate_name) = (meta::name(object), meta::generate_name(object));
    if !generate_name.is_empty() {
        each(
            "metadata.generateName",
            generate_name,
            problems(generate_name, true),
        );
    }
    if !name.is_empty() {
        each("metadata.name", name, problems(name, false));
    } else {
        let why = "name or generateName is required";
        errors.push(FieldError::required("metadata.name", why));
    }
    match (resource.namespaced, namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required("metadata.namespace", "")),
        (true, false) => {
            let told = |problem| FieldError::invalid("metadata.namespace", namespace, problem);
            errors.extend(names::dns1123_label(namespace).into_iter().map(told));
        }
        (false, false) => errors.push(FieldError::forbidden(
            "metadata.namespace",
            "not allowed on this type",
        )),
        (false, true) => {}
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
    annotations(meta::annotations(object), "metadata.annotations", errors);
    owners::validate(object, errors);
    for finalizer in meta::finalizers(object) {
        let problems = names::label_key(finalizer);
        errors.extend(
            problems
                .into_iter()
                .map(|problem| FieldError::invalid("metadata.finalizers", finalizer, problem)),
        );
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

/// Validates annotations at a path.
pub(crate) fn annotations<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let mut size = 0;
    let mut sorted: Vec<_> = annotations.collect();
    sorted.sort_unstable();
    for (key, value) in sorted {
        // Keys are compared in lower case: upstream took capitals once and must go on doing so.
        let problems = names::label_key(&key.to_lowercase());
        errors.extend(
            problems
                .into_iter()
                .map(|problem| FieldError::invalid(path, key, problem)),
        );
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_MAX_BYTES {
        errors.push(FieldError::too_long(path, ANNOTATIONS_MAX_BYTES as i64));
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

pub(super) fn at_value(object: &Value, field: &str) -> Value {
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
    let unnamed = metadata
        .get("uid")
        .and_then(Value::as_str)
        .unwrap_or("")
        .is_empty();
    for field in ["uid", "creationTimestamp"] {
        if let (true, Some(value)) = (unnamed || field != "uid", old_value(field)) {
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
pub(crate) fn validate_update(object: &Value, old: &Value, resource: &Resource) -> Vec<FieldError> {
    let mut errors = validate_common(object, resource);
    changed(object, old, &mut errors);
    errors
}

/// The same of a custom kind, which upstream judges in three places that tell what they find each for itself
/// (rest.BeforeUpdate, and customresource/validator.go).
pub(crate) fn validate_custom_update(
    object: &Value,
    old: &Value,
    resource: &Resource,
) -> Vec<FieldError> {
    let mut errors = validate_common(object, resource);
    for _ in 0..2 {
        changed(object, old, &mut errors);
        labels(meta::labels(object), "metadata.labels", &mut errors);
        annotations(
            meta::annotations(object),
            "metadata.annotations",
            &mut errors,
        );
        owners::validate(object, &mut errors);
        managed_fields(object, &mut errors);
    }
    errors
}

fn changed(object: &Value, old: &Value, errors: &mut Vec<FieldError>) {
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
    if meta::generation(object) < meta::generation(old) {
        errors.push(FieldError::invalid(
            "metadata.generation",
            meta::generation(object),
            "must not be decremented",
        ));
    }
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let new = at_value(object, name);
        if new != at_value(old, name) {
            errors.push(FieldError::invalid(
                format!("metadata.{name}"),
                new,
                IMMUTABLE,
            ));
        }
    }
}
