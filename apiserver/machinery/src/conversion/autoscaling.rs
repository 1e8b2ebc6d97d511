//! HorizontalPodAutoscaler v1 and v2: v1 knows one metric, the CPU's utilization; everything else that v2 says travels in v1's
//! annotations, which upstream calls `autoscaling.alpha.kubernetes.io/...` and where metrics have v1's shape (`metric.rs`).

mod metric;

use serde_json::{Map, Value, json};

use self::metric::{from_v2, to_v2};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

pub(super) fn v1_to_v2(autoscaler: &mut Map<String, Value>) {
    let metrics =
        take_annotation(autoscaler, METRICS).map(|m| each(m, |metric| to_v2(metric, "target")));
    let current = take_annotation(autoscaler, CURRENT_METRICS)
        .map(|m| each(m, |metric| to_v2(metric, "current")));
    let conditions = take_annotation(autoscaler, CONDITIONS);
    let behavior = take_annotation(autoscaler, BEHAVIOR);
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let percent = spec.shift_remove("targetCPUUtilizationPercentage");
        let cpu = percent.map(|p| {
            cpu_metric(
                "target",
                json!({"type": "Utilization", "averageUtilization": p}),
            )
        });
        let all: Vec<Value> = cpu.into_iter().chain(list(metrics)).collect();
        put(
            spec,
            "metrics",
            (!all.is_empty()).then_some(Value::Array(all)),
        );
        put(spec, "behavior", behavior);
    }
    if let Some(Value::Object(status)) = autoscaler.get_mut("status") {
        let percent = status.shift_remove("currentCPUUtilizationPercentage");
        let cpu = percent.map(|p| json!([cpu_metric("current", json!({"averageUtilization": p}))]));
        // The annotation knows more than the one number.
        put(status, "currentMetrics", current.or(cpu));
        put(status, "conditions", conditions);
    }
}

pub(super) fn v2_to_v1(autoscaler: &mut Map<String, Value>) {
    let mut annotations = Vec::new();
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let metrics = list(spec.shift_remove("metrics"));
        put(
            spec,
            "targetCPUUtilizationPercentage",
            metrics.iter().find_map(|m| cpu_of(m, "target")).cloned(),
        );
        let others: Vec<Value> = metrics
            .into_iter()
            .filter(|m| cpu_of(m, "target").is_none())
            .collect();
        annotations.push((
            METRICS,
            Value::Array(others.into_iter().map(|m| from_v2(m, "target")).collect()),
        ));
        annotations.push((BEHAVIOR, spec.shift_remove("behavior").unwrap_or_default()));
    }
    if let Some(Value::Object(status)) = autoscaler.get_mut("status") {
        let metrics = list(status.shift_remove("currentMetrics"));
        put(
            status,
            "currentCPUUtilizationPercentage",
            metrics.iter().find_map(|m| cpu_of(m, "current")).cloned(),
        );
        annotations.push((
            CURRENT_METRICS,
            Value::Array(metrics.into_iter().map(|m| from_v2(m, "current")).collect()),
        ));
        annotations.push((
            CONDITIONS,
            status.shift_remove("conditions").unwrap_or_default(),
        ));
    }
    for (name, value) in annotations {
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
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

/// The CPU's utilization, if that is what the metric is about.
fn cpu_of<'a>(metric: &'a Value, field: &str) -> Option<&'a Value> {
    let resource = metric
        .get("resource")
        .filter(|r| r.get("name").is_some_and(|n| n == "cpu"))?;
    resource.get(field)?.get("averageUtilization")
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn each(value: Value, change: impl Fn(Value) -> Value) -> Value {
    Value::Array(list(Some(value)).into_iter().map(change).collect())
}

fn take_annotation(autoscaler: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let annotations = autoscaler
        .get_mut("metadata")?
        .get_mut("annotations")?
        .as_object_mut()?;
    // What cannot be read stays where it is.
    let value = serde_json::from_str(annotations.get(name)?.as_str()?).ok()?;
    annotations.shift_remove(name);
    Some(value)
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}
