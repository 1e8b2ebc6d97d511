//! Objects of one definition: what its schema takes away, fills in, refuses and lets be.

use super::*;
use serde_json::json;

fn version(schema: Value, more: Value) -> std::sync::Arc<Version> {
    let mut version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    if let (Value::Object(version), Value::Object(more)) = (&mut version, more) {
        version.extend(more);
    }
    let definition = Definition::read(&json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version], "conversion": {"strategy": "None"}},
        "status": {"acceptedNames": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}},
    }));
    let definition = definition.expect("a definition");
    definition.versions[0].clone()
}

/// A version whose spec has these properties.
fn of_spec(properties: Value) -> std::sync::Arc<Version> {
    let spec = json!({"type": "object", "properties": properties});
    version(
        json!({"type": "object", "properties": {"spec": spec}}),
        json!({}),
    )
}

fn widget(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec})
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn judged(version: &Version, spec: Value) -> Vec<String> {
    texts(&validate(version, &widget(spec)))
}

#[test]
fn what_is_unknown_goes_and_is_told() {
    let version = of_spec(json!({
        "a": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": {"type": "object", "properties": {"k": {"type": "string"}}}}},
    }));
    let mut object = widget(json!({
        "a": "x", "b": 1, "list": [{"k": "v", "z": 1}], "map": {"m": {"k": "v", "z": 1}},
        "free": {"more": {"any": 1}, "known": {"k": "v", "z": 1}},
    }));
    object["top"] = json!(1);
    object["metadata"]["nope"] = json!(1);
    let unknown = coerce(&version, &mut object).expect("an object");
    assert_eq!(
        unknown,
        [
            "metadata.nope",
            "spec.b",
            "spec.free.known.z",
            "spec.list[0].z",
            "spec.map.m.z",
            "top"
        ]
        .map(|path| format!("unknown field \"{path}\""))
    );
    let kept = json!({"a": "x", "list": [{"k": "v"}], "map": {"m": {"k": "v"}}, "free": {"more": {"any": 1}, "known": {"k": "v"}}});
    assert_eq!(object, widget(kept));
}

#[test]
fn defaults_fill_what_is_absent_and_null_where_it_may_not_be() {
    let version = of_spec(json!({
        "a": {"type": "string", "default": "x"},
        "n": {"type": "string", "nullable": true, "default": "x"},
        "gone": {"type": "string"},
        "deep": {"type": "object", "default": {"junk": 1}, "properties": {"p": {"type": "integer", "default": 1}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "integer", "default": 2}}}},
    }));
    let mut object = widget(json!({"a": null, "n": null, "gone": null, "list": [{}]}));
    coerce(&version, &mut object).expect("an object");
    apply_defaults(&version, &mut object);
    assert_eq!(
        object["spec"],
        json!({"a": "x", "n": null, "deep": {"p": 1}, "list": [{"p": 2}]})
    );
}

#[test]
fn metadata_is_read_as_metadata() {
    let version = of_spec(
        json!({"e": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}),
    );
    let mut object = widget(json!({}));
    object["metadata"]["labels"] = json!({"a": 5});
    assert_eq!(
        coerce(&version, &mut object).expect_err("no text"),
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    );
    coerce_stored(&version, &mut object).expect("what is stored is read as far as it goes");
    assert_eq!(object["metadata"], json!({"name": "a", "generation": 1}));
    let errors = judged(
        &version,
        json!({"e": {"kind": "Pod", "metadata": {"name": "a/b"}}}),
    );
    assert_eq!(
        errors,
        [
            "spec.e.apiVersion: Required value",
            "spec.e.metadata.name: Invalid value: \"a/b\": may not contain '/'"
        ]
    );
}

