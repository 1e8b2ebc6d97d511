//! Volumes and claims: both wait to be bound from the start; a claim's two source fields agree (kubernetes pkg/registry/core/persistentvolume[claim]).

use crate::clock::Clock;
use crate::registry::Strategy;
use serde_json::{Value, json};

pub(in crate::registry) struct Claims;

impl Strategy for Claims {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
        sources(object, None);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        sources(object, Some(old));
    }
}

/// Brings the two fields that name a claim's source together (pkg/api/persistentvolumeclaim/util.go).
fn sources(object: &mut Value, old: Option<&Value>) {
    let used = |field: &str| {
        let value = old.and_then(|old| old.pointer(&format!("/spec/{field}")));
        value.is_some_and(|value| !value.is_null())
    };
    let (used_source, used_reference) = (used("dataSource"), used("dataSourceRef"));
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    // Sources in other namespaces are a feature that is off.
    if spec.get("dataSourceRef").is_some_and(names_namespace) && !used_reference {
        spec.shift_remove("dataSourceRef");
    }
    let alone = !used_source && !used_reference && spec.get("dataSourceRef").is_none();
    if alone
        && spec
            .get("dataSource")
            .is_some_and(|source| !is_source(source))
    {
        spec.shift_remove("dataSource");
    }
    match (spec.get("dataSource"), spec.get("dataSourceRef")) {
        (Some(source), None) => {
            let source = source.clone();
            spec.insert("dataSourceRef".into(), source);
        }
        (None, Some(source)) if !names_namespace(source) => {
            let source = source.clone();
            spec.insert("dataSource".into(), source);
        }
        _ => {}
    }
}

fn names_namespace(source: &Value) -> bool {
    let namespace = source.get("namespace").and_then(Value::as_str);
    namespace.is_some_and(|namespace| !namespace.is_empty())
}

/// Sources that a claim can have by its older field; others are dropped.
fn is_source(source: &Value) -> bool {
    let text = |field: &str| source.get(field).and_then(Value::as_str).unwrap_or("");
    matches!(
        (text("kind"), text("apiGroup")),
        ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
    )
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
