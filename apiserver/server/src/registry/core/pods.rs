//! Pods: phase and quality of service from the start, graceful deletion, and which part of a pod each subresource may change
//! (kubernetes pkg/registry/core/pod).

mod app_armor;
mod label_keys;
mod resize;

use crate::registry::Strategy;
use crate::registry::before::replace_from;
use serde_json::{Value, json};
use triad_machinery::defaults::fill_pod_level;
use triad_machinery::meta;

/// What a pod without a grace period of its own gets, in seconds.
const DEFAULT_GRACE: i64 = 30;

pub(in crate::registry) struct Pods;

impl Strategy for Pods {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
        if gated(object) {
            object["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates", "lastTransitionTime": crate::clock::Clock.now()}]);
        }
        label_keys::merge(object);
        app_armor::fill(object);
        if let Some(spec) = object["spec"].as_object_mut() {
            fill_pod_level(spec);
        }
        object["status"]["qosClass"] = triad_machinery::pod_quality::of(object).into();
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        // An older client does not know the pod's own resources.
        if object.pointer("/spec/resources").is_none() && old.pointer("/spec/resources").is_some() {
            replace_from(&mut object["spec"], &old["spec"], "resources");
        }
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        match subresource {
            "status" => keep_status(object, old),
            "ephemeralcontainers" => {
                let mut spec = old["spec"].clone();
                replace_from(&mut spec, &object["spec"], "ephemeralContainers");
                keep_all_but(spec, object, old);
            }
            "resize" => {
                if let Some(spec) = resize::spec(object, old) {
                    keep_all_but(spec, object, old);
                }
            }
            _ => {}
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some() {
            Vec::new()
        } else {
            app_armor::warnings(object)
        }
    }

    fn graceful(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        let own = object
            .pointer("/spec/terminationGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(DEFAULT_GRACE);
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("");
        // Nothing runs yet, or nothing runs any more.
        if text("/spec/nodeName").is_empty()
            || matches!(text("/status/phase"), "Failed" | "Succeeded")
        {
            return Some(0);
        }
        Some(asked.unwrap_or(own))
    }
}

fn gated(pod: &Value) -> bool {
    let gates = pod.pointer("/spec/schedulingGates");
    gates
        .and_then(Value::as_array)
        .is_some_and(|gates| !gates.is_empty())
}

/// Everything but the given spec stays as it is stored.
fn keep_all_but(spec: Value, object: &mut Value, old: &Value) {
    object["spec"] = spec;
    replace_from(object, old, "status");
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        replace_from(&mut object["metadata"], &old["metadata"], field);
    }
}

/// What clients that do not know a field leave out of a status stays.
fn keep_status(object: &mut Value, old: &Value) {
    for field in [
        "qosClass",
        "resourceClaimStatuses",
        "extendedResourceClaimStatus",
        "nodeAllocatableResourceClaimStatuses",
        "observedGeneration",
    ] {
        let given = object.get("status").and_then(|status| status.get(field));
        if given.is_none()
            && let Some(kept) = old.get("status").and_then(|status| status.get(field))
        {
            object["status"][field] = kept.clone();
        }
    }
    let mut before: Vec<&Value> = conditions(old).collect();
    let now = object.pointer_mut("/status/conditions");
    for condition in now.and_then(Value::as_array_mut).into_iter().flatten() {
        let same = |other: &&Value| other.get("type") == condition.get("type");
        let Some(at) = before.iter().position(same) else {
            continue;
        };
        let kept = before.remove(at).get("observedGeneration");
        if let (None, Some(kept)) = (condition.get("observedGeneration"), kept) {
            condition["observedGeneration"] = kept.clone();
        }
    }
}

fn conditions(pod: &Value) -> impl Iterator<Item = &Value> {
    let list = pod.pointer("/status/conditions").and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Puts a pod on a node: what a binding says of it is copied, and the condition that waited for a node is met.
pub(crate) fn assign(pod: &mut Value, node: &str, binding: &Value) {
    pod["spec"]["nodeName"] = node.into();
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        // The scheduler's intention is settled.
        status.shift_remove("nominatedNodeName");
    }
    for (key, value) in meta::annotations(binding) {
        pod["metadata"]["annotations"][key] = value.into();
    }
    for (key, value) in meta::labels(binding) {
        pod["metadata"]["labels"][key] = value.into();
    }
    set_condition(pod, json!({"type": "PodScheduled", "status": "True"}));
}

/// Sets a condition of a pod's status, from now on; the time of one that is not new in its status stays.
pub(crate) fn set_condition(pod: &mut Value, mut condition: Value) {
    condition["lastTransitionTime"] = crate::clock::Clock.now().into();
    let mut list: Vec<Value> = conditions(pod).cloned().collect();
    match list
        .iter_mut()
        .find(|other| other["type"] == condition["type"])
    {
        Some(found) => {
            if found["status"] == condition["status"] {
                condition["lastTransitionTime"] = found["lastTransitionTime"].take();
            }
            *found = condition;
        }
        None => list.push(condition),
    }
    pod["status"]["conditions"] = list.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_keeps_what_its_writer_does_not_know() {
        let old = json!({"status": {"qosClass": "Burstable", "observedGeneration": 2, "resourceClaimStatuses": [{"name": "c"}],
            "conditions": [{"type": "Ready", "status": "False", "observedGeneration": 2}]}});
        let mut new = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "True"}]}});
        Pods.prepare_for_subresource_update("status", &mut new, &old);
        let wanted = json!({"status": {"phase": "Running", "qosClass": "Burstable", "observedGeneration": 2, "resourceClaimStatuses": [{"name": "c"}],
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}, {"type": "X", "status": "True"}]}});
        assert_eq!(new, wanted);
    }

    #[test]
    fn debugging_changes_nothing_but_ephemeral_containers() {
        let old = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        let mut new = json!({"metadata": {}, "spec": {"nodeName": "m", "ephemeralContainers": [{"name": "d"}]}});
        Pods.prepare_for_subresource_update("ephemeralcontainers", &mut new, &old);
        let wanted = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "n", "ephemeralContainers": [{"name": "d"}]}, "status": {"phase": "Running"}});
        assert_eq!(new, wanted);
    }

    #[test]
    fn a_binding_settles_what_waited_for_a_node() {
        let mut pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {}, "status": {"nominatedNodeName": "m",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}});
        let binding = json!({"metadata": {"labels": {"zone": "z"}, "annotations": {"x": "y"}}});
        assign(&mut pod, "n", &binding);
        assert_eq!(pod["spec"]["nodeName"], "n");
        assert_eq!(pod["metadata"]["labels"], json!({"a": "b", "zone": "z"}));
        assert_eq!(pod["status"].get("nominatedNodeName"), None);
        assert_eq!(pod["status"]["conditions"][0]["status"], "True");
        assert_eq!(pod["status"]["conditions"][0].get("reason"), None);
    }
}
