//! Messages of the types with forms of their own: time stamps, durations, quantities, int-or-strings, raw JSON, runtime.Unknown
//! and the either-or types of CRD schemas. Both directions, side by side.

use serde_json::{Map, Value};

use super::decode::Decoder;
use super::encode::Encoder;
use super::wire::{Cursor, WireError, put_bytes, put_int};
use crate::codec::duration;
use crate::codec::json;
use crate::codec::time::{Instant, Precision, ZERO};
use crate::managed_fields::words;
use crate::quantity::Quantity;
use crate::schema::{FieldType, TypeId};

impl Encoder<'_> {
    /// The fields of a special message.
    pub(super) fn special(&mut self, ty: &FieldType, value: &Value) {
        let text = value.as_str();
        match ty {
            FieldType::Time => self.time(text, Precision::Seconds),
            FieldType::MicroTime => self.time(text, Precision::Micros),
            FieldType::Duration => put_int(
                self.out,
                1,
                text.and_then(|t| duration::parse(t).ok()).unwrap_or(0),
            ),
            FieldType::Quantity => put_bytes(self.out, 1, text.unwrap_or("0").as_bytes()),
            FieldType::IntOrString => {
                put_int(self.out, 1, text.is_some().into());
                put_int(self.out, 2, value.as_i64().unwrap_or(0));
                put_bytes(self.out, 3, text.unwrap_or("").as_bytes());
            }
            FieldType::Raw if value.is_null() => {}
            FieldType::Raw => match words::of(value) {
                Some(words) => put_bytes(self.out, 1, words.text()),
                None => put_bytes(self.out, 1, &json::encode_raw(value)),
            },
            FieldType::Unknown => self.unknown(value),
            FieldType::SchemaOrBool(id) => {
                put_int(self.out, 1, (value.is_object() || value == true).into());
                self.schema(2, *id, value);
            }
            FieldType::SchemaOrList(id) => {
                self.schema(1, *id, value);
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                items
                    .iter()
                    .for_each(|item| self.record(2, &FieldType::Struct(*id), item));
            }
            FieldType::SchemaOrStrings(id) => {
                self.schema(1, *id, value);
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                items
                    .iter()
                    .for_each(|item| self.record(2, &FieldType::String, item));
            }
            _ => {}
        }
    }

    fn time(&mut self, text: Option<&str>, precision: Precision) {
        let Some(instant) = text.and_then(|t| Instant::parse(t, precision).ok()) else {
            return;
        };
        put_int(self.out, 1, instant.seconds);
        put_int(self.out, 2, instant.truncated(precision).nanos.into());
    }

    fn unknown(&mut self, value: &Value) {
        self.nested(1, |e| {
            put_bytes(e.out, 1, b"");
            put_bytes(e.out, 2, b"");
        });
        let raw = if value.is_null() {
            None
        } else {
            Some(json::encode_raw(value))
        };
        if let Some(raw) = &raw {
            put_bytes(self.out, 2, raw);
        }
        put_bytes(self.out, 3, b"");
        put_bytes(
            self.out,
            4,
            if raw.is_some() {
                b"application/json"
            } else {
                b""
            },
        );
    }

    fn schema(&mut self, number: u32, id: TypeId, value: &Value) {
        if value.is_object() {
            self.record(number, &FieldType::Struct(id), value);
        }
    }
}

