//! HorizontalPodAutoscalers: scaling behaviour in v2 (once an author says anything about it, both directions are filled in) and
//! the CPU target in v1.

use serde_json::{Map, Value, json};

use super::Context;

pub(super) fn horizontal_pod_autoscaler(autoscaler: &mut Map<String, Value>, _: &Context<'_>) {
    let behavior = autoscaler
        .get_mut("spec")
        .and_then(|spec| spec.get_mut("behavior"));
    let Some(Value::Object(behavior)) = behavior else {
        return;
    };
    let up = json!({
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            { "type": "Pods", "value": 4, "periodSeconds": 15 },
            { "type": "Percent", "value": 100, "periodSeconds": 15 },
        ],
    });
    let down = json!({
        "selectPolicy": "Max",
        "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }],
    });
    for (name, defaults) in [("scaleUp", up), ("scaleDown", down)] {
        let rules = behavior.entry(name).or_insert_with(|| json!({}));
        if let (Value::Object(rules), Value::Object(defaults)) = (rules, defaults) {
            for (field, value) in defaults {
                rules.entry(field).or_insert(value);
            }
        }
    }
}

/// v1 aims at 80 % of the CPU unless metrics are named in the annotation that carries v2's.
pub(super) fn horizontal_pod_autoscaler_v1(autoscaler: &mut Map<String, Value>, _: &Context<'_>) {
    let annotations = autoscaler
        .get("metadata")
        .and_then(|m| m.get("annotations"));
    if annotations
        .and_then(|a| a.get("autoscaling.alpha.kubernetes.io/metrics"))
        .is_some()
    {
        return;
    }
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        spec.entry("targetCPUUtilizationPercentage")
            .or_insert_with(|| 80.into());
    }
}
