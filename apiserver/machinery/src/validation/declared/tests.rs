//! Markers by example: a type, an object, what an update replaces, and what is said.

use serde_json::{Value, json};

use super::marker::Marker;
use super::{check::Rule, declared, format};
use crate::schema::schema;

fn said(ty: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    let ty = schema().type_named(ty).expect(ty);
    let errors = declared(ty, object, old);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_marker_of_the_table_is_understood() {
    // Judged elsewhere (lists, unions, modes), or of no consequence to a value.
    const ELSEWHERE: &[&str] = &[
        "listType",
        "listMapKey",
        "unique",
        "customUnique",
        "opaqueType",
        "unionMember",
        "zeroOrOneOfMember",
        "enum",
        "modeDiscriminator",
        "ifMode",
        "item",
        "supportsSubresource",
        "isSubresource",
    ];
    // Rules of upstream's own code, and rules that only alpha has so far.
    const SILENT: &[&str] = &[
        "customValidation",
        "dependentRequired",
        "dependentForbidden",
    ];
    for ty in schema().types() {
        let fields = schema()
            .type_named(&ty.name)
            .and_then(|id| schema().struct_of(id))
            .map(|s| s.fields.as_slice())
            .unwrap_or_default();
        let markers = fields.iter().flat_map(|field| &field.markers);
        for text in markers.chain(&ty.markers) {
            let Some(staged) = Marker::staged(text) else {
                continue;
            };
            let name = staged.marker.name;
            if ELSEWHERE.contains(&name) || SILENT.contains(&name) {
                continue;
            }
            if staged.marker.payload.ends_with("opaqueType") {
                continue;
            }
            assert!(Rule::of(&staged.marker).is_some(), "{}: {text}", ty.name);
        }
    }
}

#[test]
fn required_ends_the_judging_of_a_field() {
    let class = |handler: &str| json!({"metadata": {"name": "a"}, "handler": handler});
    let ty = "node/v1.RuntimeClass";
    assert_eq!(said(ty, &class(""), None), ["handler: Required value"]);
    assert_eq!(said(ty, &class("runc"), None), Vec::<String>::new());
    assert!(said(ty, &class("Runc"), None)[0].starts_with("handler: Invalid value: \"Runc\""));
    // What an update leaves alone is not judged again.
    assert!(said(ty, &class("Runc"), Some(&class("Runc"))).is_empty());
    assert_eq!(
        said(ty, &class("b"), Some(&class("a"))),
        ["handler: Invalid value: null: field is immutable"]
    );
}

#[test]
fn modes_say_which_member_there_must_be() {
    let level = |spec: Value| json!({"spec": spec});
    let ty = "flowcontrol/v1.PriorityLevelConfiguration";
    let cases = [
        (
            json!({"type": "Limited"}),
            vec!["spec.limited: Required value"],
        ),
        (
            json!({"type": "Exempt", "limited": {"limitResponse": {"type": "Reject"}}}),
            vec!["spec.limited: Forbidden"],
        ),
        (json!({"type": "Exempt", "exempt": {}}), vec![]),
    ];
    for (spec, want) in cases {
        assert_eq!(said(ty, &level(spec.clone()), None), want, "{spec}");
    }
}

#[test]
fn lists_are_unique_and_bounded() {
    let claim = |names: &[&str]| {
        let requests: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": name, "exactly": {"deviceClassName": "c", "allocationMode": "All"}}))
            .collect();
        json!({"spec": {"devices": {"requests": requests}}})
    };
    let ty = "resource/v1.ResourceClaim";
    assert!(said(ty, &claim(&["a", "b"]), None).is_empty());
    let twice = said(ty, &claim(&["a", "a"]), None);
    assert_eq!(twice.len(), 1);
    assert!(twice[0].starts_with("spec.devices.requests[1]: Duplicate value: {"));
    let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        said(ty, &claim(&many), None),
        ["spec.devices.requests: Too many: 33: must have at most 32 items"]
    );
}

#[test]
fn unions_take_one_member() {
    let slice = |attribute: Value| json!({"spec": {"devices": [{"name": "d", "attributes": {"a": attribute}}]}});
    let ty = "resource/v1.ResourceSlice";
    assert!(said(ty, &slice(json!({"int": 1})), None).is_empty());
    let none = said(ty, &slice(json!({})), None);
    assert!(
        none[0].starts_with(
            "spec.devices[0].attributes[a]: Invalid value: \"\": must specify one of: `int`, `bool`"
        ),
        "{none:?}"
    );
    let two = said(ty, &slice(json!({"int": 1, "bool": true})), None);
    assert!(
        two[0].starts_with("spec.devices[0].attributes[a]: Invalid value: \"{int, bool}\""),
        "{two:?}"
    );
}

#[test]
fn closed_sets_are_told_sorted() {
    let claim = json!({"spec": {"devices": {"requests": [
        {"name": "a", "exactly": {"deviceClassName": "c", "allocationMode": "Some"}}]}}});
    assert_eq!(
        said("resource/v1.ResourceClaim", &claim, None),
        [
            "spec.devices.requests[0].exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\""
        ]
    );
}

#[test]
fn workloads_keep_their_templates() {
    let workload = |names: &[&str]| {
        let templates: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": name, "schedulingPolicy": {"basic": {}}}))
            .collect();
        json!({"spec": {"podGroupTemplates": templates}})
    };
    let said = said(
        "scheduling/v1beta1.Workload",
        &workload(&["a", "c"]),
        Some(&workload(&["a", "b"])),
    );
    assert_eq!(
        said,
        [
            "spec.podGroupTemplates[1]: Forbidden: item may not be added",
            "spec.podGroupTemplates: Forbidden: item may not be removed"
        ]
    );
}

#[test]
fn formats() {
    let cases = [
        ("k8s-uuid", "0a1b2c3d-0000-4000-8000-0123456789ab", 0),
        ("k8s-uuid", "0A1B2C3D-0000-4000-8000-0123456789AB", 1),
        ("k8s-resource-pool-name", "a.b/c", 0),
        ("k8s-resource-pool-name", "a//B", 2),
        ("k8s-extended-resource-name", "example.com/gpu", 0),
        ("k8s-extended-resource-name", "gpu", 1),
        (
            "k8s-extended-resource-name",
            "requests.kubernetes.io/gpu",
            2,
        ),
        ("k8s-resource-fully-qualified-name", "example.com/model", 0),
        ("k8s-resource-fully-qualified-name", "model", 1),
        ("k8s-resource-fully-qualified-name", "/1", 2),
        ("k8s-prefixed-label-key", "a", 1),
    ];
    for (name, text, problems) in cases {
        let value = json!(text);
        let at = super::At::root(&value).shown_at("f");
        let found = format::named(name).expect(name)(&at);
        assert_eq!(found.len(), problems, "{name} {text}: {found:?}");
    }
}

#[test]
fn defaults_of_zero_ask_for_nothing() {
    let controller = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let ty = "core/v1.ReplicationController";
    assert!(said(ty, &controller(json!({"replicas": 0})), None).is_empty());
    assert_eq!(
        said(ty, &controller(json!({"minReadySeconds": -1})), None),
        [
            "spec.replicas: Required value",
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"
        ]
    );
}
