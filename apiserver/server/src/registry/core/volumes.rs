//! Volumes and claims: both wait to be bound from the start; a claim's two source fields agree (kubernetes pkg/registry/core/persistentvolume[claim]).

use crate::clock::Clock;
use crate::registry::Strategy;
use serde_json::{Value, json};

pub(in crate::registry) struct Claims;

impl Strategy for Claims {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            same_source(spec);
        }
    }
}

/// Sources that a claim can have by its older field; others are dropped.
fn is_source(source: &Value) -> bool {
    let text = |field: &str| source.get(field).and_then(Value::as_str).unwrap_or("");
    matches!(
        (text("kind"), text("apiGroup")),
        ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
    )
}

/// The two fields that name a claim's source say the same.
fn same_source(spec: &mut serde_json::Map<String, Value>) {
    if spec
        .get("dataSource")
        .is_some_and(|source| !is_source(source))
    {
        spec.shift_remove("dataSource");
    }
    let reference = spec.get("dataSourceRef").cloned();
    let namespaced = reference
        .as_ref()
        .is_some_and(|source| source.get("namespace").is_some());
    match (spec.get("dataSource").cloned(), reference) {
        (Some(source), None) => {
            spec.insert("dataSourceRef".into(), source);
        }
        (None, Some(source)) if !namespaced => {
            spec.insert("dataSource".into(), source);
        }
        _ => {}
    }
}

pub(in crate::registry) struct Volumes;

impl Strategy for Volumes {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": Clock.now()});
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource != "status" {
            return;
        }
        let phase = |object: &Value| object.pointer("/status/phase").cloned();
        let time = |object: &Value| object.pointer("/status/lastPhaseTransitionTime").cloned();
        if phase(object) != phase(old) {
            if time(object).is_none() || time(object) == time(old) {
                object["status"]["lastPhaseTransitionTime"] = Clock.now().into();
            }
        } else if let (None, Some(kept)) = (time(object), time(old)) {
            object["status"]["lastPhaseTransitionTime"] = kept;
        }
    }
}
