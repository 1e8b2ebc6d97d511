//! A patched document read as an object again. Where the patch changed nothing, the object is what it was before: only the rest is read.

use serde_json::{Key, Map, Value};

use crate::codec::{DecodeError, Decoded, Strictness, json};
use crate::schema::{FieldType, Schema, Struct, TypeId, schema};

/// An object before a patch: its tree, and the document that the patch was applied to.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub object: &'a Value,
    pub document: &'a Value,
}

/// What of a document is to be read, and what stands in for the rest.
pub struct Reread<'a> {
    before: Before<'a>,
    document: &'a Value,
    /// The document without the fields of structs that are as they were.
    pub changed: Value,
    ty: TypeId,
}

impl<'a> Reread<'a> {
    pub fn new(before: Before<'a>, document: &'a Value, ty: TypeId) -> Self {
        let schema = schema();
        let changed = match (document, before.document, schema.struct_of(ty)) {
            (Value::Object(now), Value::Object(was), Some(shape)) => {
                Value::Object(changed(now, was, shape, schema))
            }
            _ => document.clone(),
        };
        Reread {
            before,
            document,
            changed,
            ty,
        }
    }

    /// The object, as decoding the whole document would make it.
    pub fn decode(&self, strictness: Strictness) -> Result<Decoded, DecodeError> {
        let mut decoded = json::from_json_value(&self.changed, self.ty, strictness)?;
        let schema = schema();
        if let (
            Value::Object(read),
            Value::Object(now),
            Value::Object(was),
            Value::Object(live),
            Some(shape),
        ) = (
            &mut decoded.value,
            self.document,
            self.before.document,
            self.before.object,
            schema.struct_of(self.ty),
        ) {
            restore(read, (now, was, live), shape, schema);
        }
        Ok(decoded)
    }
}

type Object = Map<String, Value>;

fn changed(now: &Object, was: &Object, shape: &Struct, schema: &Schema) -> Object {
    let mut out = Map::new();
    for (key, value) in now {
        match (was.get(key), value, inner(shape, key, schema)) {
            (Some(before), ..) if before == value && shape.field(key).is_some() => {}
            (Some(Value::Object(before)), Value::Object(value), Some(inner)) => {
                out.put(key, Value::Object(changed(value, before, inner, schema)));
            }
            _ => drop(out.put(key, value.clone())),
        }
    }
    out
}

/// Puts the fields that were not read where they belong.
fn restore(
    read: &mut Object,
    (now, was, live): (&Object, &Object, &Object),
    shape: &Struct,
    schema: &Schema,
) {
    for (key, value) in now {
        let Some(field) = shape.field(key) else {
            continue;
        };
        match (was.get(key), value, inner(shape, key, schema)) {
            (Some(before), ..) if before == value => {
                if let Some(kept) = live.get(key) {
                    read.put(&field.name, kept.clone());
                }
            }
            (Some(Value::Object(was)), Value::Object(now), Some(inner)) => {
                let nothing = Map::new();
                let live = live.get(key).and_then(Value::as_object).unwrap_or(&nothing);
                let mut below = match read.get_mut(key) {
                    Some(Value::Object(below)) => std::mem::take(below),
                    _ => Map::new(),
                };
                restore(&mut below, (now, was, live), inner, schema);
                if read.contains_key(key) || !below.is_empty() {
                    read.put(Key::from(&field.name), Value::Object(below));
                }
            }
            _ => {}
        }
    }
}

fn inner<'s>(shape: &Struct, key: &str, schema: &'s Schema) -> Option<&'s Struct> {
    match shape.field(key)?.ty {
        FieldType::Struct(id) => schema.struct_of(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::merge;
    use proptest::prelude::*;
    use serde_json::json;

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "a", "labels": {"b": "1", "a": "2"}, "annotations": {"c": "d"}},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": {"a": "2"}}, "strategy": {"type": "RollingUpdate"},
                "template": {
                    "metadata": {"labels": {"a": "2"}},
                    "spec": {
                        "containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": "500m"}}}],
                        "securityContext": {"runAsUser": 1}, "terminationGracePeriodSeconds": 30,
                    }
                }
            },
            "status": {"replicas": 1},
        })
    }

    fn any_change() -> impl Strategy<Value = Value> {
        let all = [
            json!({}),
            json!({"metadata": {"labels": {"b": null, "x": "y"}}}),
            json!({"metadata": {"labels": null, "unknown": 1}}),
            json!({"metadata": {"generation": "one"}}),
            json!({"spec": {"replicas": 3}}),
            json!({"spec": {"replicas": "three"}}),
            json!({"spec": {"replicas": null, "paused": true, "what": {}}}),
            json!({"spec": {"strategy": null}}),
            json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": "1"}}}}),
            json!({"spec": {"template": {"spec": {"securityContext": {}, "hostNetwork": true}}}}),
            json!({"spec": {"template": {"spec": {"securityContext": null, "containers": [{"name": "b", "image": 1}]}}}}),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "b", "resources": {"limits": {"cpu": "0.5"}}}]}}}}),
            json!({"spec": {"template": {"spec": {"containers": null, "securityContext": {"runAsUser": null}}}}}),
            json!({"spec": {"template": "text"}}),
            json!({"spec": null, "status": {"replicas": 0}}),
            json!({"spec": {"selector": []}, "more": [1]}),
        ];
        prop::sample::select(all.to_vec())
    }

    proptest! {
        /// Whatever a patch does, reading what it changed gives what reading all gives, errors and findings of the strict reader too.
        #[test]
        fn reading_what_changed_is_reading_all(first in any_change(), second in any_change(), third in any_change()) {
            let ty = schema().kind("apps", "v1", "Deployment").expect("a kind");
            let read = |document: &Value| json::from_json_value(document, ty, Strictness::Ignore).expect("a Deployment").value;
            let live = read(&deployment());
            let original = json::to_json_value(&live, ty);
            let mut document = original.clone();
            for patch in [first, second, third] {
                document = merge::apply(document, &patch, true).expect("a map");
            }
            let before = Before { object: &live, document: &original };
            let quick = Reread::new(before, &document, ty).decode(Strictness::Report);
            let whole = json::from_json_value(&document, ty, Strictness::Report);
            match (quick, whole) {
                (Ok(quick), Ok(whole)) => {
                    prop_assert_eq!(quick.value, whole.value);
                    prop_assert_eq!(quick.strict_errors, whole.strict_errors);
                }
                (quick, whole) => prop_assert_eq!(quick.map_err(|e| e.to_string()).map(|d| d.value), whole.map_err(|e| e.to_string()).map(|d| d.value)),
            }
        }
    }
}
