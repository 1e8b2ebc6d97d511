//! Items that come twice where each may be there once (apiextensions-apiserver pkg/apiserver/schema/listtype/validation.go).

use serde_json::{Map, Value, json};
use std::collections::HashMap;

use super::schema::{ListKind, More, Schema};
use super::{child, index, key};
use crate::codec::json::encode_untyped;
use crate::status::FieldError;

pub(super) fn validate(schema: &Schema, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(schema, object, "", &mut errors);
    errors
}

fn walk(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if let More::Each(each) = &schema.more {
                    walk(each, inner, &key(path, name), errors);
                }
                if let Some(property) = schema.property(name) {
                    walk(property, inner, &child(path, name), errors);
                }
            }
        }
        Value::Array(items) => {
            match schema.list {
                ListKind::Atomic => {}
                ListKind::Set => set(items, path, errors),
                ListKind::Map => keyed(schema, items, path, errors),
            }
            if let Some(schema) = &schema.items {
                for (at, item) in items.iter().enumerate() {
                    walk(schema, item, &index(path, at), errors);
                }
            }
        }
        _ => {}
    }
}

fn set(items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    for at in repeated(items) {
        errors.push(FieldError::duplicate(index(path, at), items[at].clone()));
    }
}

fn keyed(schema: &Schema, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let odd = |item: &Value| !item.is_null() && !item.is_object();
    if let Some(at) = items.iter().position(odd) {
        let why = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(index(path, at), items[at].clone(), why));
        return;
    }
    let keys: Vec<Value> = items.iter().map(|item| key_of(schema, item)).collect();
    for at in repeated(&keys) {
        errors.push(FieldError::duplicate(index(path, at), keys[at].clone()));
    }
}

fn key_of(schema: &Schema, item: &Value) -> Value {
    let mut found = Map::new();
    for name in &schema.keys {
        if let Some(value) = item.get(name.as_ref()) {
            found.put(name.as_ref(), value.clone());
        }
    }
    if found.is_empty() {
        json!({})
    } else {
        Value::Object(found)
    }
}

/// The places at which a value comes for the second time.
fn repeated(items: &[Value]) -> Vec<usize> {
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::with_capacity(items.len());
    let mut places = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let times = seen.entry(encode_untyped(item)).or_default();
        *times += 1;
        if *times == 2 {
            places.push(at);
        }
    }
    places
}
