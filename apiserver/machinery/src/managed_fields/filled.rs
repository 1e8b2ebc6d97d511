//! An object as Go would marshal it: fields that are never left out are there with their zero value, empty ones that
//! may be left out are gone. Ownership is worked out on this form, so that `spec: {}` is not news.

use serde_json::{Map, Value};

use crate::schema::{Field, FieldType, Schema, TypeId};

/// The filled form of a struct value; keys that the schema does not know stay as they are.
pub(super) fn filled(value: &Value, schema: &Schema, id: TypeId) -> Value {
    let (Value::Object(map), Some(fields)) = (value, schema.struct_of(id)) else {
        return value.clone();
    };
    let mut out = Map::with_capacity(map.len() + 2);
    for (key, value) in map.iter().filter(|(key, _)| fields.field(key).is_none()) {
        out.insert(key.clone(), value.clone());
    }
    for field in &fields.fields {
        let value = filled_field(map.get(field.name.as_ref()), field, schema);
        let left_out =
            field.omitempty && is_empty(&value, field) || field.omitzero && is_zero(&value);
        if !left_out {
            out.insert(field.name.to_string(), value);
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
        (FieldType::Map(element), Value::Object(map)) => Value::Object(
            map.iter()
                .map(|(key, item)| (key.clone(), filled_type(item, element, schema)))
                .collect(),
        ),
        _ => value.clone(),
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
            text.is_empty() && !matches!(field.ty, FieldType::Quantity | FieldType::Duration)
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
