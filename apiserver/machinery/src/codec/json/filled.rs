//! An object as Go would marshal it: fields that are never left out are there with their zero value, empty ones that
//! may be left out are gone. Patches change this form, and ownership is worked out on it, so that `spec: {}` is not news.

use serde_json::{Map, Number, Value};

use super::writer::null_counts;
use crate::schema::{Field, FieldType, Schema, TypeId};

/// The filled form of a struct value; keys that the schema does not know stay as they are.
pub(crate) fn filled(value: &Value, schema: &Schema, id: TypeId) -> Value {
    let (Value::Object(map), Some(fields)) = (value, schema.struct_of(id)) else {
        return value.clone();
    };
    let mut out = Map::with_capacity(map.len() + 2);
    for (key, value) in map.iter().filter(|(key, _)| fields.field(key).is_none()) {
        out.put(key, value.clone());
    }
    for field in &fields.fields {
        let given = map.get(field.name.as_ref());
        if given.is_some_and(Value::is_null) && null_counts(field) {
            out.put(&field.name, Value::Null);
            continue;
        }
        let value = filled_field(given, field, schema);
        let left_out =
            field.omitempty && is_empty(&value, field) || field.omitzero && is_zero(&value);
        if !left_out {
            out.put(&field.name, value);
        }
    }
    Value::Object(out)
}

fn filled_field(value: Option<&Value>, field: &Field, schema: &Schema) -> Value {
    match value {
        Some(Value::Null) | None if field.pointer => Value::Null,
        Some(Value::Null) | None => zero(&field.ty, schema),
        Some(value) => filled_type(value, &field.ty, schema),
    }
}

fn filled_type(value: &Value, ty: &FieldType, schema: &Schema) -> Value {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(_)) => filled(value, schema, *id),
        (FieldType::Struct(_), Value::Null) => zero(ty, schema),
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(items)) => items
            .iter()
            .map(|item| filled_type(item, element, schema))
            .collect(),
        (FieldType::Map(element), Value::Object(map)) => {
            let entries = map.iter();
            let entries =
                entries.map(|(key, item)| (key.clone(), filled_type(item, element, schema)));
            let mut map: Map<String, Value> = entries.collect();
            map.sort_keys();
            Value::Object(map)
        }
        (FieldType::Float64, Value::Number(number)) => read_back(number),
        (
            FieldType::Raw
            | FieldType::Any
            | FieldType::Unknown
            | FieldType::SchemaOrBool(_)
            | FieldType::SchemaOrList(_)
            | FieldType::SchemaOrStrings(_),
            value,
        ) => untyped(value),
        _ => value.clone(),
    }
}

/// A number as it is read without a schema once it has been written: whole ones are integers where they fit.
fn read_back(number: &Number) -> Value {
    let whole = |float: f64| float.fract() == 0.0 && float.abs() < 9e18;
    match number.as_f64() {
        _ if number.is_i64() => Value::Number(number.clone()),
        Some(float) if number.is_f64() && whole(float) => (float as i64).into(),
        Some(float) => float.into(),
        None => Value::Null,
    }
}

/// A value without a schema as it is read once it has been written.
fn untyped(value: &Value) -> Value {
    match value {
        Value::Number(number) => read_back(number),
        Value::Array(items) => items.iter().map(untyped).collect(),
        Value::Object(map) if map.values().all(is_kept) => value.clone(),
        Value::Object(map) => {
            let entries = map.iter();
            Value::Object(entries.map(|(key, item)| (key, untyped(item))).collect())
        }
        other => other.clone(),
    }
}

/// Whether writing and reading leaves a value without a schema as it is.
fn is_kept(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        Value::Array(items) => items.iter().all(is_kept),
        Value::Object(map) => map.values().all(is_kept),
        _ => true,
    }
}

fn zero(ty: &FieldType, schema: &Schema) -> Value {
    match ty {
        FieldType::String => "".into(),
        FieldType::Bool => false.into(),
        FieldType::Int32 | FieldType::Int64 | FieldType::Float64 | FieldType::IntOrString => {
            0.into()
        }
        FieldType::Quantity => "0".into(),
        FieldType::Duration => "0s".into(),
        FieldType::Struct(id) => filled(&Value::Object(Map::new()), schema, *id),
        _ => Value::Null,
    }
}

/// Go's `omitempty`: structs are never empty.
fn is_empty(value: &Value, field: &Field) -> bool {
    match value {
        Value::Null => {
            field.pointer
                || !matches!(
                    field.ty,
                    FieldType::Time | FieldType::MicroTime | FieldType::Raw
                )
        }
        _ if field.pointer => false,
        Value::String(text) => {
            text.is_empty()
                && !matches!(
                    field.ty,
                    FieldType::Quantity | FieldType::Duration | FieldType::IntOrString
                )
        }
        Value::Number(number) => number.as_f64() == Some(0.0) && field.ty != FieldType::IntOrString,
        Value::Bool(flag) => !flag,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && matches!(field.ty, FieldType::Map(_)),
    }
}

/// Go's `omitzero`, as far as values made here can be zero.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(flag) => !flag,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
    }
}
