//! HorizontalPodAutoscaler v1 and v2 (kubernetes pkg/apis/autoscaling/v1/conversion.go): v1 knows one metric, the CPU's utilization;
//! everything else that v2 says travels in v1's annotations, which upstream calls `autoscaling.alpha.kubernetes.io/...`. Metrics
//! have v1's shape there (`metric.rs`), the behavior that of the reference's own memory (`behavior.rs`).

mod behavior;
mod metric;

use serde_json::{Map, Value, json};

use self::metric::{from_v2, to_v2};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// Every annotation that conversion speaks through: none of them is a client's.
const OURS: [&str; 6] = [
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
/// The order of a condition's fields.
const CONDITION: [&str; 6] = [
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "observedGeneration",
];

pub(super) fn v1_to_v2(autoscaler: &mut Map<String, Value>) {
    let said = |name: &str| annotation(autoscaler, name);
    let metrics = said(METRICS).map(|m| each(m, |metric| to_v2(metric, "target")));
    let current = said(CURRENT_METRICS).map(|m| each(m, |metric| to_v2(metric, "current")));
    let conditions = said(CONDITIONS).map(|m| each(m, without_nulls));
    let behavior = said(BEHAVIOR).and_then(|said| behavior::to_v2(&said));
    drop_annotations(autoscaler);
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let percent = spec.shift_remove("targetCPUUtilizationPercentage");
        let cpu = percent.map(|p| {
            cpu_metric(
                "target",
                json!({"type": "Utilization", "averageUtilization": p}),
            )
        });
        let all: Vec<Value> = list(metrics).into_iter().chain(cpu).collect();
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
    drop_annotations(autoscaler);
    let mut annotations = Vec::new();
    if let Some(Value::Object(spec)) = autoscaler.get_mut("spec") {
        let metrics = list(spec.shift_remove("metrics"));
        put(
            spec,
            "targetCPUUtilizationPercentage",
            metrics.iter().find_map(|m| cpu_of(m, "target")).cloned(),
        );
        let others = metrics.into_iter();
        let others = others.filter(|m| cpu_of(m, "target").is_none());
        let others: Vec<Value> = others.map(|m| from_v2(m, "target")).collect();
        annotations.push((METRICS, Value::Array(others)));
        let behavior = spec.shift_remove("behavior");
        annotations.push((
            BEHAVIOR,
            behavior.map(behavior::from_v2).unwrap_or_default(),
        ));
    }
    if let Some(Value::Object(status)) = autoscaler.get_mut("status") {
        let metrics = list(status.shift_remove("currentMetrics"));
        put(
            status,
            "currentCPUUtilizationPercentage",
            metrics.iter().find_map(|m| cpu_of(m, "current")).cloned(),
        );
        let metrics = metrics.into_iter().map(|m| from_v2(m, "current"));
        annotations.push((CURRENT_METRICS, Value::Array(metrics.collect())));
        let conditions = list(status.shift_remove("conditions"));
        let conditions = conditions.into_iter().map(condition);
        annotations.push((CONDITIONS, Value::Array(conditions.collect())));
    }
    for (name, value) in annotations {
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let metadata = autoscaler.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata
            && let Value::Object(map) = metadata.entry("annotations").or_insert_with(|| json!({}))
        {
            map.insert(name.to_owned(), escaped(&value).into());
        }
    }
}

/// Takes away what only conversion says in annotations.
pub fn forget_annotations(autoscaler: &mut Value) {
    if let Value::Object(autoscaler) = autoscaler {
        drop_annotations(autoscaler);
    }
}

/// JSON as Go writes it, fit to stand in HTML.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e");
    text.replace('&', "\\u0026")
}

/// A condition with its fields in order; the time is always said.
fn condition(mut condition: Value) -> Value {
    let mut ordered = Map::new();
    for field in CONDITION {
        match condition.get_mut(field).map(Value::take) {
            Some(value) => put(&mut ordered, field, Some(value)),
            None if field == "lastTransitionTime" => put(&mut ordered, field, Some(Value::Null)),
            None => {}
        }
    }
    Value::Object(ordered)
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| !value.is_null());
    }
    value
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

/// What an annotation says; what cannot be read says nothing.
fn annotation(autoscaler: &Map<String, Value>, name: &str) -> Option<Value> {
    let annotations = autoscaler.get("metadata")?.get("annotations")?;
    serde_json::from_str(annotations.get(name)?.as_str()?).ok()
}

fn drop_annotations(autoscaler: &mut Map<String, Value>) {
    let Some(Value::Object(metadata)) = autoscaler.get_mut("metadata") else {
        return;
    };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else {
        return;
    };
    let before = annotations.len();
    for name in OURS {
        annotations.shift_remove(name);
    }
    if annotations.is_empty() && before > 0 {
        metadata.shift_remove("annotations");
    }
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}
