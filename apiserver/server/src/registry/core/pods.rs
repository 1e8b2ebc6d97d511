//! Pods: phase and quality of service from the start, graceful deletion (kubernetes pkg/registry/core/pod).

use crate::registry::Strategy;
use serde_json::{Value, json};
use triad_machinery::quantity::Quantity;

/// What a pod without a grace period of its own gets, in seconds.
const DEFAULT_GRACE: i64 = 30;

pub(in crate::registry) struct Pods;

impl Strategy for Pods {
    fn prepare_for_create(&self, object: &mut Value) {
        let mut status = json!({"phase": "Pending", "qosClass": quality_of_service(object)});
        let gated = object
            .pointer("/spec/schedulingGates")
            .and_then(Value::as_array)
            .is_some_and(|gates| !gates.is_empty());
        if gated {
            status["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates", "lastTransitionTime": crate::clock::Clock.now(), "observedGeneration": 1}]);
        }
        object["status"] = status;
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource == "status" {
            // The class of service was settled when the pod was made.
            if let Some(class) = old.pointer("/status/qosClass") {
                object["status"]["qosClass"] = class.clone();
            }
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

/// BestEffort without any request or limit, Guaranteed with equal ones everywhere, else Burstable.
fn quality_of_service(pod: &Value) -> &'static str {
    let mut guaranteed = true;
    let mut any = false;
    for list in ["containers", "initContainers"] {
        for container in pod
            .pointer(&format!("/spec/{list}"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let amount = |kind: &str, resource: &str| {
                let text = container
                    .pointer(&format!("/resources/{kind}/{resource}"))
                    .and_then(Value::as_str)?;
                Quantity::parse(text)
                    .ok()
                    .filter(|quantity| !quantity.is_zero())
            };
            for resource in ["cpu", "memory"] {
                let (request, limit) = (amount("requests", resource), amount("limits", resource));
                any |= request.is_some() || limit.is_some();
                guaranteed &= limit.is_some() && (request.is_none() || request == limit);
            }
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
