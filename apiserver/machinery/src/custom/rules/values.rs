//! JSON as rules see it, by its schema: texts of some formats are times, durations or bytes, numbers are floating point where the
//! schema says so, and names are written as expressions can write them (k8s.io/apiserver pkg/cel/common/values.go).

use serde_json::Value as Json;
use triad_cel::environments::definition::escape;
use triad_cel::eval::{Map, Value};
use triad_cel::time::{parse_duration, parse_timestamp};

use super::super::schema::{Kind, More, Schema};

/// A value that the schema describes.
pub(super) fn of<'a>(json: &'a Json, schema: &Schema) -> Value<'a> {
    if schema.plain {
        return Value::of(json);
    }
    match json {
        Json::Object(map) => {
            let entries = map.iter().filter_map(|(name, value)| {
                let (name, inner) = match (schema.property(name), &schema.more) {
                    (Some(property), _) => (escape(name)?, property),
                    (None, More::Each(each)) => (name.to_string(), &**each),
                    (None, _) => return Some((Value::text(name.as_str()), Value::of(value))),
                };
                Some((Value::text(name), of(value, inner)))
            });
            // Texts can be keys.
            Map::from_entries(entries).map_or(Value::Null, Value::Map)
        }
        Json::Array(items) => match &schema.items {
            Some(inner) => Value::list(items.iter().map(|item| of(item, inner)).collect()),
            None => Value::of(json),
        },
        Json::String(text) => formatted(text, schema).unwrap_or_else(|| Value::of(json)),
        Json::Number(number) if schema.kind == Kind::Number => {
            number.as_f64().map_or(Value::Null, Value::Double)
        }
        _ => Value::of(json),
    }
}

fn formatted<'a>(text: &str, schema: &Schema) -> Option<Value<'a>> {
    Some(match format(schema) {
        "byte" => {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .ok()?;
            Value::Bytes(bytes.into())
        }
        "duration" => Value::Duration(parse_duration(text)?),
        "date" => {
            let (seconds, nanoseconds) = parse_timestamp(&format!("{text}T00:00:00Z"))?;
            Value::Timestamp(seconds, nanoseconds)
        }
        "date-time" => {
            let (seconds, nanoseconds) = parse_timestamp(&text.to_uppercase())?;
            Value::Timestamp(seconds, nanoseconds)
        }
        _ => return None,
    })
}

fn format(schema: &Schema) -> &str {
    schema.checks.as_ref().map_or("", |checks| &checks.format)
}

/// Whether expressions see the JSON as it is; what is below has been asked.
pub(in crate::custom) fn is_plain(schema: &Schema) -> bool {
    let each = |more: &More| match more {
        More::Each(each) => each.plain,
        _ => true,
    };
    let own = match schema.kind {
        Kind::Number => false,
        Kind::String => !matches!(format(schema), "byte" | "duration" | "date" | "date-time"),
        _ => true,
    };
    own && each(&schema.more)
        && schema.items.as_deref().is_none_or(|items| items.plain)
        && schema.properties.iter().all(|(name, inner)| {
            inner.plain && escape(name).is_some_and(|escaped| *escaped == **name)
        })
}
