//! One case per line: a kind, an object, and what is said of it.

use serde_json::{Value, json};

use super::{Kind, Settings, declared, merged, warnings};
use super::{validate, validate_subresource, validate_update};
use crate::schema::{TypeId, schema};
use crate::scheme::scheme;

mod definitions;
mod devices;
mod expressions;
mod status;

fn kind<'a>(group: &'a str, resource: &'a str) -> Kind<'a> {
    Kind {
        group,
        resource,
        served_group: group,
    }
}

/// Own rules and declared ones, as the registry puts them together.
fn said(group: &str, resource: &str, object: &Value) -> Vec<String> {
    let own = validate(kind(group, resource), object, &Settings::default());
    let errors = merged(own, declared(stored_type(group, resource), object, None));
    errors.iter().map(ToString::to_string).collect()
}

fn said_of_update(group: &str, resource: &str, object: &Value, old: &Value) -> Vec<String> {
    let own = validate_update(kind(group, resource), object, old, &Settings::default());
    let errors = merged(
        own,
        declared(stored_type(group, resource), object, Some(old)),
    );
    errors.iter().map(ToString::to_string).collect()
}

fn said_of_status(group: &str, resource: &str, object: &Value, old: &Value) -> Vec<String> {
    let kind = kind(group, resource);
    let own = validate_subresource(kind, "status", object, old, &Settings::default());
    own.iter().map(ToString::to_string).collect()
}

fn stored_type(group: &str, resource: &str) -> TypeId {
    let mut all = scheme().resources().iter();
    let found = all.find(|r| r.group == group && r.plural == resource);
    let found = found.expect("a resource");
    let storage = found.storage.as_ref().expect("stored");
    let stored = schema().kind(&storage.group, &storage.version, &found.kind);
    stored.expect("a type")
}

fn pod(container: Value) -> Value {
    let mut whole = json!({"name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"});
    for (key, value) in container.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {
        "containers": [whole], "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30}})
}

#[test]
fn a_plain_pod_is_right() {
    assert_eq!(said("", "pods", &pod(json!({}))), Vec::<String>::new());
}

#[test]
fn containers() {
    let cases = [
        (
            json!({"image": ""}),
            "spec.containers[0].image: Required value",
        ),
        (
            json!({"ports": [{"containerPort": 70000, "protocol": "TCP"}]}),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            json!({"securityContext": {"privileged": true}}),
            "spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster policy",
        ),
        (
            json!({"livenessProbe": {"exec": {"command": ["x"]}, "successThreshold": 2}}),
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
    ];
    for (container, want) in cases {
        assert_eq!(said("", "pods", &pod(container)), [want]);
    }
}

#[test]
fn pods_keep_all_but_images() {
    let old = pod(json!({}));
    assert!(said_of_update("", "pods", &pod(json!({"image": "j"})), &old).is_empty());
    let mut moved = old.clone();
    moved["spec"]["nodeName"] = json!("n");
    let said = said_of_update("", "pods", &moved, &old);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("spec: Forbidden: pod updates may not change fields other than"),
        "{}",
        said[0]
    );
    assert!(
        said[0].contains("- \"NodeName\": \"\",\n+ \"NodeName\": \"n\","),
        "{}",
        said[0]
    );
}

#[test]
fn what_is_frozen_stays() {
    let old = json!({"immutable": true, "data": {"k": "v"}});
    let why = "field is immutable when `immutable` is set";
    let new = json!({"immutable": true, "data": {"k": "w"}});
    assert_eq!(
        said_of_update("", "configmaps", &new, &old),
        [format!("data: Forbidden: {why}")]
    );
    let new = json!({"data": {"k": "v"}});
    assert_eq!(
        said_of_update("", "configmaps", &new, &old),
        [format!("immutable: Forbidden: {why}")]
    );
}

#[test]
fn other_kinds() {
    let cases = [
        (
            "policy",
            "poddisruptionbudgets",
            json!({"spec": {"minAvailable": "101%"}}),
            "spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (
            "rbac.authorization.k8s.io",
            "roles",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}]}),
            "rules[0].verbs: Required value",
        ),
        (
            "networking.k8s.io",
            "ipaddresses",
            json!({"spec": {}}),
            "spec.parentRef: Required value",
        ),
        (
            "apps",
            "controllerrevisions",
            json!({"revision": -1, "data": {}}),
            "revision: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "",
            "configmaps",
            json!({"metadata": {"finalizers": ["plain"]}}),
            "metadata.finalizers[0]: Invalid value: \"plain\": name is neither a standard finalizer name nor is it fully qualified",
        ),
    ];
    for (group, resource, object, want) in cases {
        assert_eq!(said(group, resource, &object), [want]);
    }
}

#[test]
fn schedules_are_read_as_cron_reads_them() {
    let cases = [
        ("*/5 0-3 1,15 jan mon-fri", None),
        ("@daily", None),
        (
            "* * * *",
            Some("expected exactly 5 fields, found 4: [* * * *]"),
        ),
        (
            "60 * * * *",
            Some("end of range (60) above maximum (59): 60"),
        ),
        (
            "5-1 * * * *",
            Some("beginning of range (5) beyond end of range (1): 5-1"),
        ),
        (
            "*/0 * * * *",
            Some("step of range should be a positive number: */0"),
        ),
    ];
    for (text, want) in cases {
        assert_eq!(super::cron::schedule(text).err().as_deref(), want, "{text}");
    }
}

#[test]
fn doubtful_pods_are_warned_of() {
    let mut doubtful = pod(json!({}));
    doubtful["spec"]["imagePullSecrets"] = json!([{}]);
    let want = "spec.imagePullSecrets[0].name: invalid empty name \"\"";
    assert_eq!(warnings(kind("", "pods"), &doubtful, None), [want]);
    assert_eq!(
        warnings(kind("", "pods"), &pod(json!({})), None),
        Vec::<String>::new()
    );
}
