//! Storage classes, attachments, CSI drivers, nodes and capacities (pkg/apis/storage/validation/validation.go).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::at::{At, Errors};
use super::{formats, go_value, persistent_volumes, same, selectors, volume_drivers};
use crate::names;

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_MAX_BYTES: usize = 256 * 1024;
const MESSAGE_MAX_BYTES: usize = 1024;

pub(crate) fn class(object: &At<'_>, errors: &mut Errors) {
    provisioner(&object.get("provisioner"), errors);
    parameters(&object.get("parameters"), true, errors);
    let (policy, mode) = (object.get("reclaimPolicy"), object.get("volumeBindingMode"));
    if !policy.empty() {
        errors.one_of(&policy, &["Delete", "Retain"]);
    }
    if mode.given() {
        errors.one_of(&mode, &["Immediate", "WaitForFirstConsumer"]);
    } else {
        errors.required(&mode, "");
    }
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    for term in object.get("allowedTopologies").items() {
        let expressions = term.get("matchLabelExpressions");
        let mut map = BTreeMap::new();
        for expression in expressions.items() {
            let (key, values) = (expression.get("key"), expression.get("values"));
            errors.need(&values);
            let mut set = BTreeSet::new();
            for value in values.items() {
                if !set.insert(value.text()) {
                    errors.duplicate(&value);
                }
            }
            formats::label_key(&key, errors);
            if map.insert(key.text(), set).is_some() {
                errors.duplicate(&key);
            }
        }
        // Upstream compares with as many empty terms as there are terms.
        if map.is_empty() || seen.contains(&map) {
            errors.duplicate_value(&expressions, "");
        }
        seen.push(map);
    }
}

fn provisioner(at: &At<'_>, errors: &mut Errors) {
    if !at.empty() {
        let name = at.text().to_lowercase();
        for problem in names::label_key(&name) {
            errors.invalid_value(at, name.as_str(), problem);
        }
    }
}

fn parameters(at: &At<'_>, may_be_empty: bool, errors: &mut Errors) {
    if at.count() > PARAMETERS_MAX {
        return errors.too_long(at, PARAMETERS_MAX);
    }
    let mut size = 0;
    for (key, value) in at.entries() {
        if key.is_empty() {
            errors.invalid_value(at, key, "field can not be empty.");
        }
        size += key.len() + value.text().len();
    }
    if size > PARAMETERS_MAX_BYTES {
        errors.too_long(at, PARAMETERS_MAX_BYTES);
    }
    if !may_be_empty && at.empty() {
        errors.required(at, "must contain at least one key/value pair");
    }
}

pub(crate) fn attributes_class(object: &At<'_>, errors: &mut Errors) {
    errors.need(&object.get("driverName"));
    provisioner(&object.get("driverName"), errors);
    parameters(&object.get("parameters"), false, errors);
}

pub(crate) fn attributes_class_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    for field in ["driverName", "parameters"] {
        if !same(object.get(field).value, old.get(field).value) {
            errors.forbidden(
                &object.get(field),
                format!("updates to {field} are forbidden."),
            );
        }
    }
    attributes_class(object, errors);
}

pub(crate) fn attachment(object: &At<'_>, errors: &mut Errors) {
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    let spec = object.get("spec");
    volume_drivers::csi_driver_name(&spec.get("attacher"), errors);
    let source = spec.get("source");
    let (inline, name) = (
        source.get("inlineVolumeSpec"),
        source.get("persistentVolumeName"),
    );
    match (inline.given(), name.given()) {
        (false, false) => errors.required(&source, ONE),
        (true, true) => errors.forbidden(&source, ONE),
        (false, true) if name.empty() => {
            errors.required(&name, "must specify non empty persistentVolumeName")
        }
        (false, true) => {}
        (true, false) => persistent_volumes::volume_spec(&inline, "", true, errors),
    }
    formats::subdomain(&spec.get("nodeName"), errors);
    attachment_status(&object.get("status"), errors);
    if name.given() {
        formats::subdomain(&name, errors);
    }
}

pub(crate) fn attachment_status(status: &At<'_>, errors: &mut Errors) {
    let metadata = status.get("attachmentMetadata");
    let size: usize = metadata
        .entries()
        .iter()
        .map(|(key, value)| key.len() + value.text().len())
        .sum();
    if size > PARAMETERS_MAX_BYTES {
        errors.too_long(&metadata, PARAMETERS_MAX_BYTES);
    }
    for field in ["attachError", "detachError"] {
        let at = status.get(field);
        if at.get("message").text().len() > MESSAGE_MAX_BYTES {
            errors.too_long(&at.get("message"), MESSAGE_MAX_BYTES);
        }
        if at.get("errorCode").int() < 0 {
            errors.invalid(&at.get("errorCode"), formats::range(0, i64::from(i32::MAX)));
        }
    }
}

