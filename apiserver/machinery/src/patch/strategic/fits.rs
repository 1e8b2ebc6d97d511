//! Whether a patched object is one of its type, in the words of upstream's converter from unstructured objects (apimachinery
//! pkg/runtime/converter.go), which strategic merge patches go through where others are decoded from JSON. What has a JSON form
//! of its own (times, quantities) is left to the decoder.

use serde_json::Value;

use crate::schema::{Field, FieldType, Schema, TypeId};

/// The first thing that does not fit; none when all does.
pub fn misfit(object: &Value, schema: &Schema, ty: TypeId) -> Option<String> {
    in_struct(object, schema, ty)
}

fn in_struct(value: &Value, schema: &Schema, ty: TypeId) -> Option<String> {
    let Value::Object(map) = value else {
        return Some(format!("cannot restore struct from: {}", kind(value)));
    };
    let fields = &schema.struct_of(ty)?.fields;
    fields.iter().find_map(|field| {
        let value = map.get(&*field.name).filter(|value| !value.is_null())?;
        in_field(value, schema, field, &field.ty, 0)
    })
}

/// `level` counts the lists and maps between the field and the value.
fn in_field(
    value: &Value,
    schema: &Schema,
    field: &Field,
    ty: &FieldType,
    level: u8,
) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let inside =
        |value: &Value, element: &FieldType| in_field(value, schema, field, element, level + 1);
    match (ty, value) {
        (FieldType::Struct(id), _) => in_struct(value, schema, *id),
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            list.iter().find_map(|item| inside(item, element))
        }
        (FieldType::List(_) | FieldType::Wrapper(_), _) => {
            Some(format!("cannot restore slice from {}", kind(value)))
        }
        (FieldType::Bytes, Value::String(_)) => None,
        (FieldType::Bytes, _) => Some(format!("cannot restore slice from {}", kind(value))),
        (FieldType::Map(element), Value::Object(map)) => {
            map.values().find_map(|item| inside(item, element))
        }
        (FieldType::Map(_), _) => Some(format!("cannot restore map from {}", kind(value))),
        (scalar, _) if scalar.is_scalar() => {
            scalar_misfit(value, scalar, || schema.go_type_at(field, level))
        }
        _ => None,
    }
}

fn scalar_misfit(value: &Value, ty: &FieldType, go_type: impl Fn() -> String) -> Option<String> {
    let wanted = match ty {
        FieldType::String => "string",
        FieldType::Bool => "bool",
        FieldType::Int32 => "int32",
        FieldType::Int64 => "int64",
        _ => "float64",
    };
    let number = matches!(wanted, "int32" | "int64" | "float64");
    match (value, ty) {
        (Value::String(_), FieldType::String) | (Value::Bool(_), FieldType::Bool) => None,
        // Go can convert these, JSON cannot.
        (Value::Number(given), FieldType::String) if !given.is_f64() => {
            Some(format!("cannot convert int64 to {}", go_type()))
        }
        (Value::Number(given), _) if number => {
            let whole = given.as_f64().is_none_or(|given| given.fract() == 0.0);
            let fits = whole || wanted == "float64";
            (!fits).then(|| format!("cannot convert float64 to {}", go_type()))
        }
        _ => Some(format!("unrecognized type: {wanted}")),
    }
}

/// The kind of a value as Go's reflection names it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named() {
        let misfit = |kind: &str, object: Value| {
            let ty = schema().type_named(kind).expect("a type");
            super::misfit(&object, schema(), ty).unwrap_or_default()
        };
        let map = |value: Value| misfit("core/v1.ConfigMap", json!({"data": value}));
        assert_eq!(map(json!({"n": "x"})), "");
        assert_eq!(map(json!({"n": 3})), "cannot convert int64 to string");
        assert_eq!(map(json!({"n": 1.5})), "unrecognized type: string");
        assert_eq!(map(json!("x")), "cannot restore map from string");
        let pod = |spec: Value| misfit("core/v1.Pod", json!({"spec": spec}));
        assert_eq!(pod(json!([])), "cannot restore struct from: slice");
        assert_eq!(
            pod(json!({"containers": {}})),
            "cannot restore slice from map"
        );
        assert_eq!(
            pod(json!({"restartPolicy": 1})),
            "cannot convert int64 to v1.RestartPolicy"
        );
        assert_eq!(
            pod(json!({"hostNetwork": "yes"})),
            "unrecognized type: bool"
        );
        assert_eq!(
            pod(json!({"priority": 1.5})),
            "cannot convert float64 to int32"
        );
        assert_eq!(
            pod(json!({"priority": null, "containers": [{"name": "c"}]})),
            ""
        );
    }
}
