//! Definitions of custom resources, in their stored form.

use serde_json::{Value, json};

use super::{said, said_of_update};

const GROUP: &str = "apiextensions.k8s.io";
const RESOURCE: &str = "customresourcedefinitions";
const SCHEMA: &str = "spec.validation.openAPIV3Schema";

fn definition(change: impl Fn(&mut Value)) -> Value {
    let mut object = json!({
        "metadata": {"name": "as.x.example.com"},
        "spec": {
            "group": "x.example.com", "version": "v1", "scope": "Namespaced", "preserveUnknownFields": false,
            "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
            "validation": {"openAPIV3Schema": {"type": "object"}},
            "conversion": {"strategy": "None"}},
        "status": {"storedVersions": ["v1"]}});
    change(&mut object);
    object
}

fn told(change: impl Fn(&mut Value)) -> Vec<String> {
    said(GROUP, RESOURCE, &definition(change))
}

fn of_schema(schema: Value) -> Vec<String> {
    told(|object| object["spec"]["validation"]["openAPIV3Schema"] = schema.clone())
}

#[test]
fn a_plain_definition_is_right() {
    assert_eq!(told(|_| {}), Vec::<String>::new());
    let deep = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}},
            "anyOf": [{"properties": {"n": {"minimum": 1}}}]},
        "either": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}}}}});
    assert_eq!(of_schema(deep), Vec::<String>::new());
}

#[test]
fn names_and_versions() {
    assert_eq!(
        told(|object| object["spec"]["group"] = json!("local")),
        [
            "metadata.name: Invalid value: \"as.x.example.com\": must be spec.names.plural+\".\"+spec.group",
            "spec.group: Invalid value: \"local\": should be a domain with at least one dot"
        ]
    );
    assert_eq!(
        told(|object| object["spec"]["names"]["listKind"] = json!("A")),
        ["spec.names.listKind: Invalid value: \"A\": kind and listKind may not be the same"]
    );
    let said = told(|object| object["spec"]["versions"][0]["storage"] = json!(false));
    assert_eq!(said.len(), 1);
    assert!(
        said[0].ends_with("must have exactly one version marked as storage version"),
        "{said:?}"
    );
    let said = told(|object| object["status"]["storedVersions"] = json!(["v1", "v0"]));
    assert!(said[0].starts_with(
        "status.storedVersions[1]: Invalid value: \"v0\": missing from spec.versions;"
    ));
    assert_eq!(
        told(|object| object["spec"]["validation"] = Value::Null),
        ["spec.versions[0].schema.openAPIV3Schema: Required value"]
    );
}

#[test]
fn conversion_by_webhook_needs_one() {
    assert_eq!(
        told(|object| object["spec"]["conversion"] = json!({"strategy": "Webhook"})),
        [
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value"
        ]
    );
    assert_eq!(
        told(|object| object["spec"]["conversion"] = json!({"conversionReviewVersions": ["v1"]})),
        [
            "spec.conversion.strategy: Required value",
            "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"
        ]
    );
}

#[test]
fn schemas_are_structural() {
    let cases = [
        (
            json!({}),
            vec![format!(
                "{SCHEMA}.type: Required value: must not be empty at the root"
            )],
        ),
        (
            json!({"type": "object", "$schema": "x"}),
            vec![format!(
                "{SCHEMA}: Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported"
            )],
        ),
        (
            json!({"type": "object", "$ref": "x"}),
            vec![format!("{SCHEMA}.$ref: Forbidden: $ref is not supported")],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}, "b": {}}}),
            vec![
                format!("{SCHEMA}.properties[a].items: Required value: must be specified"),
                format!(
                    "{SCHEMA}.properties[b].type: Required value: must not be empty for specified object fields"
                ),
            ],
        ),
        (
            json!({"type": "object", "anyOf": [{"type": "object", "properties": {"x": {"minimum": 1}}}]}),
            vec![
                format!("{SCHEMA}.anyOf[0].type: Forbidden: must be empty to be structural"),
                format!(
                    "{SCHEMA}.properties[x]: Required value: because it is defined in {SCHEMA}.anyOf[0].properties[x]"
                ),
            ],
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            vec![format!(
                "{SCHEMA}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
            )],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}}}),
            vec![format!(
                "{SCHEMA}.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
            )],
        ),
        (
            json!({"type": "object", "x-kubernetes-validations": [{"rule": "", "fieldPath": ".nosuch"}]}),
            vec![
                format!(
                    "{SCHEMA}.x-kubernetes-validations[0].rule: Required value: rule is not specified"
                ),
                format!(
                    "{SCHEMA}.x-kubernetes-validations[0].fieldPath: Invalid value: \".nosuch\": must be a valid path"
                ),
            ],
        ),
    ];
    for (schema, want) in cases {
        assert_eq!(of_schema(schema.clone()), want, "{schema}");
    }
}

