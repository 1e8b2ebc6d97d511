//! A value as Go writes the internal type of it: every field, by its Go name, absent ones as nil or zero. Upstream's messages show
//! whole structs in this form.

use serde_json::{Map, Value, json};

use crate::schema::{FieldType, schema};

/// The value of the named type in the form of the internal type.
pub(crate) fn internal(type_name: &str, value: &Value) -> Value {
    match schema().type_named(type_name) {
        Some(id) if !value.is_null() => of(&FieldType::Struct(id), value),
        _ => value.clone(),
    }
}

/// The same for a list of the named type.
pub(crate) fn internal_list(type_name: &str, list: &Value) -> Value {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| internal(type_name, item)).collect()
}

fn of(ty: &FieldType, value: &Value) -> Value {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(map)) => {
            let Some(found) = schema().struct_of(*id) else {
                return value.clone();
            };
            // These types have JSON names of their own in Go.
            if &*schema().package_of(*id).name == "meta/v1" {
                return value.clone();
            }
            let mut out = Map::new();
            for field in &found.fields {
                if matches!(&*field.name, "kind" | "apiVersion") && found.type_meta {
                    continue;
                }
                if let ("metadata", Some(Value::Object(metadata))) =
                    (&*field.name, map.get(&*field.name))
                {
                    // Embedded, so its fields stand among the others.
                    out.extend(metadata.iter().map(|(k, v)| (k.clone(), v.clone())));
                    continue;
                } else if &*field.name == "metadata" {
                    continue;
                }
                let given = map.get(&*field.name).filter(|v| !v.is_null());
                let shown = match given {
                    Some(given) => of(&field.ty, given),
                    None if field.absent_is_zero() => zero(&field.ty),
                    None => Value::Null,
                };
                out.insert(field.go_name.to_string(), shown);
            }
            Value::Object(out)
        }
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            list.iter().map(|item| of(element, item)).collect()
        }
        (FieldType::Map(element), Value::Object(map)) => {
            let entries = map.iter().map(|(k, v)| (k.clone(), of(element, v)));
            Value::Object(entries.collect())
        }
        _ => value.clone(),
    }
}

fn zero(ty: &FieldType) -> Value {
    match ty {
        FieldType::String => json!(""),
        FieldType::Bool => json!(false),
        FieldType::Int32 | FieldType::Int64 | FieldType::Float64 | FieldType::IntOrString => {
            json!(0)
        }
        FieldType::Quantity | FieldType::Duration => json!("0"),
        FieldType::Struct(_) => of(ty, &json!({})),
        _ => Value::Null,
    }
}
