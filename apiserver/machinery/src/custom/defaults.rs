//! Defaults of a schema, and nulls where none may be (apiextensions-apiserver pkg/apiserver/schema/defaulting/algorithm.go and
//! prunenulls.go).

use serde_json::Value;

use super::schema::{More, Schema};

/// Sets what is absent, or null and must not be, to its default.
pub(super) fn apply(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else {
                    continue;
                };
                let given = map.get(&**name);
                if given.is_none_or(|given| given.is_null() && !property.nullable) {
                    map.put(&**name, default.clone());
                }
            }
            for (name, inner) in map.iter_mut() {
                match (schema.property(name), &schema.more) {
                    (Some(property), _) => apply(inner, property),
                    (None, More::Each(each)) => element(inner, each),
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| element(item, schema));
            }
        }
        _ => {}
    }
}

fn element(value: &mut Value, schema: &Schema) {
    if value.is_null() && !schema.nullable {
        *value = schema.default.clone().unwrap_or(Value::Null);
    }
    apply(value, schema);
}

/// Takes away nulls that mean nothing and that no default stands for.
pub(super) fn drop_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(map) => {
            let idle = |name: &str, value: &Value| {
                let inner = schema.and_then(|schema| schema.value_of(name));
                value.is_null()
                    && inner.is_some_and(|inner| !inner.nullable && inner.default.is_none())
            };
            if map.iter().any(|(name, value)| idle(name, value)) {
                map.retain(|name, value| !idle(name, value));
            }
            for (name, inner) in map.iter_mut() {
                let below = schema.and_then(|schema| schema.value_of(name));
                if below.is_some() {
                    drop_nulls(inner, below);
                }
            }
        }
        Value::Array(items) => {
            let below = schema.and_then(|schema| schema.items.as_deref());
            if below.is_some() {
                items.iter_mut().for_each(|item| drop_nulls(item, below));
            }
        }
        _ => {}
    }
}

/// Takes the default of a node itself out of what is written of it.
pub(super) fn take_own(written: &mut Value) {
    if let Value::Object(map) = written {
        map.shift_remove("default");
    }
}
