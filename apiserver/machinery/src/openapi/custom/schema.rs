//! The schema of a custom kind as it is published: what the definition says, and what every object has.

use serde_json::{Map, Value, json};

use super::super::{Descriptions, Form};
use crate::custom::Version;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
pub(super) const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// Where kind and apiVersion, which every object has, are described.
pub(super) const SAMPLE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const PARTIAL: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata";
const EMBEDDED_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const EMBEDDED_KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
/// What of a schema is not published.
const UNPUBLISHED: [&str; 10] = [
    "id",
    "$schema",
    "$ref",
    "definitions",
    "dependencies",
    "patternProperties",
    "additionalItems",
    "externalDocs",
    "example",
    "uniqueItems",
];
const JUNCTORS: [&str; 4] = ["allOf", "anyOf", "oneOf", "not"];

pub(super) fn api_version(descriptions: &Descriptions<'_>) -> Value {
    json!({"description": descriptions.of_field(SAMPLE, "apiVersion"), "type": "string"})
}

pub(super) fn kind(descriptions: &Descriptions<'_>) -> Value {
    json!({"description": descriptions.of_field(SAMPLE, "kind"), "type": "string"})
}

/// The schema of a version's objects.
pub(super) fn of_kind(version: &Version, descriptions: &Descriptions<'_>, form: Form) -> Value {
    let written = version.written();
    let preserves =
        version.preserves_unknown() || written["x-kubernetes-preserve-unknown-fields"] == true;
    // Tools would refuse what is not listed, so nothing is where anything may be.
    let bare = written.is_null() || form == Form::V2 && preserves;
    let mut out = match bare {
        true => json!({"type": "object"}),
        false => published(&written, form, descriptions),
    };
    if !bare {
        let metadata = descriptions.of_field(PARTIAL, "metadata");
        set(&mut out, "metadata", form.reference(OBJECT_META, metadata));
        set(&mut out, "apiVersion", api_version(descriptions));
        set(&mut out, "kind", kind(descriptions));
    }
    out["x-kubernetes-group-version-kind"] =
        json!([{"group": version.group, "version": version.name, "kind": version.kind}]);
    add_selectable(&mut out, version);
    out
}

pub(super) fn add_selectable(out: &mut Value, version: &Version) {
    if !version.selectable.is_empty() {
        let field = |path: &String| json!({"fieldPath": path});
        out["x-kubernetes-selectable-fields"] = version.selectable.iter().map(field).collect();
    }
}

fn set(schema: &mut Value, property: &str, value: Value) {
    if schema.get("properties").is_none() {
        schema["properties"] = Value::Object(Map::new());
    }
    schema["properties"][property] = value;
}

fn published(written: &Value, form: Form, descriptions: &Descriptions<'_>) -> Value {
    let Value::Object(map) = written else {
        return written.clone();
    };
    let flag = |name: &str| map.get(name) == Some(&Value::Bool(true));
    let preserves = flag("x-kubernetes-preserve-unknown-fields");
    let nullable = flag("nullable");
    let mut out = Map::new();
    for (name, value) in map {
        let hidden = value.is_null() || UNPUBLISHED.contains(&name.as_str());
        let unsaid = form == Form::V2
            && (JUNCTORS.contains(&name.as_str())
                || name == "nullable"
                || (nullable || preserves) && matches!(name.as_str(), "items" | "properties"));
        if hidden || unsaid {
            continue;
        }
        out.insert(name.to_string(), inner(name, value, form, descriptions));
    }
    if form == Form::V2 {
        plainer(&mut out, map, nullable, preserves);
    }
    if flag("x-kubernetes-int-or-string") && form == Form::V3 {
        either(&mut out);
    }
    let mut out = Value::Object(out);
    if flag("x-kubernetes-embedded-resource") && !(form == Form::V2 && preserves) {
        embedded(&mut out, form, descriptions);
    }
    out
}

fn inner(name: &str, value: &Value, form: Form, descriptions: &Descriptions<'_>) -> Value {
    let each = |value: &Value| published(value, form, descriptions);
    match (name, value) {
        ("properties", Value::Object(map)) => {
            let all = map.iter().map(|(name, value)| (name.clone(), each(value)));
            Value::Object(all.collect())
        }
        ("items" | "additionalProperties" | "not", Value::Object(_)) => each(value),
        ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => all.iter().map(each).collect(),
        _ => value.clone(),
    }
}

/// What tools of Swagger 2.0 cannot cope with goes.
fn plainer(
    out: &mut Map<String, Value>,
    written: &Map<String, Value>,
    nullable: bool,
    preserves: bool,
) {
    let kind = written.get("type").and_then(Value::as_str).unwrap_or("");
    let no_items = kind == "array" && !out.contains_key("items");
    if nullable || no_items || preserves && kind == "object" {
        out.shift_remove("type");
    }
    let is_null = |name: &str| {
        let property = written.get("properties").and_then(|all| all.get(name));
        property.is_some_and(|property| property["nullable"] == true)
    };
    if let Some(Value::Array(required)) = out.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(is_null));
        if required.is_empty() {
            out.shift_remove("required");
        }
    }
}

/// A number or a text, said in full (structural schemas' Unfold).
fn either(out: &mut Map<String, Value>) {
    let both = || json!([{"type": "integer"}, {"type": "string"}]);
    match (out.get("anyOf"), out.get("allOf")) {
        (None, Some(Value::Array(all)))
            if all
                .first()
                .is_some_and(|one| one.get("anyOf") == Some(&both())) => {}
        (None, _) => drop(out.insert("anyOf".to_owned(), both())),
        (Some(any), _) if *any == both() => {}
        (Some(_), _) => {
            let mut all = vec![json!({"anyOf": both()})];
            all.extend(
                out.get("allOf")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            out.insert("allOf".to_owned(), all.into());
        }
    }
}

fn embedded(out: &mut Value, form: Form, descriptions: &Descriptions<'_>) {
    set(
        out,
        "apiVersion",
        json!({"description": EMBEDDED_VERSION, "type": "string"}),
    );
    set(
        out,
        "kind",
        json!({"description": EMBEDDED_KIND, "type": "string"}),
    );
    let metadata = descriptions.of_field(PARTIAL, "metadata");
    set(out, "metadata", form.reference(OBJECT_META, metadata));
    let mut required = out["required"].as_array().cloned().unwrap_or_default();
    for name in ["kind", "apiVersion"] {
        if !required.iter().any(|one| one == name) {
            required.push(name.into());
        }
    }
    out["required"] = required.into();
}
