//! An object with its fields in Go's order and its maps sorted, as errors show parts of it. Built for an object that was found
//! wrong, before it is judged once more for the answer.

use serde_json::{Map, Value};

use crate::schema::{FieldType, TypeId, schema};

/// The same object of a built-in type, in order.
pub fn ordered(ty: TypeId, object: &Value) -> Value {
    of(&FieldType::Struct(ty), object)
}

fn of(ty: &FieldType, value: &Value) -> Value {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(map)) => {
            let fields = schema().struct_of(*id).map(|s| s.fields.as_slice());
            let mut out = Map::with_capacity(map.len());
            for field in fields.unwrap_or_default() {
                if let Some(value) = map.get(&*field.name) {
                    out.insert(field.name.to_string(), of(&field.ty, value));
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
            Value::Object(pairs.map(|(k, v)| (k.clone(), of(element, v))).collect())
        }
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            list.iter().map(|item| of(element, item)).collect()
        }
        _ => value.clone(),
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
        assert_eq!(ordered(ty, &object).to_string(), want);
    }
}