#[test]
fn values_are_held_against_the_schema() {
    let version = of_spec(json!({
        "s": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "i": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10, "multipleOf": 3},
        "e": {"type": "string", "enum": ["a", "b"]},
        "l": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        "ios": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "one": {"type": "object", "oneOf": [{"required": ["x"]}, {"required": ["y"]}], "properties": {"x": {"type": "string"}, "y": {"type": "string"}}},
        "dt": {"type": "string", "format": "date-time"},
    }));
    let check = |spec: Value, wanted: &[&str]| assert_eq!(judged(&version, spec), wanted);
    check(
        json!({"s": "abc", "i": 3, "e": "a", "l": ["x"], "ios": "5%", "one": {"x": "1"}, "dt": "2024-01-01T00:00:00.5+02:00"}),
        &[],
    );
    check(
        json!({"s": "a"}),
        &["spec.s: Invalid value: \"a\": spec.s in body should be at least 2 chars long"],
    );
    check(
        json!({"s": "abcdef"}),
        &["spec.s: Too long: may not be more than 5 bytes"],
    );
    check(
        json!({"s": "ABC"}),
        &["spec.s: Invalid value: \"ABC\": spec.s in body should match '^[a-z]+$'"],
    );
    check(
        json!({"s": 5}),
        &["spec.s: Invalid value: \"integer\": spec.s in body must be of type string: \"integer\""],
    );
    check(
        json!({"i": 4}),
        &["spec.i: Invalid value: 4: spec.i in body should be a multiple of 3"],
    );
    check(
        json!({"i": 3.5}),
        &[
            "spec.i: Invalid value: \"int32\": spec.i in body must be of type int32: \"float64\""
                .replace("\"int32\": spec", "\"float64\": spec")
                .as_str(),
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.i",
            "spec.i: Invalid value: 3.5: spec.i in body should be a multiple of 3",
        ],
    );
    check(
        json!({"e": "c"}),
        &["spec.e: Unsupported value: \"c\": supported values: \"a\", \"b\""],
    );
    check(
        json!({"l": ["x", "y"]}),
        &["spec.l: Too many: 2: must have at most 1 item"],
    );
    check(
        json!({"ios": true}),
        &[
            "spec.ios: Invalid value: \"boolean\": spec.ios in body must be of type integer,string: \"boolean\"",
            "<nil>: Invalid value: \"\": \"spec.ios\" must validate at least one schema (anyOf)",
            "spec.ios: Invalid value: \"boolean\": spec.ios in body must be of type integer: \"boolean\"",
        ],
    );
    check(
        json!({"one": {}}),
        &[
            "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found none valid",
            "spec.one.x: Required value",
        ],
    );
    check(
        json!({"dt": "nope"}),
        &["spec.dt: Invalid value: \"nope\": spec.dt in body must be of type date-time: \"nope\""],
    );
}

#[test]
fn what_was_wrong_before_is_let_be_while_it_stays() {
    let version = of_spec(json!({
        "a": {"type": "string", "pattern": "^[a-z]+$"},
        "b": {"type": "string"},
        "l": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }));
    let old = widget(json!({"a": "BAD", "l": ["q", "q"]}));
    let update = |spec| texts(&validate_update(&version, &widget(spec), &old));
    assert!(update(json!({"a": "BAD", "b": "new", "l": ["q", "q"]})).is_empty());
    assert_eq!(
        update(json!({"a": "WORSE", "l": ["q", "q"]})),
        ["spec.a: Invalid value: \"WORSE\": spec.a in body should match '^[a-z]+$'"]
    );
}

#[test]
fn items_with_names_come_once() {
    let version = of_spec(json!({
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "p": {"type": "integer"}}}},
    }));
    let errors = judged(
        &version,
        json!({"set": ["a", "b", "a"], "map": [{"k": "a", "p": 1}, {"k": "a", "p": 1}]}),
    );
    assert!(
        errors.contains(&"spec.set[2]: Duplicate value: \"a\"".to_owned()),
        "{errors:?}"
    );
    assert!(
        errors.contains(&"spec.map[1]: Duplicate value: {\"k\":\"a\",\"p\":1}".to_owned()),
        "{errors:?}"
    );
}

