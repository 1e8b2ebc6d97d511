//! An object with its fields in Go's order and its maps sorted, as errors show parts of it. Built for an object that was found
//! wrong, before it is judged once more for the answer. Empty lists and maps, which the normal form leaves out and Go's errors
//! show apart from nil, come back from the document that the client wrote.

use serde_json::{Map, Value};

use crate::schema::{FieldType, TypeId, schema};

/// The same object of a built-in type, in order; `written` is the document that it was decoded from, or null.
pub fn ordered(ty: TypeId, object: &Value, written: &Value) -> Value {
    of(&FieldType::Struct(ty), object, written)
}

fn of(ty: &FieldType, value: &Value, written: &Value) -> Value {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(map)) => {
            let fields = schema().struct_of(*id).map(|s| s.fields.as_slice());
            let mut out = Map::with_capacity(map.len());
            for field in fields.unwrap_or_default() {
                let written = &written[&*field.name];
                let value = match map.get(&*field.name) {
                    Some(value) => of(&field.ty, value, written),
                    None => emptied(&field.ty, written),
                };
                if !value.is_null() {
                    out.insert(field.name.to_string(), value);
                }
            }
            for (key, value) in map {
                out.entry(key.as_str()).or_insert_with(|| value.clone());
            }
            Value::Object(out)
        }
        (FieldType::Map(element), Value::Object(map)) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let pairs = entries.into_iter();
            let sorted = pairs.map(|(k, v)| (k.clone(), of(element, v, &written[k])));
            Value::Object(sorted.collect())
        }
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            let items = list.iter().enumerate();
            items
                .map(|(n, item)| of(element, item, &written[n]))
                .collect()
        }
        _ => value.clone(),
    }
}

/// The empty lists and maps in what was written; null when there are none.
fn emptied(ty: &FieldType, written: &Value) -> Value {
    match (ty, written) {
        (FieldType::Map(_), Value::Object(map)) if map.is_empty() => written.clone(),
        (FieldType::List(_), Value::Array(list)) if list.is_empty() => written.clone(),
        (FieldType::Struct(_), Value::Object(_)) => {
            match of(ty, &Value::Object(Map::new()), written) {
                Value::Object(map) if map.is_empty() => Value::Null,
                found => found,
            }
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_stand_as_in_go_and_keys_sorted() {
        let ty = schema()
            .type_named("policy/v1.PodDisruptionBudget")
            .expect("a type");
        let object = json!({"spec": {"selector": {"matchExpressions": [], "matchLabels": {"b": "1", "a": "2"}}}, "metadata": {}});
        let want = r#"{"metadata":{},"spec":{"selector":{"matchLabels":{"a":"2","b":"1"},"matchExpressions":[]}}}"#;
        assert_eq!(ordered(ty, &object, &Value::Null).to_string(), want);
    }

    #[test]
    fn what_was_written_empty_is_shown_empty() {
        let ty = schema().type_named("apps/v1.Deployment").expect("a type");
        let decoded = json!({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}});
        let written = json!({"spec": {"template": {"metadata": {"labels": {}, "name": ""},
            "spec": {"containers": [{"name": "c", "args": []}], "volumes": "x"}}}, "metadata": {"name": "x"}});
        let want = json!({"spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "args": []}]}}}});
        assert_eq!(ordered(ty, &decoded, &written), want);
    }
}
