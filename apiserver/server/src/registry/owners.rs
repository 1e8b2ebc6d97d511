//! An object's owners: what may be said of them, and those named twice (apimachinery pkg/api/validation/objectmeta.go).

use super::object_meta::at_value;
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::status::FieldError;

pub(super) fn validate(object: &Value, errors: &mut Vec<FieldError>) {
    let mut controller: Option<String> = None;
    for (at, owner) in meta::owner_references(object).enumerate() {
        let path = format!("metadata.ownerReferences[{at}]");
        if owner.api_version.is_empty() {
            errors.push(FieldError::required(
                format!("{path}.apiVersion"),
                "must not be empty",
            ));
        } else if owner.api_version.matches('/').count() > 1 || owner.api_version.ends_with('/') {
            errors.push(FieldError::invalid(
                format!("{path}.apiVersion"),
                owner.api_version,
                "must be <group>/<version> or <version>",
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
        if owner.kind == "Event" && matches!(owner.api_version, "v1" | "/v1") {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            let shown = references(object)[at].clone();
            errors.push(FieldError::invalid(path, shown, why));
        }
        if owner.controller {
            let this = format!("{}/{}", owner.kind, owner.name);
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    errors.push(FieldError::invalid(
                        "metadata.ownerReferences",
                        references(object),
                        why,
                    ));
                }
                None => controller = Some(this),
            }
        }
    }
}

/// Owner references as Go shows them.
fn references(object: &Value) -> Value {
    const FIELDS: &[&str] = &[
        "apiVersion",
        "kind",
        "name",
        "uid",
        "controller",
        "blockOwnerDeletion",
    ];
    let list = at_value(object, "ownerReferences");
    let ordered = |owner: &Value| -> Value {
        let given = |field: &&&str| owner.get(**field).is_some_and(|value| !value.is_null());
        let fields = FIELDS.iter().filter(given);
        let pairs = fields.map(|field| ((*field).to_owned(), owner[*field].clone()));
        Value::Object(pairs.collect())
    };
    list.as_array().into_iter().flatten().map(ordered).collect()
}

/// Takes away owners that are named twice, and says whose: a warning's end.
pub(crate) fn dedup(object: &mut Value) -> Option<String> {
    let list = object
        .pointer_mut("/metadata/ownerReferences")?
        .as_array_mut()?;
    let mut kept: Vec<Value> = Vec::new();
    let mut twice = Vec::new();
    for owner in std::mem::take(list) {
        if kept.contains(&owner) {
            twice.push(owner["uid"].as_str().unwrap_or("").to_owned());
        } else {
            kept.push(owner);
        }
    }
    *list = kept;
    (!twice.is_empty()).then(|| {
        format!(
            "; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; \
             please fix your requests; duplicate UID(s) observed: {}",
            twice.join(", ")
        )
    })
}
