//! Where objects hold expressions, what they may refer to there, and what an update leaves alone. What expressions themselves may
//! say is tested in apiserver/cel.

use serde_json::{Value, json};

use super::{said, said_of_update};

const ADMISSION: &str = "admissionregistration.k8s.io";
const POLICIES: &str = "validatingadmissionpolicies";
const MUTATIONS: &str = "mutatingadmissionpolicies";
const HOOKS: &str = "validatingwebhookconfigurations";
const DEFINITIONS: &str = "apiextensions.k8s.io";
/// Known to stored expressions alone.
const NEWER: &str = "[1].includes(1)";

fn undeclared(path: &str, text: &str, name: &str, column: usize) -> String {
    let mark = ".".repeat(column - 1);
    let shown = serde_json::to_string(text).expect("a text");
    format!(
        "{path}: Invalid value: {shown}: compilation failed: ERROR: <input>:1:{column}: undeclared reference to '{name}' (in container '')\n | {text}\n | {mark}^"
    )
}

fn constraints() -> Value {
    json!({"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"], "scope": "*"}]})
}

fn policy(change: impl Fn(&mut Value)) -> Value {
    let mut object = json!({"metadata": {"name": "a.b"}, "spec": {
        "failurePolicy": "Fail", "matchConstraints": constraints(),
        "validations": [{"expression": "object.spec.replicas > 1"}]}});
    change(&mut object["spec"]);
    object
}

fn of_policy(change: impl Fn(&mut Value)) -> Vec<String> {
    said(ADMISSION, POLICIES, &policy(change))
}

#[test]
fn a_policy_refers_to_the_request_and_to_its_parameters() {
    assert_eq!(of_policy(|_| {}), Vec::<String>::new());
    let of_params =
        |spec: &mut Value| spec["validations"][0]["expression"] = json!("params.x == 1");
    assert_eq!(
        of_policy(of_params),
        [undeclared(
            "spec.validations[0].expression",
            "params.x == 1",
            "params",
            1
        )]
    );
    let with_kind = |spec: &mut Value| {
        of_params(spec);
        spec["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"});
        spec["matchConditions"] = json!([{"name": "a", "expression": "params.x == 1"}]);
    };
    assert_eq!(of_policy(with_kind), Vec::<String>::new());
}

#[test]
fn variables_have_the_types_of_their_expressions() {
    let with = |variable: &str, used: &str| {
        let (variable, used) = (variable.to_owned(), used.to_owned());
        of_policy(move |spec| {
            spec["variables"] = json!([{"name": "v", "expression": variable}]);
            spec["validations"][0]["expression"] = json!(used);
        })
    };
    assert_eq!(with("1", "variables.v > 0"), Vec::<String>::new());
    assert_eq!(
        with("'x'", "variables.v > 0"),
        [
            "spec.validations[0].expression: Invalid value: \"variables.v > 0\": compilation failed: ERROR: <input>:1:13: found no matching overload for '_>_' applied to '(string, int)'\n | variables.v > 0\n | ............^"
        ]
    );
    let said = with("nosuch", "variables.v > 0 && variables.w");
    assert_eq!(said.len(), 2);
    assert_eq!(
        said[0],
        undeclared("spec.variables[0].expression", "nosuch", "nosuch", 1)
    );
    assert!(said[1].contains("undefined field 'w'"), "{said:?}");
}

#[test]
fn each_expression_has_its_type() {
    let said = of_policy(|spec| {
        spec["validations"][0] =
            json!({"expression": "1", "messageExpression": "authorizer.path('/')"});
        spec["auditAnnotations"] = json!([{"key": "k", "valueExpression": " 1 "}]);
        spec["matchConditions"] = json!([{"name": "a", "expression": " 'x' "}]);
    });
    assert_eq!(
        said,
        [
            "spec.matchConditions[0].expression: Invalid value: \"'x'\": must evaluate to bool but got string".to_owned(),
            "spec.validations[0].expression: Invalid value: \"1\": must evaluate to bool but got int".to_owned(),
            undeclared("spec.validations[0].messageExpression", "authorizer.path('/')", "authorizer", 1),
            "spec.auditAnnotations[0].valueExpression: Invalid value: \" 1 \": must evaluate to one of [string null_type] but got int".to_owned(),
        ]
    );
}

