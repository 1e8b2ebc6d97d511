//! Schemas of custom resources are structural: each value has one place that says its type (apiextensions-apiserver
//! pkg/apiserver/schema/validation.go, complete.go and convert.go).

use serde_json::{Value, json};

use super::at::{At, Errors};

const JUNCTORS: &[&str] = &["allOf", "anyOf", "oneOf"];

/// Why a schema cannot be taken apart, the first reason found.
pub(super) fn unsupported(schema: &Value) -> Option<String> {
    const FIELDS: &[(&str, &str)] = &[
        ("id", "id"),
        ("$schema", "schema"),
        ("$ref", "$ref"),
        ("patternProperties", "patternProperties"),
        ("dependencies", "dependencies"),
        ("additionalItems", "additionalItems"),
        ("definitions", "definitions"),
    ];
    let map = schema.as_object()?;
    let filled = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    let field = FIELDS
        .iter()
        .find(|(name, _)| map.get(*name).is_some_and(filled));
    if let Some((_, shown)) = field {
        return Some(format!("OpenAPIV3Schema '{shown}' is not supported"));
    }
    if map.get("items").is_some_and(Value::is_array) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".into());
    }
    let inside = |name: &str| map.get(name).into_iter();
    let listed = JUNCTORS
        .iter()
        .flat_map(|name| inside(name).filter_map(Value::as_array).flatten());
    let mapped = inside("properties")
        .filter_map(Value::as_object)
        .flat_map(|map| map.values());
    let single = ["not", "items", "additionalProperties"]
        .iter()
        .flat_map(|name| inside(name));
    listed.chain(mapped).chain(single).find_map(unsupported)
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// The invariants of a structural schema, told sorted.
pub(super) fn structural(schema: &At<'_>, errors: &mut Errors) {
    let mut found = Errors::default();
    invariants(schema, Level::Root, &mut found);
    complete(schema, schema, &mut found);
    found.0.sort_by_key(ToString::to_string);
    errors.0.extend(found.0);
}

fn invariants(at: &At<'_>, level: Level, errors: &mut Errors) {
    if !at.value.is_object() {
        return;
    }
    let (kind, items, more) = (
        at.get("type"),
        at.get("items"),
        at.get("additionalProperties"),
    );
    if kind.text() == "array" && !items.given() {
        errors.required(&items, "must be specified");
    }
    invariants(&items, Level::Item, errors);
    for (_, property) in at.get("properties").entries() {
        invariants(&property, Level::Field, errors);
    }
    if more.given() && level == Level::Root {
        errors.forbidden(&more, "must not be used at the root");
    }
    invariants(&more, Level::Field, errors);
    int_or_string(at, errors);
    values(
        at,
        either_type(&at.get("anyOf")),
        either_type(&at.get("allOf").index(0).get("anyOf")),
        errors,
    );
    typed(at, level, errors);
    resource(at, level, errors);
}

fn int_or_string(at: &At<'_>, errors: &mut Errors) {
    if !at.get("x-kubernetes-int-or-string").yes() {
        return;
    }
    for field in [
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
    ] {
        if at.get(field).yes() {
            errors.invalid(
                &at.get(field),
                "must be false if x-kubernetes-int-or-string is true",
            );
        }
    }
}

/// The way to say "a number or a text".
fn either_type(any_of: &At<'_>) -> bool {
    any_of.value == &json!([{"type": "integer"}, {"type": "string"}])
}

fn typed(at: &At<'_>, level: Level, errors: &mut Errors) {
    let kind = at.get("type");
    let free = [
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    ];
    if at.get("x-kubernetes-embedded-resource").yes() && kind.text() != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if kind.empty() {
            errors.required(&kind, detail);
        } else {
            errors.invalid(&kind, detail);
        }
    } else if kind.empty() && !free.iter().any(|field| at.get(field).yes()) {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.required(&kind, detail);
    }
}

fn resource(at: &At<'_>, level: Level, errors: &mut Errors) {
    let (kind, more, properties) = (
        at.get("type"),
        at.get("additionalProperties"),
        at.get("properties"),
    );
    let embedded = at.get("x-kubernetes-embedded-resource").yes();
    if embedded && more.given() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&more, detail);
    }
    if level == Level::Root && !kind.empty() && kind.text() != "object" {
        errors.invalid(&kind, "must be object at the root");
    }
    let checked = level == Level::Root || embedded;
    for name in ["kind", "apiVersion"] {
        let property = properties.key(name);
        let kind = property.get("type");
        if checked && property.given() && kind.text() != "string" {
            errors.invalid_value(&kind, kind.text(), "must be string");
        }
    }
    let metadata = properties.key("metadata");
    if metadata.given() {
        let kind = metadata.get("type");
        if checked && kind.text() != "object" {
            errors.invalid_value(&kind, kind.text(), "must be object");
        }
        if level == Level::Root && !only_names(&metadata) {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.forbidden(&metadata, detail);
        }
    }
    let preserved = at.get("x-kubernetes-preserve-unknown-fields").yes();
    if embedded && !preserved && properties.empty() {
        errors.required(&properties, "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields");
    }
}

