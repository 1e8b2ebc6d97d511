//! Devices: claims, slices and what allocation writes.

use serde_json::{Value, json};

use super::{said, said_of_status};

const GROUP: &str = "resource.k8s.io";

fn slice(devices: Value) -> Value {
    json!({"metadata": {"name": "s"}, "spec": {"driver": "d.example.com", "allNodes": true,
        "pool": {"name": "p", "resourceSliceCount": 1}, "devices": devices}})
}

fn said_of_devices(devices: Value) -> Vec<String> {
    said(GROUP, "resourceslices", &slice(devices))
}

#[test]
fn slices_name_their_nodes_one_way() {
    let mut object = slice(json!([{"name": "a"}]));
    assert_eq!(said(GROUP, "resourceslices", &object), Vec::<String>::new());
    object["spec"]["nodeName"] = json!("n");
    assert_eq!(
        said(GROUP, "resourceslices", &object),
        [
            "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"
        ]
    );
    object["spec"]["nodeName"] = Value::Null;
    object["spec"]["allNodes"] = json!(false);
    let said = said(GROUP, "resourceslices", &object);
    assert_eq!(
        said[0],
        "spec.allNodes: Invalid value: false: must be either unset or set to true"
    );
    assert!(
        said[1].starts_with("spec: Required value: exactly one of"),
        "{said:?}"
    );
}

#[test]
fn devices_differ_and_keep_to_their_bounds() {
    let cases = [
        (
            json!([{"name": "a"}, {"name": "a"}]),
            "spec.devices[1]: Duplicate value: \"a\"",
        ),
        (
            json!([{"name": "a", "nodeName": "n"}]),
            "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec",
        ),
        (
            json!([{"name": "a", "attributes": {"v": {"version": "1.0"}}}]),
            "spec.devices[0].attributes[v].version: Invalid value: \"1.0\": must be a string compatible with semver.org spec 2.0.0",
        ),
        (
            json!([{"name": "a", "attributes": {"1": {"int": 1}}}]),
            "spec.devices[0].attributes: Invalid value: \"1\": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
        ),
        (
            json!([{"name": "a", "bindingConditions": ["x.io/a"]}]),
            "spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions",
        ),
        (
            json!([{"name": "a", "consumesCounters": [{"counterSet": "c", "counters": {"k": {"value": "0"}}}, {"counterSet": "c", "counters": {"k": {"value": "0"}}}]}]),
            "spec.devices[0].consumesCounters[1]: Duplicate value: {\"counterSet\":\"c\",\"counters\":{\"k\":{\"value\":\"0\"}}}",
        ),
    ];
    for (devices, want) in cases {
        assert_eq!(said_of_devices(devices), [want]);
    }
    let many: Vec<Value> = (0..65).map(|n| json!({"name": format!("d{n}")})).collect();
    assert_eq!(said_of_devices(many.clone().into()), Vec::<String>::new());
    let mut rich = many;
    rich[0]["taints"] = json!([{"key": "k", "effect": "NoSchedule"}]);
    assert_eq!(
        said_of_devices(rich.into()),
        ["spec.devices: Too many: 65: must have at most 64 items"]
    );
}

#[test]
fn capacity_is_divided_by_rule() {
    let capacity = |shared: bool, policy: Value| {
        json!([{"name": "a", "allowMultipleAllocations": shared,
            "capacity": {"memory": {"value": "10Gi", "requestPolicy": policy}}}])
    };
    let at = "spec.devices[0].capacity[memory].requestPolicy";
    let cases = [
        (
            false,
            json!({"default": "1Gi"}),
            vec![format!(
                "{at}: Forbidden: allowMultipleAllocations must be true"
            )],
        ),
        (
            true,
            json!({"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi"}}),
            vec![],
        ),
        (
            true,
            json!({"default": "1536Mi", "validRange": {"min": "1Gi", "step": "1Gi"}}),
            vec![format!(
                "{at}.validRange.step: Invalid value: \"1536Mi\": value is not a multiple of a given step (1Gi) from (1Gi)"
            )],
        ),
        (
            true,
            json!({"default": "3Gi", "validValues": ["2Gi", "1Gi", "11Gi"]}),
            vec![
                format!(
                    "{at}.validValues[1]: Invalid value: \"1Gi\": values must be sorted in ascending order"
                ),
                format!(
                    "{at}.validValues[2]: Invalid value: \"11Gi\": option is larger than capacity value: 10Gi"
                ),
                format!(
                    "{at}.validValues: Invalid value: \"3Gi\": default value is not valid according to the requestPolicy"
                ),
            ],
        ),
        (
            true,
            json!({"validRange": {"min": "1Gi"}}),
            vec![format!(
                "{at}.default: Required value: required when validRange is defined"
            )],
        ),
    ];
    for (shared, policy, want) in cases {
        assert_eq!(
            said_of_devices(capacity(shared, policy.clone())),
            want,
            "{policy}"
        );
    }
}

#[test]
fn claims_refer_to_their_own_requests() {
    let claim = json!({"spec": {"devices": {
        "requests": [{"name": "r", "exactly": {"deviceClassName": "c", "allocationMode": "ExactCount", "count": 1}}],
        "constraints": [{"requests": ["r", "other", "a/b/c"], "matchAttribute": "x.io/a"}]}}});
    let unknown = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    assert_eq!(
        said(GROUP, "resourceclaims", &claim),
        [
            format!("spec.devices.constraints[0].requests[1]: Invalid value: \"other\": {unknown}"),
            format!("spec.devices.constraints[0].requests[2]: Invalid value: \"a/b/c\": {unknown}"),
        ]
    );
}

#[test]
fn status_reports_what_was_allocated() {
    let old = json!({"spec": {"devices": {"requests": [{"name": "r"}]}}});
    let mut new = old.clone();
    new["status"] = json!({"reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]});
    assert_eq!(
        said_of_status(GROUP, "resourceclaims", &new, &old),
        ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"]
    );
    new["status"] = json!({"allocation": {"devices": {"results": [
        {"request": "x", "driver": "d.io", "pool": "p", "device": "d"}]}},
        "devices": [{"driver": "d.io", "pool": "p", "device": "e", "networkData": {"ips": ["10.0.0.1"]}}]});
    let said = said_of_status(GROUP, "resourceclaims", &new, &old);
    assert_eq!(
        said[0],
        "status.devices[0]: Invalid value: {\"Driver\":\"d.io\",\"Pool\":\"p\",\"Device\":\"e\",\"ShareID\":null}: must be an allocated device in the claim"
    );
    assert!(said[1].starts_with("status.devices[0].networkData.ips[0]: Invalid value"));
    assert!(
        said[2].starts_with("status.allocation.devices.results[0].request: Invalid value: \"x\"")
    );
    assert_eq!(said.len(), 3);
}
