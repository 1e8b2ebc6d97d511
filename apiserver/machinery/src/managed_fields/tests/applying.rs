//! What applying does to an object and to its owners, and what is refused.

use super::*;

#[test]
fn applying_less_removes_what_nobody_else_owns() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind
        .applied(
            &json!({}),
            "one",
            json!({"data": {"a": "1", "b": "1"}}),
            false,
        )
        .expect("applies");
    let live = kind
        .applied(&live, "two", json!({"data": {"b": "1", "c": "1"}}), false)
        .expect("applies");
    let object = kind
        .applied(&live, "one", json!({"data": {}}), false)
        .expect("applies");
    assert_eq!(object["data"], json!({"b": "1", "c": "1"}));
    assert_eq!(
        owners(&object),
        "one Apply 02 {\"f:data\":{}}\ntwo Apply 02 {\"f:data\":{\"f:b\":{},\"f:c\":{}}}"
    );
}

#[test]
fn conflicts_name_field_and_owner() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind.created("up", json!({"data": {"a": "1", "b": "1"}}));
    let error = kind
        .applied(&live, "me", json!({"data": {"a": "2"}}), false)
        .map_err(|e| e.to_status());
    let status = error.expect_err("conflicts");
    assert_eq!(
        status.message,
        r#"Apply failed with 1 conflict: conflict with "up" using v1: .data.a"#
    );
    assert_eq!(
        status.to_value()["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"up\" using v1", "field": ".data.a"}]})
    );
    let error = kind
        .applied(&live, "me", json!({"data": {"a": "2", "b": "2"}}), false)
        .map_err(|e| e.to_string());
    assert_eq!(
        error,
        Err(
            "Apply failed with 2 conflicts: conflicts with \"up\" using v1:\n- .data.a\n- .data.b"
                .to_owned()
        )
    );
    let object = kind
        .applied(&live, "me", json!({"data": {"a": "2"}}), true)
        .expect("forced");
    assert_eq!(
        owners(&object),
        "me Apply 02 {\"f:data\":{\"f:a\":{}}}\nup Update 01 {\"f:data\":{\".\":{},\"f:b\":{}}}"
    );
}

#[test]
fn keyed_lists_merge_in_the_applied_order() {
    let kind = Kind::new("v1", "Pod");
    let containers = |names: &[&str]| {
        names
            .iter()
            .map(|n| json!({"name": n, "image": "i"}))
            .collect::<Vec<_>>()
    };
    let live = kind.created(
        "up",
        json!({"spec": {"containers": containers(&["a", "b", "c"])}}),
    );
    let object = kind.applied(
        &live,
        "me",
        json!({"spec": {"containers": containers(&["d", "c", "a"])}}),
        false,
    );
    let names = |object: &Value| -> Vec<String> {
        let list = object["spec"]["containers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        list.iter()
            .map(|c| c["name"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    assert_eq!(
        object.map(|o| names(&o)),
        Ok(vec!["b".to_owned(), "d".into(), "c".into(), "a".into()])
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let kind = Kind::new("v1", "ConfigMap");
    let context = kind.context("m", T1);
    let refused = |config: Value| {
        apply(None, &config, &context, false).map_err(|e| (e.to_status().code, e.to_string()))
    };
    for (config, code, want) in [
        (
            json!({"kind": "ConfigMap"}),
            400,
            "invalid object type: /, Kind=ConfigMap",
        ),
        (
            json!({"apiVersion": "apps/v1", "kind": "X"}),
            400,
            "invalid object type: apps/v1, Kind=X",
        ),
        (
            kind.object(json!({"metadata": {"managedFields": []}})),
            400,
            "metadata.managedFields must be nil",
        ),
        (
            kind.object(json!({"data": {"x": 5}})),
            500,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .data.x: expected string, \
             got &value.valueUnstructured{Value:5}",
        ),
        (
            kind.object(json!({"bogus": 1})),
            500,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
        ),
    ] {
        assert_eq!(refused(config), Err((code, want.to_owned())));
    }
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let kind = Kind::new("v1", "ConfigMap");
    let last = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}}"#;
    let annotations = json!({"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}});
    let live = kind.created(
        "kubectl-client-side-apply",
        json!({"metadata": annotations, "data": {"a": "1"}}),
    );
    assert!(
        kind.applied(&live, "other", json!({"data": {"a": "2"}}), false)
            .is_err()
    );
    let object = kind
        .applied(&live, "kubectl", json!({"data": {"a": "2"}}), false)
        .expect("no conflict");
    let text = meta::annotation(&object, "kubectl.kubernetes.io/last-applied-configuration");
    assert_eq!(
        text,
        Some(
            "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}\n"
        )
    );
}