/// Metadata may restrict names, nothing else.
fn only_names(metadata: &At<'_>) -> bool {
    let fields = metadata.value.as_object().into_iter().flatten();
    fields
        .filter(|(_, value)| !value.is_null())
        .all(|(field, value)| match field.as_str() {
            "type" | "default" => true,
            "properties" => {
                let mut names = value.as_object().into_iter().flatten();
                names.all(|(name, _)| matches!(name.as_str(), "name" | "generateName"))
            }
            _ => false,
        })
}

fn values(at: &At<'_>, skip_any: bool, skip_first: bool, errors: &mut Errors) {
    for item in at.get("anyOf").items().filter(|_| !skip_any) {
        nested(&item, false, errors);
    }
    for (i, item) in at.get("allOf").items().enumerate() {
        nested(&item, skip_first && i == 0, errors);
    }
    at.get("oneOf")
        .items()
        .for_each(|item| nested(&item, false, errors));
    nested(&at.get("not"), false, errors);
    let pattern = at.get("pattern");
    if !pattern.empty()
        && let Err(why) = triad_cel::regex(pattern.text())
    {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid(&pattern, detail);
    }
}

/// Under a junctor stand values alone: what gives a value its structure has no place there.
fn nested(at: &At<'_>, skip_any: bool, errors: &mut Errors) {
    if !at.value.is_object() {
        return;
    }
    values(at, skip_any, false, errors);
    nested(&at.get("items"), false, errors);
    for (_, property) in at.get("properties").entries() {
        nested(&property, false, errors);
    }
    const FORBIDDEN: &[(&str, &str)] = &[
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        (
            "x-kubernetes-preserve-unknown-fields",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-embedded-resource",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-int-or-string",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-list-map-keys",
            "must be empty to be structural",
        ),
        (
            "x-kubernetes-list-type",
            "must be undefined to be structural",
        ),
        (
            "x-kubernetes-map-type",
            "must be undefined to be structural",
        ),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ];
    for (field, detail) in FORBIDDEN {
        let at = at.get(field);
        if !at.empty() && at.value != &Value::Bool(false) {
            errors.forbidden(&at, *detail);
        }
    }
    let metadata = at.get("properties").key("metadata");
    if metadata.given() {
        errors.forbidden(&metadata, "must not be specified in a nested context");
    }
}

/// What is said of a value under a junctor must have its place in the structure.
fn complete(values: &At<'_>, structure: &At<'_>, errors: &mut Errors) {
    let mut below: Vec<At<'_>> = vec![values.get("not")];
    for list in JUNCTORS {
        below.extend(values.get(list).items());
    }
    for value in below.iter().filter(|value| value.value.is_object()) {
        complete_nested(value, structure, errors);
    }
}

fn complete_nested(value: &At<'_>, structure: &At<'_>, errors: &mut Errors) {
    if !value.value.is_object() {
        return;
    }
    if !structure.given() {
        return errors.required(
            structure,
            &format!("because it is defined in {}", value.path),
        );
    }
    complete(value, structure, errors);
    complete_nested(&value.get("items"), &structure.get("items"), errors);
    for (name, property) in value.get("properties").entries() {
        let place = structure.get("properties").key(name);
        complete_nested(&property, &place, errors);
    }
}

/// Keys of a list map are there, and not null.
pub(super) fn map_keys(at: &At<'_>, errors: &mut Errors) {
    let (items, list) = (at.get("items"), at.get("x-kubernetes-list-type"));
    if !items.value.is_object() || !matches!(list.text(), "set" | "map") {
        return;
    }
    if items.get("nullable").yes() {
        let detail = format!(
            "cannot be nullable when x-kubernetes-list-type is {}",
            list.text()
        );
        errors.forbidden(&items.get("nullable"), detail);
    }
    if list.text() != "map" {
        return;
    }
    let required = items.get("required").strings();
    for key in at.get("x-kubernetes-list-map-keys").strings() {
        let property = items.get("properties").key(key);
        if !property.given() {
            continue;
        }
        if !required.contains(&key) && !property.get("default").given() {
            errors.required(&property.get("default"), "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property");
        }
        if property.get("nullable").yes() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&property.get("nullable"), detail);
        }
    }
}
