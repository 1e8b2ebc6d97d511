//! An object as Go would marshal it: fields that are never left out are there with their zero value, empty ones that
//! may be left out are gone. Patches change this form, and ownership is worked out on it, so that `spec: {}` is not news.

use serde_json::{Map, Number, Value};

use super::writer::is_left_out;
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
        if !is_left_out(field, given) {
            out.put(&field.name, filled_field(given, field, schema));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{decode_untyped, encode};
    use crate::codec::{Strictness, normal::zero_element};
    use crate::schema::schema;
    use serde_json::json;

    /// What a field of a type may hold that says little.
    fn little(ty: &FieldType) -> Vec<Value> {
        match ty {
            FieldType::List(element) | FieldType::Wrapper(element) => {
                vec![json!([]), json!([zero_element(element)])]
            }
            FieldType::Map(element) => vec![json!({}), json!({"k": zero_element(element)})],
            FieldType::Bytes => vec!["".into()],
            FieldType::Any => vec![json!(""), json!(0), json!(false), json!([]), json!({})],
            FieldType::Raw => vec![json!({}), json!(0)],
            FieldType::IntOrString => vec![json!(0), json!("")],
            FieldType::Time => vec!["2026-01-01T00:00:00Z".into()],
            FieldType::MicroTime => vec!["2026-01-01T00:00:00.000000Z".into()],
            FieldType::Unknown | FieldType::SchemaOrList(_) | FieldType::SchemaOrStrings(_) => {
                vec![json!({})]
            }
            ty => vec![zero_element(ty)],
        }
    }

    /// Of every type of the table: the empty object, and one with each field that says little.
    #[test]
    fn what_is_filled_in_is_what_is_written() {
        let schema = schema();
        let check = |object: Value, id: TypeId| {
            let text = encode(&object, id, None);
            let written = decode_untyped(&text, Strictness::Ignore).expect("JSON");
            let (filled, name) = (filled(&object, schema, id), &schema.get(id).go_name);
            assert_eq!(filled, written.value, "{name} {object}");
        };
        for id in schema.type_ids() {
            let Some(shape) = schema.struct_of(id) else {
                continue;
            };
            check(json!({}), id);
            for field in &shape.fields {
                for value in little(&field.ty) {
                    check(json!({(field.name.as_ref()): value}), id);
                }
            }
        }
    }
}
