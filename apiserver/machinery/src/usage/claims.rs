//! What a claim of a volume uses (pkg/quota/v1/evaluator/core/persistent_volume_claims.go).

use super::{Amounts, Scope};
use crate::meta;
use crate::quantity::Quantity;
use serde_json::Value;

const CLAIMS: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";
/// Between a class and what is limited of it.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

pub(super) fn covers(name: &str) -> bool {
    let limited = name
        .split_once(OF_CLASS)
        .map_or(name, |(_, limited)| limited);
    [CLAIMS, STORAGE].contains(&limited)
}

pub(super) fn usage(claim: &Value) -> Amounts {
    let mut used = Amounts::default();
    used.count(CLAIMS, 1);
    let class = class(claim);
    if !class.is_empty() {
        used.count(&format!("{class}{OF_CLASS}{CLAIMS}"), 1);
    }
    if let Some(storage) = storage(claim) {
        if !class.is_empty() {
            used.set(&format!("{class}{OF_CLASS}{STORAGE}"), storage.clone());
        }
        used.set(STORAGE, storage);
    }
    used
}

/// The class by its older annotation, else by its field.
fn class(claim: &Value) -> &str {
    meta::annotation(claim, "volume.beta.kubernetes.io/storage-class").unwrap_or_else(|| {
        let class = claim.pointer("/spec/storageClassName");
        class.and_then(Value::as_str).unwrap_or("")
    })
}

/// Whole bytes: what is asked for, or what was given where that is more.
fn storage(claim: &Value) -> Option<Quantity> {
    let read = |at: &str| {
        let mut amount = Quantity::parse(claim.pointer(at)?.as_str()?).ok()?;
        amount.round_up(0);
        Some(amount)
    };
    let asked = read("/spec/resources/requests/storage")?;
    let given = read("/status/allocatedResources/storage");
    Some(given.filter(|given| *given > asked).unwrap_or(asked))
}

/// Whether a change of status changes what is used.
pub(super) fn status_counts(claim: &Value, old: &Value) -> bool {
    let given = |claim: &Value| claim.pointer("/status/allocatedResources/storage").cloned();
    given(claim) != given(old) || attribute_classes(claim) != attribute_classes(old)
}

pub(super) fn matches(scope: &Scope<'_>, claim: &Value) -> bool {
    scope.name == "VolumeAttributesClass" && scope.selects(&attribute_classes(claim))
}

/// The classes that a claim names, has, or is on its way to.
fn attribute_classes(claim: &Value) -> Vec<&str> {
    let mut classes: Vec<&str> = [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ]
    .iter()
    .filter_map(|at| claim.pointer(at)?.as_str())
    .filter(|class| !class.is_empty())
    .collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}