#[test]
fn mutations_make_objects_or_patches() {
    let with = |mutation: Value| {
        json!({"metadata": {"name": "a"}, "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never", "matchConstraints": constraints(),
            "mutations": [mutation]}})
    };
    let apply = |text: &str| {
        let mutation =
            json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}});
        said(ADMISSION, MUTATIONS, &with(mutation))
    };
    let patch = |text: &str| {
        let mutation = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": text}});
        said(ADMISSION, MUTATIONS, &with(mutation))
    };
    assert_eq!(
        apply("Object{spec: Object.spec{x: 1}}"),
        Vec::<String>::new()
    );
    assert_eq!(
        patch("[JSONPatch{op: 'add', path: '/' + jsonpatch.escapeKey('a/b'), value: 1}]"),
        Vec::<String>::new()
    );
    assert_eq!(
        apply("[Object{}]"),
        [
            "spec.mutations[0].applyConfiguration.expression: Invalid value: \"[Object{}]\": must evaluate to Object but got list(Object)"
        ]
    );
    assert_eq!(
        patch("JSONPatch{op: 'test'}"),
        [
            "spec.mutations[0].jsonPatch.expression: Invalid value: \"JSONPatch{op: 'test'}\": must evaluate to list(JSONPatch) but got JSONPatch"
        ]
    );
}

/// What the version before would not understand may stay, and may not come.
#[test]
fn an_update_leaves_expressions_that_were_there() {
    let with = |text: &str| {
        let text = text.to_owned();
        policy(move |spec| spec["validations"][0]["expression"] = json!(text))
    };
    let refused = [undeclared(
        "spec.validations[0].expression",
        NEWER,
        "includes",
        13,
    )];
    assert_eq!(said(ADMISSION, POLICIES, &with(NEWER)), refused);
    assert_eq!(
        said_of_update(ADMISSION, POLICIES, &with(NEWER), &with("true")),
        refused
    );
    assert_eq!(
        said_of_update(ADMISSION, POLICIES, &with(NEWER), &with(NEWER)),
        Vec::<String>::new()
    );
}

#[test]
fn match_conditions_that_stay_are_not_looked_at() {
    let hook = |texts: [&str; 2]| {
        let condition = |name: &str, text: &str| json!({"name": name, "expression": text});
        json!({"metadata": {"name": "a"}, "webhooks": [{
            "name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "clientConfig": {"url": "https://a.b"},
            "matchConditions": [condition("a", texts[0]), condition("b", texts[1])]}]})
    };
    let bad = hook(["nosuch", "true"]);
    assert_eq!(
        said_of_update(ADMISSION, HOOKS, &bad, &bad),
        Vec::<String>::new()
    );
    assert_eq!(
        said_of_update(ADMISSION, HOOKS, &hook(["nosuch", "1 == 1"]), &bad),
        [undeclared(
            "webhooks[0].matchConditions[0].expression",
            "nosuch",
            "nosuch",
            1
        )]
    );
    assert_eq!(
        said(ADMISSION, HOOKS, &hook(["params.x", "variables.x"])),
        [
            undeclared(
                "webhooks[0].matchConditions[0].expression",
                "params.x",
                "params",
                1
            ),
            undeclared(
                "webhooks[0].matchConditions[1].expression",
                "variables.x",
                "variables",
                1
            ),
        ]
    );
}

#[test]
fn selectors_of_devices_are_bounded_in_length_and_cost() {
    let class = |text: String| json!({"metadata": {"name": "a"}, "spec": {"selectors": [{"cel": {"expression": text}}]}});
    let said = |text: &str| said("resource.k8s.io", "deviceclasses", &class(text.to_owned()));
    assert_eq!(
        said("device.driver == 'gpu.example.com'"),
        Vec::<String>::new()
    );
    let all = "device.attributes.all(a, device.attributes[a].all(b, ";
    assert_eq!(
        said(&format!("{0}{0}{0}true{1}{1}{1}", all, "))")),
        ["spec.selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit"]
    );
    assert_eq!(
        said(&format!("true || {}", "x".repeat(10 * 1024))),
        ["spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes"]
    );
    let bad = class("nosuch".to_owned());
    let group = "resource.k8s.io";
    assert_eq!(
        said_of_update(group, "deviceclasses", &bad, &bad),
        Vec::<String>::new()
    );
}

fn definition(schema: &Value) -> Value {
    json!({
        "metadata": {"name": "as.x.example.com"},
        "spec": {
            "group": "x.example.com", "version": "v1", "scope": "Namespaced", "preserveUnknownFields": false,
            "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
            "validation": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}},
            "conversion": {"strategy": "None"}},
        "status": {"storedVersions": ["v1"]}})
}

