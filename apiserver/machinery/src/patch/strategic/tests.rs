//! Strategic merge patch: each directive on real kinds, the order of lists, and the error texts.

use super::*;
use crate::schema::schema;
use serde_json::json;

fn run(kind: (&str, &str, &str), object: Value, mut patch: Value) -> Result<Value, PatchError> {
    let (group, version, kind) = kind;
    let Some(root) = schema().kind(group, version, kind) else {
        panic!("no kind {kind}")
    };
    apply(object, &mut patch, schema(), root)
}

const POD: (&str, &str, &str) = ("", "v1", "Pod");
const DEPLOYMENT: (&str, &str, &str) = ("apps", "v1", "Deployment");

#[test]
fn lists_merge_by_key() {
    for (patch, want) in [
        (
            json!([{"name": "b", "image": "2"}]),
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]),
        ),
        (
            json!([{"name": "c", "image": "3"}]),
            json!([{"name": "c", "image": "3"}, {"name": "a", "image": "1"}, {"name": "b", "image": "1"}]),
        ),
        (
            json!([{"name": "a", "$patch": "delete"}]),
            json!([{"name": "b", "image": "1"}]),
        ),
        (
            json!([{"name": "c"}, {"$patch": "replace"}]),
            json!([{"name": "c"}]),
        ),
        (
            json!([{"name": "a", "image": null}]),
            json!([{"name": "a"}, {"name": "b", "image": "1"}]),
        ),
        (
            json!([{"name": "a", "$patch": "replace", "x": 1}]),
            json!([]),
        ),
    ] {
        let object = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
        let result = run(POD, object, json!({"spec": {"containers": patch}}));
        assert_eq!(result, Ok(json!({"spec": {"containers": want}})), "{patch}");
    }
}

#[test]
fn lists_of_scalars() {
    let object = || json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    for (patch, want) in [
        (
            json!({"finalizers": ["d", "b"]}),
            json!(["d", "a", "b", "c"]),
        ),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["b", "x"]}),
            json!(["a", "c"]),
        ),
        (
            json!({"$setElementOrder/finalizers": ["c", "a", "b"]}),
            json!(["c", "a", "b"]),
        ),
        (
            json!({"$setElementOrder/finalizers": ["d", "a"], "finalizers": ["d"]}),
            json!(["d", "a", "b", "c"]),
        ),
    ] {
        let result = run(POD, object(), json!({"metadata": patch}));
        assert_eq!(
            result,
            Ok(json!({"metadata": {"finalizers": want}})),
            "{patch}"
        );
    }
}

#[test]
fn maps() {
    let object = || json!({"metadata": {"labels": {"a": "1"}}, "spec": {"template": {"spec": {"nodeName": "n"}}}});
    for (patch, want) in [
        (
            json!({"metadata": {"labels": {"b": "2"}}}),
            json!({"a": "1", "b": "2"}),
        ),
        (json!({"metadata": {"labels": {"a": null}}}), json!({})),
        (
            json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}}),
            json!({"c": "3"}),
        ),
        (
            json!({"metadata": {"labels": {"$patch": "delete"}}}),
            json!({}),
        ),
        (
            json!({"metadata": {"labels": {"$retainKeys": ["c"], "c": "3"}}}),
            json!({"c": "3"}),
        ),
    ] {
        let result =
            run(DEPLOYMENT, object(), patch.clone()).map(|v| v["metadata"]["labels"].clone());
        assert_eq!(result, Ok(want), "{patch}");
    }
    let result = run(
        DEPLOYMENT,
        json!({}),
        json!({"spec": {"a": null, "b": {"c": null}, "d": {"$patch": "delete"}}}),
    );
    assert_eq!(result, Ok(json!({"spec": {"b": {}}})));
}

#[test]
fn element_order_of_maps() {
    let ports = json!([{"containerPort": 1}, {"containerPort": 2}]);
    let object = json!({"spec": {"containers": [{"name": "a", "ports": ports}]}});
    let patch = json!({"spec": {"containers": [{"name": "a",
        "$setElementOrder/ports": [{"containerPort": 3}, {"containerPort": 2}, {"containerPort": 1}],
        "ports": [{"containerPort": 3}]}]}});
    let want = json!([{"containerPort": 3}, {"containerPort": 2}, {"containerPort": 1}]);
    assert_eq!(
        run(POD, object, patch).map(|v| v["spec"]["containers"][0]["ports"].clone()),
        Ok(want)
    );
}

#[test]
fn errors() {
    let object =
        json!({"data": {"k": "v"}, "metadata": {"finalizers": ["a"], "labels": {"a": "1"}}});
    let config_map = ("", "v1", "ConfigMap");
    for (patch, code, want) in [
        (
            json!({"$patch": "zap"}),
            422,
            "unknown patch type: zap in map: map[$patch:zap]",
        ),
        (
            json!([]),
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            json!({"data": {"$retainKeys": "x"}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"data": {"$retainKeys": [], "x": "1"}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": {"a": 1}}}),
            500,
            "expected a []interface {}, but received a map[string]interface {}",
        ),
        (
            json!({"metadata": {"$setElementOrder": []}}),
            400,
            "invalid patch format of setElementOrder list",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList": []}}),
            400,
            "invalid patch format of primitive list",
        ),
        (
            json!({"metadata": {"finalizers": [1]}}),
            500,
            "list element types are not identical: [[a] [1]]",
        ),
    ] {
        let status = run(config_map, object.clone(), patch.clone()).map_err(|e| e.to_status());
        assert_eq!(
            status.map_err(|s| (s.code, s.message)),
            Err((code, want.to_owned())),
            "{patch}"
        );
    }
    let object = json!({"spec": {"containers": [{"name": "a"}]}});
    let error = run(
        POD,
        object,
        json!({"spec": {"containers": [{"image": "x"}]}}),
    );
    assert_eq!(
        error.map_err(|e| e.to_string()),
        Err("map: map[image:x] does not contain declared merge key: name".into())
    );
}
