//! The schema of one field: its type, its default and the extensions that say how it merges (kube-openapi
//! pkg/generators/openapi.go, extension.go, enum.go).

use serde_json::{Map, Value, json};

use super::Form;
use super::definitions::Definitions;
use crate::schema::{Field, FieldType, ListType, MapType, Schema, TypeId};

/// The schema of a field, without `$ref`s that have neighbours where the form does not have them.
pub(super) fn schema_of(
    definitions: &mut Definitions<'_>,
    field: &Field,
    description: Option<String>,
) -> Value {
    let mut out = Map::new();
    let values = enum_values(definitions.schema, field.alias);
    let description = match (&field.ty, &values) {
        (FieldType::String, Some(values)) => {
            Some(with_values(description.unwrap_or_default(), values))
        }
        _ => description,
    };
    if let Some(text) = description {
        out.insert("description".into(), text.into());
    }
    let named = definitions.schema.innermost(field);
    let mut ty = type_of(definitions, &field.ty, named, values.as_ref());
    for key in ["type", "format"] {
        take(&mut ty, key, &mut out);
    }
    if definitions.form == Form::V3
        && let Some(default) = default_of(field)
    {
        out.insert("default".into(), default);
    }
    take(&mut ty, "enum", &mut out);
    take(&mut ty, "items", &mut out);
    let reference = ty.remove("$ref");
    match reference {
        Some(reference)
            if definitions.form == Form::V3 && (!out.is_empty() || has_extensions(field)) =>
        {
            out.insert("allOf".into(), json!([{"$ref": reference}]));
        }
        Some(reference) => {
            out.insert("$ref".into(), reference);
        }
        None => take(&mut ty, "additionalProperties", &mut out),
    }
    add_extensions(field, &mut out);
    out.into()
}

/// `type`, `format`, `enum`, `items`, `additionalProperties` or `$ref` of a type; `named` is the type at its bottom.
fn type_of(
    definitions: &mut Definitions<'_>,
    ty: &FieldType,
    named: Option<TypeId>,
    values: Option<&Value>,
) -> Map<String, Value> {
    let mut out = Map::new();
    let mut simple = |name: &str, format: &str| {
        out.insert("type".into(), name.into());
        if !format.is_empty() {
            out.insert("format".into(), format.into());
        }
    };
    match ty {
        FieldType::String => {
            simple("string", "");
            if let Some(values) = values {
                out.insert("enum".into(), values.clone());
            }
        }
        FieldType::Bool => simple("boolean", ""),
        FieldType::Int32 => simple("integer", "int32"),
        FieldType::Int64 => simple("integer", "int64"),
        FieldType::Float64 => simple("number", "double"),
        FieldType::Bytes => simple("string", "byte"),
        FieldType::Any => {}
        FieldType::List(element) | FieldType::Wrapper(element) => {
            let element = type_of(definitions, element, named, values);
            out.insert("type".into(), "array".into());
            out.insert("items".into(), element.into());
        }
        FieldType::Map(value) => {
            let value = type_of(definitions, value, named, values);
            out.insert("type".into(), "object".into());
            out.insert("additionalProperties".into(), value.into());
        }
        FieldType::Struct(id) => {
            out.insert("$ref".into(), definitions.reference(*id).into());
        }
        // The other types have a name and a form of their own.
        _ => {
            if let Some(id) = named {
                out.insert("$ref".into(), definitions.reference(id).into());
            }
        }
    }
    out
}

fn take(from: &mut Map<String, Value>, key: &str, to: &mut Map<String, Value>) {
    if let Some(value) = from.shift_remove(key) {
        to.insert(key.into(), value);
    }
}

/// The values of a closed set, in order; none for other types.
fn enum_values(schema: &Schema, alias: Option<TypeId>) -> Option<Value> {
    let ty = schema.get(alias?);
    if !ty.closed {
        return None;
    }
    let mut values: Vec<&str> = ty.values.iter().map(|v| &**v).collect();
    values.sort_unstable();
    Some(json!(values))
}

/// The description with a list of the values below it.
fn with_values(description: String, values: &Value) -> String {
    let mut lines: Vec<String> = values
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| format!("\n - `{value}`"))
        .collect();
    lines.sort_unstable();
    let text = format!("{description}\n\nPossible enum values:{}", lines.concat());
    text.trim().to_owned()
}

/// What absence stands for: said in the table, or Go's zero where the field is always written.
fn default_of(field: &Field) -> Option<Value> {
    if field.default.is_some() {
        return field.default.clone();
    }
    if field.pointer {
        return None;
    }
    match field.ty {
        FieldType::Struct(_) => Some(json!({})),
        _ if field.omitempty => None,
        FieldType::String => Some("".into()),
        FieldType::Bool => Some(false.into()),
        FieldType::Int32 | FieldType::Int64 | FieldType::Float64 => Some(0.into()),
        _ => None,
    }
}

fn has_extensions(field: &Field) -> bool {
    let mut out = Map::new();
    add_extensions(field, &mut out);
    !out.is_empty()
}

fn add_extensions(field: &Field, out: &mut Map<String, Value>) {
    let mut add = |name: &str, value: Value| {
        out.insert(format!("x-kubernetes-{name}"), value);
    };
    if !field.list_map_keys.is_empty() {
        add("list-map-keys", json!(field.list_map_keys));
    }
    if let Some(list_type) = field.list_type {
        let name = match list_type {
            ListType::Atomic => "atomic",
            ListType::Set => "set",
            ListType::Map => "map",
        };
        add("list-type", name.into());
    }
    if let Some(map_type) = field.map_type.or(field.struct_type) {
        add("map-type", map_type_name(map_type).into());
    }
    if let Some(key) = &field.merge_key {
        add("patch-merge-key", (&**key).into());
    }
    let strategy = field.patch_strategy;
    let names = [
        (strategy.merge, "merge"),
        (strategy.replace, "replace"),
        (strategy.retain_keys, "retainKeys"),
    ];
    let names: Vec<&str> = names
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| *name)
        .collect();
    if !names.is_empty() {
        add("patch-strategy", names.join(",").into());
    }
}

pub(super) fn map_type_name(map_type: MapType) -> &'static str {
    match map_type {
        MapType::Granular => "granular",
        MapType::Atomic => "atomic",
    }
}