#[test]
fn list_maps_have_keys() {
    let list = |items: Value, keys: Value| {
        json!({"type": "object", "properties": {"l": {"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": keys, "items": items}}})
    };
    let at = format!("{SCHEMA}.properties[l]");
    let keyed = json!({"type": "object", "properties": {"k": {"type": "string"}}});
    assert_eq!(
        of_schema(list(keyed.clone(), json!(["k", "k", "n"]))),
        [
            format!(
                "{at}.x-kubernetes-list-map-keys: Invalid value: [\"k\",\"k\",\"n\"]: must not contain duplicate entries"
            ),
            format!(
                "{at}.x-kubernetes-list-map-keys: Invalid value: [\"k\",\"k\",\"n\"]: entries must all be names of item properties"
            ),
            format!(
                "{at}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ),
            format!(
                "{at}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ),
        ]
    );
    assert_eq!(
        of_schema(list(json!({"type": "string"}), json!(["k"]))),
        [format!(
            "{at}.items.type: Invalid value: \"string\": must be object if parent array's x-kubernetes-list-type is map"
        )]
    );
}

#[test]
fn columns_and_selectable_fields() {
    assert_eq!(
        told(|object| object["spec"]["additionalPrinterColumns"] =
            json!([{"name": "n", "type": "x", "JSONPath": "spec"}])),
        [
            "spec.additionalPrinterColumns[0].type: Invalid value: \"x\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec\": must be a simple json path starting with ."
        ]
    );
    let said = told(|object| {
        object["spec"]["validation"]["openAPIV3Schema"] = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "object"}}});
        object["spec"]["selectableFields"] =
            json!([{"jsonPath": ".a"}, {"jsonPath": ".b"}, {"jsonPath": ".c"}, {"jsonPath": ".a"}]);
    });
    assert_eq!(
        said,
        [
            "spec.selectableFields[1].jsonPath: Invalid value: \".b\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
            "spec.selectableFields[2].jsonPath: Invalid value: \".c\": is an invalid path: does not refer to a valid field",
            "spec.selectableFields[3].jsonPath: Duplicate value: \".a\""
        ]
    );
}

#[test]
fn groups_of_the_community_need_approval() {
    let protected = |annotation: Option<&str>| {
        definition(|object| {
            object["spec"]["group"] = json!("x.k8s.io");
            object["metadata"]["name"] = json!("as.x.k8s.io");
            if let Some(text) = annotation {
                object["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": text});
            }
        })
    };
    let said = said(GROUP, RESOURCE, &protected(None));
    assert!(said[0].starts_with("metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have"));
    for right in [
        "https://github.com/kubernetes/kubernetes/pull/1",
        "unapproved, because",
    ] {
        assert_eq!(
            super::said(GROUP, RESOURCE, &protected(Some(right))),
            Vec::<String>::new()
        );
    }
    assert_eq!(
        super::said(GROUP, RESOURCE, &protected(Some("yes"))).len(),
        1
    );
}

#[test]
fn what_names_the_stored_objects_stays() {
    let mut old = definition(|_| {});
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    let mut new = old.clone();
    new["spec"]["scope"] = json!("Cluster");
    new["spec"]["names"]["kind"] = json!("B");
    assert_eq!(
        said_of_update(GROUP, RESOURCE, &new, &old),
        [
            "spec.scope: Invalid value: \"Cluster\": field is immutable",
            "spec.names.kind: Invalid value: \"B\": field is immutable"
        ]
    );
}

#[test]
fn what_v1_says_for_each_version_is_judged_as_said_once() {
    let object = json!({
        "metadata": {"name": "as.x.example.com"},
        "spec": {
            "group": "x.example.com", "scope": "Namespaced",
            "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {}}}],
            "conversion": {"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}},
        "status": {"storedVersions": ["v1"]}});
    assert_eq!(
        said(GROUP, RESOURCE, &object),
        [
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
            "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"
        ]
    );
}

#[test]
fn doubtful_schemas_are_warned_of() {
    let schema = |format: &str| {
        json!({"type": "object", "properties": {"a": {"type": "string", "format": format}, "l":
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object", "x-kubernetes-map-type": "atomic"}}}})
    };
    let with = |format: &str| {
        definition(|object| object["spec"]["validation"]["openAPIV3Schema"] = schema(format))
    };
    let kind = super::kind(GROUP, RESOURCE);
    let said = super::warnings(kind, &with("nope"), None);
    assert_eq!(
        said,
        [
            "unrecognized format \"nope\"",
            "x-kubernetes-list-type: set for items of type \"object\" is not supported by server-side apply or CEL validation rules"
        ]
    );
    assert_eq!(
        super::warnings(kind, &with("other"), Some(&with("date-time"))),
        ["unrecognized format \"other\""]
    );
}