impl Decoder<'_> {
    /// A special message; null where nothing is in it that JSON could say.
    pub(super) fn special(&mut self, ty: &FieldType, data: &[u8]) -> Result<Value, WireError> {
        match ty {
            FieldType::Time => time(data, "Timestamp", Precision::Seconds),
            FieldType::MicroTime => time(data, "Timestamp", Precision::Micros),
            FieldType::Duration => {
                Ok(duration::format(Fields::read(data, "Duration")?.ints[0]).into())
            }
            FieldType::Quantity => {
                let fields = Fields::read(data, "Quantity")?;
                let Some(text) = fields.bytes[0] else {
                    return Ok("0".into());
                };
                let quantity = Quantity::parse(&String::from_utf8_lossy(text));
                quantity
                    .map(|q| q.to_string().into())
                    .map_err(|e| WireError::Value(e.to_string()))
            }
            FieldType::IntOrString => {
                let fields = Fields::read(data, "IntOrString")?;
                let text = || json::text_of(fields.bytes[2].unwrap_or_default());
                Ok(if fields.ints[0] == 1 {
                    text().into()
                } else {
                    (fields.ints[1] as i32).into()
                })
            }
            FieldType::Raw => Ok(raw(Fields::read(data, "Raw")?.bytes[0])),
            FieldType::Unknown => Ok(raw(Fields::read(data, "Unknown")?.bytes[1])),
            FieldType::SchemaOrBool(id) => {
                let fields = Fields::read(data, "JSONSchemaPropsOrBool")?;
                let allows = fields.ints[0] != 0;
                fields.bytes[1].map_or(Ok(Value::Bool(allows)), |schema| self.object(*id, schema))
            }
            FieldType::SchemaOrList(id) => self.either(data, *id, true),
            FieldType::SchemaOrStrings(id) => self.either(data, *id, false),
            _ => Ok(Value::Null),
        }
    }

    fn object(&mut self, id: TypeId, data: &[u8]) -> Result<Value, WireError> {
        let mut map = Map::new();
        self.message(Cursor::new(data), id, &mut map)?;
        Ok(Value::Object(map))
    }

    fn either(&mut self, data: &[u8], id: TypeId, schemas: bool) -> Result<Value, WireError> {
        let mut cursor = Cursor::new(data);
        let (mut single, mut items) = (Value::Null, Vec::new());
        while !cursor.is_empty() {
            let tag = cursor.tag("JSONSchemaPropsOrArray")?;
            match (tag.number, tag.wire_type) {
                (1, 2) => single = self.object(id, cursor.bytes()?)?,
                (2, 2) if schemas => items.push(self.object(id, cursor.bytes()?)?),
                (2, 2) => items.push(json::text_of(cursor.bytes()?).into()),
                _ => cursor.skip(tag)?,
            }
        }
        Ok(if items.is_empty() {
            single
        } else {
            Value::Array(items)
        })
    }
}

/// The message of a manager's `fieldsV1`; read only where nobody has said so before.
pub(super) fn owned_fields(data: &[u8]) -> Result<Value, WireError> {
    let text = Fields::read(data, "FieldsV1")?.bytes[0].unwrap_or_default();
    Ok(match words::known(text) {
        Some(value) => value,
        None => words::learn(text, raw(Some(text))),
    })
}

fn time(data: &[u8], name: &str, precision: Precision) -> Result<Value, WireError> {
    if data.is_empty() {
        return Ok(Value::Null);
    }
    let fields = Fields::read(data, name)?;
    let nanos = u32::try_from(fields.ints[1]).unwrap_or(0);
    let instant = Instant {
        seconds: fields.ints[0],
        nanos,
    }
    .truncated(precision);
    Ok(if instant == ZERO {
        Value::Null
    } else {
        instant.format(precision).into()
    })
}

/// Raw JSON as a tree. What is no JSON cannot be shown as JSON either: it is kept as a string.
fn raw(data: Option<&[u8]>) -> Value {
    let Some(data) = data.filter(|d| !d.is_empty()) else {
        return Value::Null;
    };
    match json::decode_raw(data) {
        Ok(value) => value,
        Err(_) => json::text_of(data).into(),
    }
}

/// The first three fields of a small message, whatever their types.
#[derive(Default)]
struct Fields<'a> {
    ints: [i64; 3],
    bytes: [Option<&'a [u8]>; 3],
}

impl<'a> Fields<'a> {
    fn read(data: &'a [u8], name: &str) -> Result<Self, WireError> {
        let mut fields = Fields::default();
        let mut cursor = Cursor::new(data);
        while !cursor.is_empty() {
            let tag = cursor.tag(name)?;
            match (tag.number, tag.wire_type) {
                (number @ 1..=3, 0) => fields.ints[number as usize - 1] = cursor.varint()? as i64,
                (number @ 1..=3, 2) => fields.bytes[number as usize - 1] = Some(cursor.bytes()?),
                _ => cursor.skip(tag)?,
            }
        }
        Ok(fields)
    }
}
