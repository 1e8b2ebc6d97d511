//! Nodes and namespaces (pkg/apis/core/validation/validation.go).

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{formats, go_value, resources, scheduling};
use crate::names;

pub(crate) fn node(object: &At<'_>, errors: &mut Errors) {
    taints(object, errors);
    amounts(object, errors);
    features(&object.get("status").get("declaredFeatures"), errors);
    let swap = object
        .get("status")
        .get("nodeInfo")
        .get("swap")
        .get("capacity")
        .shown_at("metadata.nodeSwapStatus.capacity");
    if swap.given() {
        errors.positive(&swap);
    }
    pod_blocks(object, errors);
}

fn pod_blocks(object: &At<'_>, errors: &mut Errors) {
    let blocks = object.get("spec").get("podCIDRs");
    let single = object.get("spec").get("podCIDR");
    // The older field wins where the two say different things.
    if !single.empty() && single.text() != blocks.index(0).text() {
        return formats::cidr(&single.shown_at(blocks.index(0).path), errors);
    }
    for block in blocks.items() {
        formats::cidr(&block, errors);
    }
    if blocks.count() > 1 {
        let v6 = blocks
            .strings()
            .iter()
            .filter(|block| block.contains(':'))
            .count();
        if blocks.count() > 2 || v6 != 1 {
            errors.invalid(
                &blocks,
                "may specify no more than one CIDR for each IP family",
            );
        }
    }
}

fn amounts(object: &At<'_>, errors: &mut Errors) {
    for list in ["capacity", "allocatable"] {
        for (resource, amount) in object.get("status").get(list).entries() {
            resources::amount(
                &amount.shown_at(format!("status.{list}.{resource}")),
                resource,
                errors,
            );
        }
    }
}

/// Taints; upstream's path is below metadata.
fn taints(object: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (i, taint) in object.get("spec").get("taints").items().enumerate() {
        let at = taint.shown_at(format!("metadata.taints[{i}]"));
        let (key, value, effect) = (at.get("key"), at.get("value"), at.get("effect"));
        formats::label_key(&key, errors);
        let problems = names::label_value(value.text());
        if !problems.is_empty() {
            errors.invalid(&value, problems.join(";"));
        }
        errors.need_one_of(&effect, scheduling::EFFECTS);
        if !seen.insert((effect.text(), key.text())) {
            errors.duplicate_value(&at, go_value::internal("core/v1.Taint", at.value));
            if let Some(error) = errors.0.last_mut() {
                error.detail = "taints must be unique by key and effect pair".into();
            }
        }
    }
}

fn features(at: &At<'_>, errors: &mut Errors) {
    let all = at.strings();
    for (i, feature) in at.items().enumerate() {
        let name = feature.text();
        let quoted = crate::goformat::quote(name);
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if name.len() > names::SUBDOMAIN_MAX {
            errors.invalid(
                &feature,
                format!("invalid feature name {quoted}: must be no more than 253 characters"),
            );
        } else if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !name.split('/').all(part)
        {
            errors.invalid(&feature, format!("invalid feature name {quoted}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"));
        }
        if let Some(next) = all.get(i + 1) {
            if *next == name {
                errors.duplicate(&at.index(i + 1));
            } else if name > *next {
                errors.invalid(&at.index(i + 1), "list must be sorted alphabetically");
            }
        }
    }
}

pub(crate) fn node_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    const BLOCKS: &str = "node updates may not change podCIDR except from \"\" to valid";
    let (spec, before) = (object.get("spec"), old.get("spec"));
    amounts(object, errors);
    features(&object.get("status").get("declaredFeatures"), errors);
    let addresses = object.get("status").get("addresses");
    let mut seen = Vec::new();
    for address in addresses.items() {
        if seen.contains(&address.value) {
            errors.duplicate_value(
                &address,
                go_value::internal("core/v1.NodeAddress", address.value),
            );
        }
        seen.push(address.value);
    }
    let (now, then) = (spec.get("podCIDRs"), before.get("podCIDRs"));
    if !then.empty() {
        if now.count() == then.count() {
            for _ in now
                .strings()
                .iter()
                .zip(then.strings())
                .filter(|(a, b)| *a != b)
            {
                errors.forbidden(&now, BLOCKS);
            }
        } else {
            errors.forbidden(&now, BLOCKS);
        }
    }
    let (id, was) = (spec.get("providerID"), before.get("providerID"));
    if !was.empty() && id.text() != was.text() {
        let what = if id.empty() { "cleared" } else { "modified" };
        errors.invalid_value(&id, Value::Null, format!("field cannot be {what} once set"));
    }
    taints(object, errors);
    if spec.get("externalID").text() != before.get("externalID").text() {
        errors.forbidden(&spec.get("externalID"), "may not be updated");
    }
}

pub(crate) fn namespace(object: &At<'_>, errors: &mut Errors) {
    let list = object.get("spec").get("finalizers");
    for finalizer in list.items() {
        finalizer_name(&finalizer.shown_at(&list.path), errors);
    }
}

/// Its phase is what its deletion says.
pub(crate) fn namespace_status(object: &At<'_>, errors: &mut Errors) {
    let phase = object.get("status").get_as("phase", "Phase");
    let ends = object.get("metadata").get("deletionTimestamp").given();
    if !ends && phase.text() != "Active" {
        errors.invalid_value(
            &phase,
            phase.text(),
            "may only be 'Active' if `deletionTimestamp` is empty",
        );
    }
    if ends && phase.text() != "Terminating" {
        let detail = "may only be 'Terminating' if `deletionTimestamp` is not empty";
        errors.invalid_value(&phase, phase.text(), detail);
    }
}

pub(crate) fn namespace_finalize(object: &At<'_>, errors: &mut Errors) {
    for finalizer in object.get("spec").get("finalizers").items() {
        finalizer_name(&finalizer, errors);
    }
}

fn finalizer_name(at: &At<'_>, errors: &mut Errors) {
    formats::label_key(at, errors);
    own_finalizer(at, errors);
}

/// A name without a domain is one of Kubernetes' own.
pub(crate) fn own_finalizer(at: &At<'_>, errors: &mut Errors) {
    if !at.text().contains('/')
        && !matches!(at.text(), "kubernetes" | "orphan" | "foregroundDeletion")
    {
        errors.invalid(
            at,
            "name is neither a standard finalizer name nor is it fully qualified",
        );
    }
}
