//! What a write changes is looked for only where it can be: fields of structs that are the same before and after are left out of both
//! objects before these are filled in and compared. Says, too, whether an object fits its shape without a look for the words.

use serde_json::{Map, Value};

use super::Context;
use super::path_element::same;
use super::shape::{Form, Kind, Scalar, Shape};
use crate::schema::{FieldType, Schema, Struct};

/// Both objects without what is the same in them. Comparing what is left tells what comparing the whole would.
pub(super) fn narrowed(live: &Value, new: &Value, context: &Context<'_>) -> (Value, Value) {
    let shape = context.schema.struct_of(context.type_id);
    let shape = shape.filter(|_| context.custom.is_none());
    let (Value::Object(live_map), Value::Object(new_map), Some(shape)) = (live, new, shape) else {
        return (live.clone(), new.clone());
    };
    let (live, new) = maps(live_map, new_map, shape, context.schema);
    (Value::Object(live), Value::Object(new))
}

type Object = Map<String, Value>;

fn maps(live: &Object, new: &Object, shape: &Struct, schema: &Schema) -> (Object, Object) {
    let (mut less_live, mut less_new) = (Map::new(), Map::new());
    for (key, old) in live {
        match new.get(key) {
            None => drop(less_live.put(key, old.clone())),
            Some(now) if same(old, now) => {}
            Some(now) => {
                let (old, now) = values(old, now, inner(shape, key, schema), schema);
                less_live.put(key, old);
                less_new.put(key, now);
            }
        }
    }
    for (key, now) in new.iter().filter(|(key, _)| !live.contains_key(*key)) {
        less_new.put(key, now.clone());
    }
    (less_live, less_new)
}

fn values(old: &Value, now: &Value, shape: Option<&Struct>, schema: &Schema) -> (Value, Value) {
    match (old, now, shape) {
        (Value::Object(old), Value::Object(now), Some(shape)) => {
            let (old, now) = maps(old, now, shape, schema);
            (Value::Object(old), Value::Object(now))
        }
        _ => (old.clone(), now.clone()),
    }
}

/// The struct in a field whose own presence does not depend on what is in it.
fn inner<'s>(shape: &Struct, key: &str, schema: &'s Schema) -> Option<&'s Struct> {
    let field = shape.field(key).filter(|field| !field.omitzero)?;
    match field.ty {
        FieldType::Struct(id) => schema.struct_of(id),
        _ => None,
    }
}

/// Whether `validate` would find nothing wrong with the filled form of a value (duplicates allowed). May say no where it would not.
pub(super) fn fits(value: &Value, shape: Shape<'_>) -> bool {
    // Without a schema anything does.
    if value.is_null() || matches!(shape.form, Form::Deduced | Form::Opaque) {
        return true;
    }
    match (shape.kind(Some(value)), value) {
        (Kind::Scalar, _) => fits_scalar(value, shape),
        (Kind::Map, Value::Object(map)) => map.iter().all(|(key, value)| {
            let inner = shape.field(key);
            inner.is_some_and(|inner| fits(value, inner))
        }),
        (Kind::List, Value::Array(items)) => {
            let inner = shape.item();
            items
                .iter()
                .all(|item| shape.can_name(item) && fits(item, inner))
        }
        _ => false,
    }
}

fn fits_scalar(value: &Value, shape: Shape<'_>) -> bool {
    let Form::Scalar(scalar) = shape.form else {
        return true;
    };
    match scalar {
        Scalar::String => value.is_string(),
        Scalar::Number => value.is_number(),
        Scalar::Bool => value.is_boolean(),
        Scalar::Any => value.is_string() || value.is_number() || value.is_boolean(),
    }
}