#[test]
fn rules_see_values_by_their_schema() {
    let version = version(
        json!({"type": "object", "properties": {"spec": {"type": "object",
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "min above max"},
                {"rule": "self.at > timestamp('2024-01-01T00:00:00Z')"},
                {"rule": "self.x__dash__y == 'z'", "messageExpression": "'is ' + self.x__dash__y", "fieldPath": ".x-y", "reason": "FieldValueForbidden"},
            ],
            "properties": {"min": {"type": "integer"}, "max": {"type": "number"}, "at": {"type": "string", "format": "date-time"}, "x-y": {"type": "string"}}}}}),
        json!({}),
    );
    let good = json!({"min": 1, "max": 2, "at": "2025-01-01T00:00:00Z", "x-y": "z"});
    assert_eq!(judged(&version, good), [""; 0]);
    let bad = json!({"min": 3, "max": 2, "at": "2023-01-01T00:00:00Z", "x-y": "q"});
    assert_eq!(
        judged(&version, bad),
        [
            "spec: Invalid value: min above max",
            "spec: Invalid value: failed rule: self.at > timestamp('2024-01-01T00:00:00Z')",
            "spec.x-y: Forbidden: is q"
        ]
    );
    let unfit = judged(&version, json!({"min": "x"}));
    assert_eq!(unfit.len(), 2);
    assert_eq!(unfit[1], format!("<nil>: Invalid value: null: {UNCHECKED}"));
}

#[test]
fn transition_rules_need_an_old_value() {
    let version = of_spec(json!({
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}]},
        "once": {"type": "string", "x-kubernetes-validations": [{"rule": "oldSelf.hasValue() || self == 'first'", "optionalOldSelf": true}]},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}},
    }));
    assert_eq!(judged(&version, json!({"fixed": "a"})), [""; 0]);
    assert_eq!(
        judged(&version, json!({"once": "second"})),
        [
            "spec.once: Invalid value: \"second\": failed rule: oldSelf.hasValue() || self == 'first'"
        ]
    );
    let old = widget(json!({"fixed": "a", "items": [{"k": "x", "v": 5}, {"k": "y", "v": 1}]}));
    let update = |spec| texts(&validate_update(&version, &widget(spec), &old));
    assert_eq!(
        update(json!({"fixed": "b", "items": [{"k": "y", "v": 1}, {"k": "x", "v": 4}]})),
        [
            "spec.fixed: Invalid value: \"b\": immutable",
            "spec.items[1].v: Invalid value: 4: failed rule: self >= oldSelf"
        ]
    );
}

#[test]
fn rules_share_one_budget() {
    let item = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('^(a|b|c)*$')"}]});
    let version = of_spec(json!({"l": {"type": "array", "items": item}}));
    let dear = "abc".repeat(100_000);
    let errors = judged(&version, json!({"l": vec![dear; 200]}));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("no further validation rules will be run"),
        "{errors:?}"
    );
}

#[test]
fn a_scale_is_where_the_definition_says() {
    let version = version(
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        json!({"subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.sel"}}}),
    );
    let scale = version.scale().expect("a scale");
    let mut object = widget(json!({}));
    object["status"] = json!({"size": 2, "sel": "a=b"});
    let seen = scale.see(&object).expect("a scale");
    assert_eq!(
        (seen.spec_replicas, seen.status_replicas, &*seen.selector),
        (None, 2, "a=b")
    );
    scale.set(&mut object, 3).expect("there is room");
    assert_eq!(object["spec"], json!({"size": 3}));
    assert_eq!(
        judged(&version, json!({"size": -1})),
        [".spec.size: Invalid value: -1: should be a non-negative integer"]
    );
}

#[test]
fn released_versions_come_before_others() {
    let mut names = [
        "v1",
        "v10",
        "v2",
        "v2beta1",
        "v2alpha1",
        "foo",
        "bar",
        "v11alpha2",
    ];
    names.sort_by(|a, b| compare_versions(b, a));
    assert_eq!(
        names,
        [
            "v10",
            "v2",
            "v1",
            "v2beta1",
            "v11alpha2",
            "v2alpha1",
            "bar",
            "foo"
        ]
    );
}
