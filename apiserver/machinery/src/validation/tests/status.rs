//! What controllers may write into statuses.

use serde_json::{Value, json};

use super::said_of_status;

fn job(spec: Value, status: Value) -> Value {
    json!({"metadata": {"name": "j", "namespace": "n"}, "spec": spec, "status": status})
}

fn conditions(kinds: &[&str]) -> Value {
    let one = |kind: &&str| json!({"type": kind, "status": "True"});
    kinds.iter().map(one).collect()
}

#[test]
fn jobs_end_once_and_in_order() {
    let start = "2026-01-01T00:00:00Z";
    let spec = json!({"completions": 3, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 1});
    let running = json!({"startTime": start, "active": 1, "succeeded": 1});
    let complete = json!({"startTime": start, "completionTime": start,
        "conditions": conditions(&["SuccessCriteriaMet", "Complete"])});
    let cases = [
        (
            running.clone(),
            json!({"startTime": start, "active": 1, "succeeded": 0}),
            "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
        ),
        (
            running.clone(),
            json!({"startTime": start, "active": 1, "ready": 2, "succeeded": 1}),
            "status.ready: Invalid value: 2: cannot set more ready pods than active",
        ),
        (
            running.clone(),
            json!({"startTime": start, "active": 1, "succeeded": 1, "completedIndexes": "0-1", "failedIndexes": "1"}),
            "status.failedIndexes: Invalid value: \"1\": failedIndexes and completedIndexes overlap at index: 1",
        ),
        (
            running.clone(),
            json!({"startTime": start, "succeeded": 1, "conditions": conditions(&["Failed"])}),
            "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition",
        ),
        (
            running.clone(),
            json!({"startTime": start, "succeeded": 1, "completionTime": start}),
            "status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": cannot set completionTime when there is no Complete=True condition",
        ),
        (
            complete.clone(),
            json!({"startTime": start, "conditions": conditions(&["SuccessCriteriaMet"])}),
            "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
        ),
    ];
    for (was, now, want) in cases {
        let said = said_of_status(
            "batch",
            "jobs",
            &job(spec.clone(), now),
            &job(spec.clone(), was),
        );
        assert_eq!(said, [want]);
    }
    let mut ended = complete;
    ended["succeeded"] = json!(3);
    ended["completedIndexes"] = json!("0-2");
    let said = said_of_status(
        "batch",
        "jobs",
        &job(spec.clone(), ended),
        &job(spec, running),
    );
    assert_eq!(said, Vec::<String>::new());
}

fn request(conditions: Value, certificate: Value) -> Value {
    let spec = json!({"signerName": "example.com/s", "usages": ["client auth"], "request": "x"});
    json!({"metadata": {"name": "r"}, "spec": spec,
        "status": {"conditions": conditions, "certificate": certificate}})
}

#[test]
fn decisions_on_signing_stay() {
    let approved = request(conditions(&["Approved"]), Value::Null);
    let taken_back = request(json!([]), Value::Null);
    let resource = "certificatesigningrequests";
    let said = said_of_status("certificates.k8s.io", resource, &taken_back, &approved);
    let want =
        "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"";
    assert!(said.iter().any(|said| said == want), "{said:?}");
}

#[test]
fn a_namespace_ends_when_it_is_deleted() {
    let namespace = |phase: &str| json!({"metadata": {"name": "n"}, "status": {"phase": phase}});
    let active = namespace("Active");
    assert_eq!(
        said_of_status("", "namespaces", &namespace("Terminating"), &active),
        [
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
        ]
    );
    assert!(said_of_status("", "namespaces", &active, &active).is_empty());
}

#[test]
fn claims_tell_of_storage_alone() {
    let claim = |status: Value| {
        json!({"metadata": {"name": "c", "namespace": "n"},
            "spec": {"accessModes": ["ReadWriteOnce"]}, "status": status})
    };
    let plain = claim(json!({}));
    let said = |status: Value| said_of_status("", "persistentvolumeclaims", &claim(status), &plain);
    assert_eq!(
        said(json!({"allocatedResources": {"cpu": "1"}})),
        ["status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\""]
    );
    let sizes = json!({"capacity": {"storage": "1Gi"}, "allocatedResources": {"storage": "2Gi"},
        "allocatedResourceStatuses": {"storage": "NodeResizePending"}});
    assert_eq!(said(sizes), Vec::<String>::new());
}

#[test]
fn migrations_succeed_or_fail() {
    let object = |kinds: &[&str]| {
        let mut list = conditions(kinds);
        for condition in list.as_array_mut().into_iter().flatten() {
            condition["reason"] = json!("R");
            condition["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
        }
        json!({"metadata": {"name": "m"}, "status": {"conditions": list}})
    };
    let said = said_of_status(
        "storagemigration.k8s.io",
        "storageversionmigrations",
        &object(&["Succeeded", "Failed"]),
        &object(&["Running"]),
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].ends_with("Both success and failed conditions cannot be true at the same time")
    );
}
