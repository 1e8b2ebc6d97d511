//! An object as Go would marshal it: fields that are never left out are there with their zero value, empty ones that
//! may be left out are gone. Patches change this form, and ownership is worked out on it, so that `spec: {}` is not news.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::writer::{Slots, is_left_out};
use crate::schema::{Field, FieldType, Schema, Struct, TypeId};

/// The filled form of a struct value; keys that the schema does not know stay as they are. What needs no filling in is shared.
pub(crate) fn filled(value: &Value, schema: &Schema, id: TypeId) -> Value {
    filled_struct(value, schema, id).into_owned()
}

/// Borrowed where nothing is to be filled in.
fn filled_struct<'v>(value: &'v Value, schema: &Schema, id: TypeId) -> Cow<'v, Value> {
    let (Value::Object(map), Some(fields)) = (value, schema.struct_of(id)) else {
        return Cow::Borrowed(value);
    };
    let slots = Slots::new(fields, map);
    let mut keys = map.keys();
    // As long as the map has what is to be written and nothing else, in that order, it stays as it is.
    let (mut kept, mut out) = (0, None);
    for (position, field) in fields.fields.iter().enumerate() {
        let given = slots.get(position);
        if is_left_out(field, given) {
            continue;
        }
        let value = filled_field(given, field, schema);
        let in_order = out.is_none() && keys.next().is_some_and(|key| *key == *field.name);
        if in_order && matches!(value, Cow::Borrowed(_)) {
            kept += 1;
            continue;
        }
        let out = out.get_or_insert_with(|| beginning(map, kept, fields));
        out.put(&field.name, value.into_owned());
    }
    match out {
        None if kept == map.len() => Cow::Borrowed(value),
        None => Cow::Owned(Value::Object(beginning(map, kept, fields))),
        Some(out) => Cow::Owned(Value::Object(out)),
    }
}

/// The first so many entries of a map, behind those that the schema does not know.
fn beginning(map: &Map<String, Value>, count: usize, fields: &Struct) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len() + 2);
    for (key, value) in map.iter().filter(|(key, _)| fields.field(key).is_none()) {
        out.put(key, value.clone());
    }
    for (key, value) in map.iter().take(count) {
        out.put(key, value.clone());
    }
    out
}

fn filled_field<'v>(value: Option<&'v Value>, field: &Field, schema: &Schema) -> Cow<'v, Value> {
    match value {
        Some(Value::Null) | None if field.pointer => Cow::Owned(Value::Null),
        Some(Value::Null) | None => Cow::Owned(zero(&field.ty, schema)),
        Some(value) => filled_type(value, &field.ty, schema),
    }
}

fn filled_type<'v>(value: &'v Value, ty: &FieldType, schema: &Schema) -> Cow<'v, Value> {
    let changed = match (ty, value) {
        (FieldType::Struct(id), Value::Object(_)) => return filled_struct(value, schema, *id),
        (FieldType::Struct(_), Value::Null) => Some(zero(ty, schema)),
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(items)) => {
            filled_items(items, element, schema).map(Value::Array)
        }
        (FieldType::Map(element), Value::Object(map)) => {
            filled_entries(map, element, schema).map(Value::Object)
        }
        (FieldType::Float64, Value::Number(number)) => Some(read_back(number)),
        (
            FieldType::Raw
            | FieldType::Any
            | FieldType::Unknown
            | FieldType::SchemaOrBool(_)
            | FieldType::SchemaOrList(_)
            | FieldType::SchemaOrStrings(_),
            value,
        ) => (!is_kept(value)).then(|| untyped(value)),
        _ => None,
    };
    changed.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// None where they stay as they are.
fn filled_items(items: &[Value], element: &FieldType, schema: &Schema) -> Option<Vec<Value>> {
    let mut out: Option<Vec<Value>> = None;
    for (at, item) in items.iter().enumerate() {
        match (&mut out, filled_type(item, element, schema)) {
            (None, Cow::Borrowed(_)) => {}
            (None, Cow::Owned(item)) => {
                let mut list = Vec::with_capacity(items.len());
                list.extend_from_slice(&items[..at]);
                list.push(item);
                out = Some(list);
            }
            (Some(list), item) => list.push(item.into_owned()),
        }
    }
    out
}

/// None where they stay as they are, in their order too.
fn filled_entries(
    map: &Map<String, Value>,
    element: &FieldType,
    schema: &Schema,
) -> Option<Map<String, Value>> {
    let mut out = (!map.keys().is_sorted()).then(|| Map::with_capacity(map.len()));
    for (at, (key, item)) in map.iter().enumerate() {
        match (&mut out, filled_type(item, element, schema)) {
            (None, Cow::Borrowed(_)) => {}
            (None, Cow::Owned(item)) => {
                let before = map.iter().take(at);
                let mut entries: Map<String, Value> =
                    before.map(|(key, item)| (key, item.clone())).collect();
                entries.put(key, item);
                out = Some(entries);
            }
            (Some(entries), item) => drop(entries.put(key, item.into_owned())),
        }
    }
    if let Some(entries) = &mut out {
        entries.sort_keys();
    }
    out
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

    /// What has all that is written stays a copy, however deep; what lacks something, or has it in another order, is made anew.
    #[test]
    fn what_needs_no_filling_in_is_shared() {
        let schema = schema();
        let id = schema.kind("", "v1", "Pod").expect("a kind");
        let pod = json!({"metadata": {"name": "a", "labels": {"a": "1", "b": "2"}}, "spec": {"containers": [
            {"name": "a", "env": [{"name": "A", "value": "1"}], "resources": {}}]}, "status": {}});
        let all = filled(&pod, schema, id);
        assert!(filled(&all, schema, id).is_copy_of(&all));
        assert!(all["spec"]["containers"][0].is_copy_of(&pod["spec"]["containers"][0]));
        assert!(all["metadata"]["labels"].is_copy_of(&pod["metadata"]["labels"]));
        let other = json!({"spec": {"containers": [{"resources": {}, "name": "a", "x": 1}]}, "metadata": {"labels": {"b": "2", "a": "1"}, "name": "a"}});
        let expected = r#"{"metadata":{"name":"a","labels":{"a":"1","b":"2"}},"spec":{"containers":[{"x":1,"name":"a","resources":{}}]},"status":{}}"#;
        assert_eq!(filled(&other, schema, id).to_string(), expected);
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