pub(crate) fn csi_node(object: &At<'_>, errors: &mut Errors) {
    const ID_MAX: usize = 256;
    let mut seen = HashSet::new();
    for driver in object.get("spec").get("drivers").items() {
        let (name, id) = (driver.get("name"), driver.get("nodeID"));
        volume_drivers::csi_driver_name(&name, errors);
        errors.need(&id);
        if id.text().len() > ID_MAX {
            errors.invalid(&id, format!("must be {ID_MAX} characters or less"));
        }
        errors.not_negative(&driver.get("allocatable").get("count"));
        if !seen.insert(name.text()) {
            errors.duplicate(&name);
        }
        let mut keys = HashSet::new();
        for key in driver.get("topologyKeys").strings() {
            if key.is_empty() {
                errors.required(&driver, key);
            }
            if !keys.insert(key) {
                errors.duplicate_value(&driver, key);
            }
            for problem in names::label_key(key) {
                errors.invalid_value(&driver, key, problem);
            }
        }
    }
}

pub(crate) fn csi_node_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    csi_node(object, errors);
    let drivers = |at: &At<'_>| -> Vec<Value> {
        at.get("spec")
            .get("drivers")
            .items()
            .map(|d| d.value.clone())
            .collect()
    };
    let path = At::absent("spec.drivers");
    for mut before in drivers(old) {
        let name = before["name"].clone();
        for mut now in drivers(object)
            .into_iter()
            .filter(|now| now["name"] == name)
        {
            for driver in [&mut before, &mut now] {
                if let Some(map) = driver.as_object_mut() {
                    map.shift_remove("allocatable");
                }
            }
            if !same(&now, &before) {
                errors.invalid_value(
                    &path,
                    go_value::internal("storage/v1.CSINodeDriver", &now),
                    formats::IMMUTABLE,
                );
            }
        }
    }
}

pub(crate) fn csi_driver(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let flags = [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ];
    for (field, shown) in flags {
        let at = spec.get_as(field, shown);
        if !at.given() {
            errors.required(&at, "");
        }
    }
    let policy = spec.get("fsGroupPolicy");
    if policy.given() {
        errors.one_of(&policy, &["File", "None", "ReadWriteOnceWithFSType"]);
    }
    let requests = spec.get("tokenRequests");
    let mut audiences = HashSet::new();
    for request in requests.items() {
        let (audience, seconds) = (request.get("audience"), request.get("expirationSeconds"));
        if !audiences.insert(audience.text()) {
            errors.duplicate(&audience);
            continue;
        }
        if seconds.given() && seconds.int() < 600 {
            errors.invalid(&seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds.int() > 1 << 32 {
            errors.invalid(
                &seconds,
                "may not specify a duration larger than 2^32 seconds",
            );
        }
    }
    let modes = spec.get("volumeLifecycleModes");
    for mode in modes.items() {
        errors.one_of(&mode.shown_at(&modes.path), &["Persistent", "Ephemeral"]);
    }
    let mount = spec.get("seLinuxMount");
    if !mount.given() {
        errors.required(&mount, "");
    }
    let period = spec.get("nodeAllocatableUpdatePeriodSeconds");
    if period.given() && period.int() < 10 {
        errors.invalid(&period, "must be greater than or equal to 10 seconds");
    }
    let in_secrets = spec.get("serviceAccountTokenInSecrets");
    if in_secrets.given() && requests.empty() {
        errors.invalid(
            &in_secrets,
            "serviceAccountTokenInSecrets is set but no tokenRequests are specified",
        );
    }
}

pub(crate) fn csi_driver_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    csi_driver(object, errors);
    for (field, shown) in [
        ("attachRequired", "attachedRequired"),
        ("volumeLifecycleModes", "volumeLifecycleModes"),
    ] {
        errors.immutable(
            &object.get("spec").get_as(field, shown),
            &old.get("spec").get(field),
        );
    }
}

pub(crate) fn capacity(object: &At<'_>, errors: &mut Errors) {
    selectors::label_selector(&object.get("nodeTopology"), errors);
    formats::subdomain(&object.get("storageClassName"), errors);
    let amount = object.get("capacity");
    if amount.quantity().sign() < 0 {
        errors.invalid(&amount, formats::NEGATIVE);
    }
}

pub(crate) fn capacity_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable(&object.get("nodeTopology"), &old.get("nodeTopology"));
    errors.immutable(
        &object.get("storageClassName"),
        &old.get("storageClassName"),
    );
}
