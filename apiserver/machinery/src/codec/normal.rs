//! The normal form of a tree: which decoded values stay, and what a nil element looks like.

use serde_json::{Map, Value};

use crate::schema::{Field, FieldType};

/// Whether a decoded value of the field says nothing that its absence would not say.
pub(crate) fn is_absent(field: &Field, value: &Value) -> bool {
    if field.pointer {
        return false;
    }
    match (&field.ty, value) {
        (
            FieldType::List(_) | FieldType::Wrapper(_) | FieldType::Map(_) | FieldType::Bytes,
            Value::Null,
        ) => true,
        (
            FieldType::List(_) | FieldType::Wrapper(_) | FieldType::Map(_) | FieldType::Bytes,
            value,
        ) => field.omitempty && is_empty(value),
        (ty, value) => is_zero(ty, value),
    }
}

/// Whether a value is Go's zero value of its type (lists and maps: nil or empty).
pub(crate) fn is_zero(ty: &FieldType, value: &Value) -> bool {
    match (ty, value) {
        (_, Value::Null) => true,
        (FieldType::Quantity, Value::String(s)) => s == "0",
        (FieldType::Duration, Value::String(s)) => s == "0s",
        (FieldType::IntOrString, Value::String(_)) => false,
        (
            FieldType::Raw | FieldType::Any | FieldType::Unknown | FieldType::SchemaOrBool(_),
            Value::Bool(b),
        ) => matches!(ty, FieldType::SchemaOrBool(_)) && !b,
        (FieldType::Raw | FieldType::Any | FieldType::Unknown, _) => false,
        (
            FieldType::SchemaOrBool(_) | FieldType::SchemaOrList(_) | FieldType::SchemaOrStrings(_),
            _,
        ) => false,
        (_, Value::Bool(b)) => !b,
        (_, Value::Number(n)) => {
            n.as_f64() == Some(0.0) && !n.as_f64().is_some_and(f64::is_sign_negative)
        }
        (_, value) => is_empty(value),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        _ => false,
    }
}

/// Go's zero value as the element of a list or the value of a map. Nil lists, maps and raw values, and the zero time, are null.
pub(crate) fn zero_element(ty: &FieldType) -> Value {
    match ty {
        FieldType::String => Value::String(String::new()),
        FieldType::Bool | FieldType::SchemaOrBool(_) => Value::Bool(false),
        FieldType::Int32 | FieldType::Int64 | FieldType::IntOrString => Value::from(0),
        FieldType::Float64 => Value::from(0.0),
        FieldType::Quantity => Value::from("0"),
        FieldType::Duration => Value::from("0s"),
        FieldType::Struct(_) => Value::Object(Map::new()),
        _ => Value::Null,
    }
}
