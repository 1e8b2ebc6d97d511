//! HorizontalPodAutoscaler v1 and v2: v1 knows one metric, the CPU; everything else that v2 says travels in v1's annotations, which
//! upstream calls `autoscaling.alpha.kubernetes.io/...`.

use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

pub(super) fn v1_to_v2(autoscaler: &mut Map<String, Value>) {
    let metrics = take_annotation(autoscaler, METRICS);
    let current = take_annotation(autoscaler, CURRENT_METRICS);
    let conditions = take_annotation(autoscaler, CONDITIONS);
    let behavior = take_annotation(autoscaler, BEHAVIOR);
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let cpu = spec
            .shift_remove("targetCPUUtilizationPercentage")
            .map(|percent| {
                cpu_metric(
                    "target",
                    json!({"type": "Utilization", "averageUtilization": percent}),
                )
            });
        let metrics = with_cpu(metrics, cpu);
        put(spec, "metrics", metrics);
        put(spec, "behavior", behavior);
    }
    if let Some(Value::Object(status)) = autoscaler.get_mut("status") {
        let cpu = status
            .shift_remove("currentCPUUtilizationPercentage")
            .map(|percent| cpu_metric("current", json!({"averageUtilization": percent})));
        let current = with_cpu(current, cpu);
        put(status, "currentMetrics", current);
        put(status, "conditions", conditions);
    }
}

pub(super) fn v2_to_v1(autoscaler: &mut Map<String, Value>) {
    let mut annotations = Vec::new();
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let (cpu, others) = split_cpu(spec.shift_remove("metrics"), "target");
        put(spec, "targetCPUUtilizationPercentage", cpu);
        annotations.push((METRICS, others));
        annotations.push((BEHAVIOR, spec.shift_remove("behavior")));
    }
    if let Some(Value::Object(status)) = autoscaler.get_mut("status") {
        let (cpu, _) = split_cpu(status.get("currentMetrics").cloned(), "current");
        put(status, "currentCPUUtilizationPercentage", cpu);
        annotations.push((CURRENT_METRICS, status.shift_remove("currentMetrics")));
        annotations.push((CONDITIONS, status.shift_remove("conditions")));
    }
    for (name, value) in annotations {
        let Some(value) = value else { continue };
        let metadata = autoscaler.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata
            && let Value::Object(map) = metadata.entry("annotations").or_insert_with(|| json!({}))
        {
            map.insert(name.to_owned(), value.to_string().into());
        }
    }
}

fn cpu_metric(field: &str, value: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", field: value}})
}

fn with_cpu(others: Option<Value>, cpu: Option<Value>) -> Option<Value> {
    let mut all: Vec<Value> = cpu.into_iter().collect();
    if let Some(Value::Array(others)) = others {
        let known = !all.is_empty();
        all.extend(
            others
                .into_iter()
                .filter(|m| !(known && utilization(m, "current").is_some())),
        );
    }
    (!all.is_empty()).then_some(Value::Array(all))
}

/// The CPU's utilization, and the metrics that v1 cannot say.
fn split_cpu(metrics: Option<Value>, field: &str) -> (Option<Value>, Option<Value>) {
    let Some(Value::Array(metrics)) = metrics else {
        return (None, None);
    };
    let cpu = metrics.iter().find_map(|m| utilization(m, field)).cloned();
    let others: Vec<Value> = metrics
        .into_iter()
        .filter(|m| utilization(m, field).is_none())
        .collect();
    (cpu, (!others.is_empty()).then_some(Value::Array(others)))
}

fn utilization<'a>(metric: &'a Value, field: &str) -> Option<&'a Value> {
    let resource = metric
        .get("resource")
        .filter(|r| r.get("name").is_some_and(|n| n == "cpu"))?;
    resource.get(field)?.get("averageUtilization")
}

fn take_annotation(autoscaler: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let annotations = autoscaler
        .get_mut("metadata")?
        .get_mut("annotations")?
        .as_object_mut()?;
    let text = annotations.shift_remove(name)?;
    serde_json::from_str(text.as_str()?).ok()
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}
