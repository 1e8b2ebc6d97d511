//! JSON Patch: the operations, the corners where evanphx/json-patch leaves the RFC, and the limits.

use super::*;
use crate::codec::Strictness;
use serde_json::json;

fn run(document: Value, patch: Value) -> Result<Value, PatchError> {
    JsonPatch::from_value(patch, true)?.apply(document)
}

#[test]
fn operations() {
    for (document, patch, want) in [
        (
            json!({"a": 1}),
            json!([{"op": "add", "path": "/b", "value": 2}]),
            json!({"a": 1, "b": 2}),
        ),
        (
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/0", "value": 2}]),
            json!({"a": [2, 1]}),
        ),
        (
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/-", "value": 2}]),
            json!({"a": [1, 2]}),
        ),
        (
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/1", "value": 2}]),
            json!({"a": [1, 2]}),
        ),
        (
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/-1", "value": 2}]),
            json!({"a": [1, 2]}),
        ),
        (
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/-2", "value": 2}]),
            json!({"a": [2, 1]}),
        ),
        (
            json!({"a": [1, 2]}),
            json!([{"op": "remove", "path": "/a/-1"}]),
            json!({"a": [1]}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "remove", "path": "/a"}]),
            json!({}),
        ),
        (
            json!({}),
            json!([{"op": "replace", "path": "/a", "value": 1}]),
            json!({"a": 1}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "replace", "path": "", "value": {"b": 1}}]),
            json!({"b": 1}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "move", "from": "/a", "path": "/b"}]),
            json!({"b": 1}),
        ),
        (
            json!({"a": {"x": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}]),
            json!({"a": {"x": 1}, "b": {"x": 1}}),
        ),
        (
            json!({"a/b~": 1}),
            json!([{"op": "test", "path": "/a~1b~0", "value": 1}]),
            json!({"a/b~": 1}),
        ),
        (
            json!({}),
            json!([{"op": "test", "path": "/a", "value": null}]),
            json!({}),
        ),
        (
            json!({}),
            json!([{"op": "add", "path": "/a"}]),
            json!({"a": null}),
        ),
        (
            json!({}),
            json!([{"op": "add", "path": "x/a", "value": 1}]),
            json!({"a": 1}),
        ),
        (json!({"a": 1}), Value::Null, json!({"a": 1})),
    ] {
        assert_eq!(run(document, patch.clone()), Ok(want), "{patch}");
    }
}

#[test]
fn refusals() {
    let document = json!({"a": [1], "b": {"c": "x"}, "n": null});
    for patch in [
        json!([{"op": "add", "path": "/x/y", "value": 1}]),
        json!([{"op": "add", "path": "/n/y", "value": 1}]),
        json!([{"op": "add", "path": "/b/c/d", "value": 1}]),
        json!([{"op": "add", "path": "/a/2", "value": 1}]),
        json!([{"op": "add", "path": "/a/1000000000", "value": 1}]),
        json!([{"op": "add", "path": "/a/-3", "value": 1}]),
        json!([{"op": "add", "path": "/a/x", "value": 1}]),
        json!([{"op": "add", "path": "", "value": {}}]),
        json!([{"op": "replace", "path": "/a/1", "value": 1}]),
        json!([{"op": "replace", "path": "", "value": 1}]),
        json!([{"op": "remove", "path": "/x"}]),
        json!([{"op": "remove", "path": "/a/1"}]),
        json!([{"op": "move", "from": "/x", "path": "/y"}]),
        json!([{"op": "test", "path": "/b/c", "value": "y"}]),
        json!([{"op": "test", "path": "/b/c", "value": null}]),
        json!([{"op": "test", "path": "/a/0", "value": 1.0}]),
        json!([{"op": "frob", "path": "/a"}]),
        json!([{"path": "/a"}]),
        json!([{"op": "add", "value": 1}]),
        json!([null]),
    ] {
        let result = run(document.clone(), patch.clone());
        assert!(
            matches!(result, Err(PatchError::DoesNotApply(_))),
            "{patch}: {result:?}"
        );
    }
}

