//! Conversion between versions: by name, and where versions differ.

use serde_json::{Value, json};
use triad_machinery::conversion::convert;
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::scheme::scheme;

fn kind(group: &str, version: &str, kind: &str) -> TypeId {
    schema().kind(group, version, kind).unwrap()
}

fn there_and_back(value: Value, from: TypeId, to: TypeId) -> Value {
    let there = convert(value.clone(), from, to).unwrap();
    assert_eq!(convert(there.clone(), to, from).unwrap(), value);
    there
}

#[test]
fn autoscalers_keep_what_v1_cannot_say_in_annotations() {
    let (v1, v2) = (
        kind("autoscaling", "v1", "HorizontalPodAutoscaler"),
        kind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    );
    let value = json!({
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "a"},
        "spec": {"maxReplicas": 3, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}}, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
            {"type": "Pods", "pods": {"metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "9"}}}]},
        "status": {"desiredReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}],
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 50, "averageValue": "10m"}}}]}
    });
    let old = there_and_back(value, v2, v1);
    assert_eq!(old["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!(old["status"]["currentCPUUtilizationPercentage"], 50);
    let metrics: Value = serde_json::from_str(
        old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        metrics[0],
        json!({"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}})
    );
    assert_eq!(metrics[1]["pods"]["metricName"], "qps");
}

#[test]
fn events_are_the_same_under_other_names() {
    let (core, events) = (
        kind("", "v1", "Event"),
        kind("events.k8s.io", "v1", "Event"),
    );
    let value = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Why", "message": "text",
        "source": {"component": "c"}, "firstTimestamp": "2020-01-02T03:04:05Z", "count": 2, "type": "Normal", "reportingComponent": "r", "reportingInstance": "i"
    });
    let there = there_and_back(value, core, events);
    assert_eq!(
        (
            &there["note"],
            &there["regarding"]["name"],
            &there["reportingController"]
        ),
        (&json!("text"), &json!("p"), &json!("r"))
    );
    assert_eq!(there["apiVersion"], "events.k8s.io/v1");
}

#[test]
fn every_served_version_converts_to_what_is_stored() {
    for resource in scheme().resources() {
        let (Some(from), Some(storage)) = (resource.type_id(), &resource.storage) else {
            continue;
        };
        let to = kind(&storage.group, &storage.version, &resource.kind);
        let value = json!({"metadata": {"name": "a", "labels": {"x": "y"}}});
        let stored = convert(value, from, to).unwrap();
        assert_eq!(
            stored["metadata"]["labels"]["x"], "y",
            "{}",
            resource.plural
        );
    }
}
