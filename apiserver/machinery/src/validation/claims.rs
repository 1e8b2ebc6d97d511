//! Claims on volumes (pkg/apis/core/validation/validation.go).

use serde_json::Value;

use super::at::{At, Errors};
use super::persistent_volumes::{VOLUME_MODES, access_modes};
use super::{diff, formats, go_value, resources, same, selectors};
use crate::names;

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

const RESIZES: &[&str] = &[
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

pub(crate) fn claim(object: &At<'_>, errors: &mut Errors) {
    spec(&object.get("spec"), errors);
}

pub(crate) fn spec(spec: &At<'_>, errors: &mut Errors) {
    let modes = spec.get("accessModes");
    if modes.empty() {
        errors.required(&modes, "at least 1 access mode is required");
    }
    selectors::label_selector(&spec.get("selector"), errors);
    access_modes(&modes, errors);
    let asked = spec.get("resources").get("requests").get("storage");
    let storage = asked.shown_at(format!("{}.resources[storage]", spec.path));
    if !storage.given() {
        errors.required(&storage, "");
    } else if storage.quantity().sign() <= 0 {
        errors.invalid(&storage, "must be greater than zero");
    } else {
        resources::amount(&storage, "storage", errors);
    }
    for field in ["storageClassName"] {
        if !spec.get(field).empty() {
            formats::subdomain(&spec.get(field), errors);
        }
    }
    if spec.get("volumeMode").given() {
        errors.one_of(&spec.get("volumeMode"), VOLUME_MODES);
    }
    data_sources(spec, errors);
    if !spec.get("volumeAttributesClassName").empty() {
        formats::subdomain(&spec.get("volumeAttributesClassName"), errors);
    }
}

fn data_sources(spec: &At<'_>, errors: &mut Errors) {
    let (source, reference) = (spec.get("dataSource"), spec.get("dataSourceRef"));
    for at in [&source, &reference] {
        if !at.given() {
            continue;
        }
        errors.need(&at.get("name"));
        errors.need(&at.get("kind"));
        let group = at.get("apiGroup");
        if group.empty() && at.get("kind").text() != "PersistentVolumeClaim" {
            errors.invalid_value(
                at,
                at.get("kind").text(),
                "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
            );
        }
        if !group.empty() {
            formats::subdomain(&group, errors);
        }
        if !at.get("namespace").empty() {
            errors.each(
                &at.get("namespace"),
                names::dns1123_label(at.get("namespace").text()),
            );
        }
    }
    if !source.given() || !reference.given() {
        return;
    }
    // Upstream shows the path itself as the value: a struct without exported fields.
    let empty = serde_json::json!({});
    let alike = ["apiGroup", "kind", "name"]
        .iter()
        .all(|field| same(source.get(field).value, reference.get(field).value));
    if !reference.get("namespace").empty() {
        errors.invalid_value(
            spec,
            empty,
            "may not be specified when dataSourceRef.namespace is specified",
        );
    } else if !alike {
        errors.invalid_value(spec, empty, "must match dataSourceRef");
    }
}

/// A claim may grow once it is bound, and may get its class and volume once.
pub(crate) fn update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    claim(new, errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let (mut now, mut then) = (spec.value.clone(), before.value.clone());
    if before.get("volumeName").empty() {
        then["volumeName"] = spec.get("volumeName").value.clone();
    }
    let class = |at: &At<'_>| {
        at.get("spec")
            .get("storageClassName")
            .value
            .as_str()
            .map(str::to_owned)
    };
    let note = |at: &At<'_>| {
        at.get("metadata")
            .get("annotations")
            .get(BETA_CLASS)
            .value
            .as_str()
            .map(str::to_owned)
    };
    let (class_now, class_then, note_now, note_then) =
        (class(new), class(old), note(new), note(old));
    let upgraded = note_then.is_some()
        && class_then.is_none()
        && class_now == note_then
        && (note_now.is_none() || note_now == note_then);
    if upgraded {
        now["storageClassName"] = Value::Null;
    } else {
        if note_now.as_deref().unwrap_or("") != note_then.as_deref().unwrap_or("") {
            let at = At::absent(&format!("metadata.annotations.{BETA_CLASS}"));
            errors.invalid_value(&at, note_now.unwrap_or_default(), formats::IMMUTABLE);
        }
        if class_now.is_some()
            && class_then.is_none()
            && (note_then.is_none() || class_now == note_then)
        {
            now["storageClassName"] = before.get("storageClassName").value.clone();
        }
    }
    if new.get("status").get("phase").text() == "Bound" {
        if now.pointer("/resources/requests").is_some() {
            now["resources"]["requests"]["storage"] = before
                .get("resources")
                .get("requests")
                .get("storage")
                .value
                .clone();
        }
        now["volumeAttributesClassName"] = before.get("volumeAttributesClassName").value.clone();
    }
    if !same(&now, &then) {
        let shown = |spec: &Value| go_value::internal("core/v1.PersistentVolumeClaimSpec", spec);
        let difference = diff::unified(&shown(&then), &shown(&now));
        errors.forbidden(&spec, format!("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{difference}"));
    }
    let has = old.get("status").get("capacity").get("storage").quantity();
    let size = spec.get("resources").get("requests").get("storage");
    let was = before
        .get("resources")
        .get("requests")
        .get("storage")
        .quantity();
    if size.quantity() < was && size.quantity() <= has {
        errors.forbidden(&size, "field can not be less than status.capacity");
    }
    errors.immutable(
        &spec.get("volumeMode").shown_at("volumeMode"),
        &before.get("volumeMode"),
    );
    let attributes = spec.get("volumeAttributesClassName");
    if !same(
        attributes.value,
        before.get("volumeAttributesClassName").value,
    ) && old
        .get("status")
        .get("currentVolumeAttributesClassName")
        .given()
    {
        let what = if attributes.given() {
            "empty string"
        } else {
            "nil"
        };
        if attributes.empty() {
            errors.forbidden(&attributes, format!("update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"));
        }
    }
}

pub(crate) fn status(object: &At<'_>, errors: &mut Errors) {
    let modes = object
        .get("spec")
        .get("accessModes")
        .shown_at("Spec.accessModes");
    errors.need(&modes);
    let status = object.get("status");
    for (_, amount) in status.get("capacity").entries() {
        basic(&amount, errors);
    }
    let resizes = status.get("allocatedResourceStatuses");
    for (resource, state) in resizes.entries() {
        own_storage(&resizes, resource, errors);
        if !RESIZES.contains(&state.text()) {
            errors.unsupported_value(&resizes, resource, RESIZES);
        }
    }
    let allocated = status.get("allocatedResources");
    for (resource, amount) in allocated.entries() {
        if own_storage(&allocated, resource, errors) && basic(&amount, errors) {
            resources::amount(&amount, "storage", errors);
        }
    }
}

fn basic(amount: &At<'_>, errors: &mut Errors) -> bool {
    let value = amount.quantity().value();
    if value < 0 {
        errors.invalid_value(amount, value, "must be a valid resource quantity");
    }
    value >= 0
}

/// Of Kubernetes' own resources only storage; says whether it is one that may stand there.
fn own_storage(at: &At<'_>, resource: &str, errors: &mut Errors) -> bool {
    let problems = names::label_key(resource);
    let native = !resource.contains('/') || resource.contains("kubernetes.io/");
    let right = problems.is_empty() && (!native || resource == "storage");
    if problems.is_empty() && !right {
        errors.unsupported_value(at, resource, &["storage"]);
    }
    for problem in problems {
        errors.invalid_value(at, resource, problem);
    }
    right
}