#[test]
fn malformed_patches() {
    for (patch, typed, want) in [
        (
            json!({"op": "add"}),
            true,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            json!("x"),
            true,
            "error decoding patch: json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp",
        ),
        (
            json!(["x"]),
            true,
            "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp",
        ),
        (
            json!({}),
            false,
            "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
        ),
        (
            json!([{"op": 1}]),
            true,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
    ] {
        assert_eq!(
            JsonPatch::from_value(patch, typed),
            Err(PatchError::Malformed(want.to_owned()))
        );
    }
}

#[test]
fn limits() {
    let many: Vec<Value> = (0..=MAX_OPERATIONS)
        .map(|_| json!({"op": "test", "path": "/a", "value": null}))
        .collect();
    let error = JsonPatch::from_value(Value::Array(many), true).map_err(|e| e.to_status());
    assert_eq!(
        error.map_err(|s| (s.code, s.message)),
        Err((413, "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001".to_owned()))
    );
    let bomb: Vec<Value> = (0..40)
        .map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"}))
        .collect();
    assert!(matches!(
        run(json!({"a": ["x"]}), Value::Array(bomb)),
        Err(PatchError::DoesNotApply(_))
    ));
}

#[test]
fn copies_into_themselves_stay_shallow_enough() {
    let mut path = "/a".to_owned();
    let mut operations = Vec::new();
    for _ in 0..16 {
        operations.push(json!({"op": "copy", "from": "/a", "path": format!("{path}/0")}));
        path = format!("{path}{}", path.trim_start_matches("/a").to_owned() + "/0");
    }
    let document = json!({"a": [1]});
    let result = run(document, Value::Array(operations));
    assert_eq!(
        result,
        Err(PatchError::DoesNotApply("exceeded max depth".to_owned()))
    );
}

/// Whatever thread carries them out: operations that bring something deep, that meet it and that leave it behind.
#[test]
fn deep_documents_are_patched_on_a_small_stack() {
    let deep = r#"{"a":["#.repeat(2_500) + "1" + &"]}".repeat(2_500);
    let read = |text: &str| {
        let decoded = crate::codec::json::decode_untyped(text.as_bytes(), Strictness::Ignore);
        decoded.expect("JSON").value
    };
    let bring = format!(r#"[{{"op":"add","path":"/x","value":{deep}}},"#);
    let copy = r#"{"op":"copy","from":"/x","path":"/y"},{"op":"remove","path":"/x"},{"op":"test","path":"/y","value":1}]"#;
    let brings = JsonPatch::from_value(read(&(bring + copy)), true).expect("a patch");
    let meets = JsonPatch::from_value(read(&format!("[{copy}")), true).expect("a patch");
    let there = json!({"x": [read(&deep)]});
    let apply = |patch: &JsonPatch, document: &Value| {
        let document = document.clone();
        let patched = std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(128 << 10);
            let applied = small.spawn_scoped(scope, || patch.apply(document));
            applied.expect("a thread").join().expect("no overrun")
        });
        assert!(
            matches!(patched, Err(PatchError::DoesNotApply(why)) if why.ends_with(TEST_FAILED))
        );
    };
    apply(&brings, &json!({}));
    apply(&meets, &there);
}

#[test]
fn walked_maps_come_out_sorted() {
    let patch = json!([{"op": "add", "path": "/b/z/k", "value": 1}, {"op": "add", "path": "/b/a", "value": 1}]);
    let result = run(
        json!({"c": {"y": 1, "x": 1}, "b": {"z": {"l": 1}, "y": 1}}),
        patch,
    )
    .map(|v| v.to_string());
    assert_eq!(
        result.as_deref(),
        Ok(r#"{"b":{"a":1,"y":1,"z":{"k":1,"l":1}},"c":{"y":1,"x":1}}"#)
    );
}

#[test]
fn unknown_fields_are_named() {
    let patch = JsonPatch::from_value(json!([{"op": "test", "path": "/x", "foo": 1}]), true);
    assert_eq!(
        patch.map(|p| p.unknown_fields()),
        Ok(vec!["json patch unknown field \"[0].foo\"".to_owned()])
    );
}