const SPEC: &str = "spec.validation.openAPIV3Schema.properties[spec]";
const HOW: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

fn of_schema(schema: &Value) -> Vec<String> {
    said(
        DEFINITIONS,
        "customresourcedefinitions",
        &definition(schema),
    )
}

fn shown(rule: &str) -> String {
    format!(
        "{{\"Rule\":\"{rule}\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}}"
    )
}

#[test]
fn rules_see_what_they_stand_at() {
    let schema = |rule: &str| {
        json!({"type": "object", "properties": {"n": {"type": "integer"}, "x-y": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": rule}]})
    };
    assert_eq!(
        of_schema(&schema(
            "self.n > 1 && self.x__dash__y != oldSelf.x__dash__y"
        )),
        Vec::<String>::new()
    );
    let path = format!("{SPEC}.x-kubernetes-validations[0].rule");
    assert_eq!(
        of_schema(&schema("self.m == 1")),
        [format!(
            "{path}: Invalid value: {}: compilation failed: ERROR: <input>:1:5: undefined field 'm'\n | self.m == 1\n | ....^",
            shown("self.m == 1")
        )]
    );
    assert_eq!(
        of_schema(&schema("self.n")),
        [format!(
            "{path}: Invalid value: {}: cel expression must evaluate to a bool",
            shown("self.n")
        )]
    );
}

/// Nothing is said of rules while the schema itself is wrong.
#[test]
fn rules_wait_for_their_schema() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "nothing"}},
        "x-kubernetes-validations": [{"rule": "nosuch"}]});
    let said = of_schema(&schema);
    assert!(
        !said.is_empty() && said.iter().all(|error| !error.contains("nosuch")),
        "{said:?}"
    );
}

#[test]
fn rules_may_not_cost_too_much() {
    let list = |most: Option<u32>| {
        let mut list = json!({"type": "array", "items": {"type": "string"}});
        if let Some(most) = most {
            list["maxItems"] = json!(most);
            list["items"]["maxLength"] = json!(10);
        }
        json!({"type": "object", "properties": {"l": list}, "x-kubernetes-validations": [
            {"rule": "self.l.all(x, self.l.all(y, x == y))"}]})
    };
    assert_eq!(of_schema(&list(Some(10))), Vec::<String>::new());
    let path = format!("{SPEC}.x-kubernetes-validations[0].rule");
    let schema = "spec.validation.openAPIV3Schema";
    assert_eq!(
        of_schema(&list(None)),
        [
            format!(
                "{path}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {HOW}"
            ),
            format!(
                "{path}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            ),
            format!(
                "{schema}: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x {HOW}"
            ),
        ]
    );
}

#[test]
fn old_values_are_not_found_again_in_plain_lists() {
    let list = |kind: &str, rule: Value| {
        json!({"type": "array", "maxItems": 3, "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": if kind == "map" { json!(["k"]) } else { json!(null) },
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string", "maxLength": 3}},
                "x-kubernetes-validations": [rule]}})
    };
    let rule = json!({"rule": "self == oldSelf"});
    assert_eq!(of_schema(&list("map", rule.clone())), Vec::<String>::new());
    let path = format!("{SPEC}.items.x-kubernetes-validations[0]");
    assert_eq!(
        of_schema(&list("atomic", rule)),
        [format!(
            "{path}.rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within {SPEC}"
        )]
    );
    assert_eq!(
        of_schema(&list(
            "atomic",
            json!({"rule": "self.k != ''", "optionalOldSelf": true})
        )),
        [format!(
            "{path}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
        )]
    );
}

/// A schema that stays is not refused for what one of its rules costs.
#[test]
fn an_update_leaves_a_dear_rule_alone() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer"}, "maxItems": 2000}},
        "x-kubernetes-validations": [{"rule": "self.l.all(x, self.l.all(y, x == y))"}]});
    let path = format!("{SPEC}.x-kubernetes-validations[0].rule");
    let said = of_schema(&schema);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&format!(
            "{path}: Forbidden: estimated rule cost exceeds budget by factor of "
        )),
        "{said:?}"
    );
    let kept = definition(&schema);
    assert_eq!(
        said_of_update(DEFINITIONS, "customresourcedefinitions", &kept, &kept),
        Vec::<String>::new()
    );
}
