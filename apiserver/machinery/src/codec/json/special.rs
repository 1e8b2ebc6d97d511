//! Types that read JSON by rules of their own: bytes, quantities, int-or-strings, times, durations, raw JSON and the three
//! either-or types of CRD schemas. What they refuse ends the decode, as upstream's UnmarshalJSON methods do.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::reader::Fail;
use super::typed::{Decoder, Got, Target};
use crate::codec::normal::zero_element;
use crate::codec::time::{Instant, Precision, ZERO};
use crate::codec::{base64, duration};
use crate::managed_fields::words;
use crate::quantity::Quantity;
use crate::schema::{FieldType, TypeId};

impl<'s> Decoder<'_, 's> {
    pub(super) fn special(&mut self, target: Target<'s>, next: u8) -> Result<Got, Fail> {
        match target.ty {
            FieldType::Bytes => self.bytes(target, next),
            FieldType::Quantity => self.quantity(next),
            FieldType::IntOrString => self.int_or_string(next),
            FieldType::Time => self.time(next, Precision::Seconds),
            FieldType::MicroTime => self.time(next, Precision::Micros),
            FieldType::Duration => self.duration(next),
            FieldType::Raw if target.field.name == "fieldsV1" => self.owned_fields(),
            FieldType::Raw | FieldType::Unknown => self.unreported(|d| d.any(true)).map(Got::Value),
            FieldType::SchemaOrBool(id) => self.schema_or_bool(*id, next),
            FieldType::SchemaOrList(id) => self.schema_or_list(*id, next),
            FieldType::SchemaOrStrings(id) => self.schema_or_strings(*id, next),
            _ => Err(Fail::Fatal("not a special type".to_owned())),
        }
    }

    /// Inside an unmarshaler of its own nothing strict is looked for.
    fn unreported<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        let strict = self.strict.take();
        let result = read(self);
        self.strict = strict;
        result
    }

    /// What a manager owns; read only where nobody has said so before.
    fn owned_fields(&mut self) -> Result<Got, Fail> {
        let start = self.reader.at;
        let text = self.reader.skip(self.depth)?;
        if let Some(value) = words::known(text) {
            return Ok(Got::Value(value));
        }
        self.reader.at = start;
        let value = self.unreported(|d| d.any(true))?;
        Ok(Got::Value(words::learn(text, value)))
    }

    fn bytes(&mut self, target: Target<'s>, next: u8) -> Result<Got, Fail> {
        match next {
            b'"' => {
                let text = self.reader.string()?;
                match base64::decode(&text) {
                    Ok(bytes) => Ok(Got::Value(Value::String(base64::encode(&bytes)))),
                    Err(message) => {
                        self.save(message);
                        Ok(Got::Keep)
                    }
                }
            }
            b'[' => self.byte_list(target),
            b'n' => self.reader.literal("null").map(|()| Got::Nil),
            _ => {
                let what = self.skip_naming()?;
                self.save_type_error(&what, target);
                Ok(Got::Keep)
            }
        }
    }

    /// Go also takes a list of numbers for bytes.
    fn byte_list(&mut self, target: Target<'s>) -> Result<Got, Fail> {
        let Value::Array(items) = self.unreported(|d| d.any(false))? else {
            return Ok(Got::Keep);
        };
        let mut bytes = Vec::with_capacity(items.len());
        for item in items {
            let byte = item.as_u64().and_then(|n| u8::try_from(n).ok());
            if byte.is_none() && !item.is_null() {
                let what = match &item {
                    Value::Number(n) => format!("number {n}"),
                    Value::String(_) => "string".to_owned(),
                    Value::Bool(_) => "bool".to_owned(),
                    Value::Array(_) => "array".to_owned(),
                    _ => "object".to_owned(),
                };
                let inner = Target {
                    level: target.level + 1,
                    ..target
                };
                self.save_type_error(&what, inner);
            }
            bytes.push(byte.unwrap_or(0));
        }
        Ok(Got::Value(Value::String(base64::encode(&bytes))))
    }

    fn quantity(&mut self, next: u8) -> Result<Got, Fail> {
        if next == b'n' {
            self.reader.literal("null")?;
            return Ok(Got::Value(zero_element(&FieldType::Quantity)));
        }
        // Upstream looks at the text between the quotes, escapes and all.
        let raw = self.reader.skip(self.depth)?;
        let inner = raw
            .strip_prefix(b"\"")
            .and_then(|r| r.strip_suffix(b"\""))
            .unwrap_or(raw);
        let text = String::from_utf8_lossy(inner);
        let quantity =
            Quantity::parse(text.trim()).map_err(|error| Fail::Fatal(error.to_string()))?;
        Ok(Got::Value(Value::String(quantity.to_string())))
    }

    fn int_or_string(&mut self, next: u8) -> Result<Got, Fail> {
        match next {
            b'"' => Ok(Got::Value(Value::String(
                self.reader.string()?.into_owned(),
            ))),
            b'n' => {
                self.reader.literal("null")?;
                Ok(Got::Value(Value::from(0)))
            }
            b'-' | b'0'..=b'9' => {
                let text = self.reader.number()?;
                let number: Option<i32> = text.parse().ok();
                number
                    .map(|n| Got::Value(Value::from(n)))
                    .ok_or_else(|| Fail::Fatal(self.type_error(&format!("number {text}"), "int32")))
            }
            _ => {
                let what = self.skip_naming()?;
                Err(Fail::Fatal(self.type_error(&what, "int32")))
            }
        }
    }

    /// A string for an unmarshaler that wants one; None for null.
    fn wanted_string(&mut self, next: u8) -> Result<Option<Cow<'_, str>>, Fail> {
        match next {
            b'"' => self.reader.string().map(Some),
            b'n' => self.reader.literal("null").map(|()| None),
            _ => {
                let what = self.skip_naming()?;
                Err(Fail::Fatal(self.type_error(&what, "string")))
            }
        }
    }

    /// A zero time is null in the tree too; behind a pointer that is not the same as nothing.
    fn time(&mut self, next: u8, precision: Precision) -> Result<Got, Fail> {
        let Some(text) = self.wanted_string(next)? else {
            return Ok(Got::Value(Value::Null));
        };
        let instant = Instant::parse(&text, precision).map_err(Fail::Fatal)?;
        if instant == ZERO {
            return Ok(Got::Value(Value::Null));
        }
        Ok(Got::Value(Value::String(instant.format(precision))))
    }

    fn duration(&mut self, next: u8) -> Result<Got, Fail> {
        let text = self.wanted_string(next)?.unwrap_or_default();
        let nanos = duration::parse(&text).map_err(Fail::Fatal)?;
        Ok(Got::Value(Value::String(duration::format(nanos))))
    }

    fn inner_schema(&mut self, id: TypeId) -> Result<Got, Fail> {
        self.unreported(|d| d.nested(id)).map(Got::Value)
    }

    fn schema_or_bool(&mut self, id: TypeId, next: u8) -> Result<Got, Fail> {
        match next {
            b'{' => self.inner_schema(id),
            b't' => self
                .reader
                .literal("true")
                .map(|()| Got::Value(Value::Bool(true))),
            b'f' => self
                .reader
                .literal("false")
                .map(|()| Got::Value(Value::Bool(false))),
            _ => Err(Fail::Fatal("boolean or JSON schema expected".to_owned())),
        }
    }

    fn schema_or_list(&mut self, id: TypeId, next: u8) -> Result<Got, Fail> {
        match next {
            b'{' => self.inner_schema(id),
            b'[' => self.nested_list(|d| d.inner_schema(id)),
            _ => self.nothing_chosen(),
        }
    }

    fn schema_or_strings(&mut self, id: TypeId, next: u8) -> Result<Got, Fail> {
        match next {
            b'{' => self.inner_schema(id),
            b'[' => self.nested_list(|d| {
                let next = d.reader.peek()?;
                d.wanted_string(next)
                    .map(|text| Got::Value(Value::String(text.unwrap_or_default().into_owned())))
            }),
            _ => self.nothing_chosen(),
        }
    }

    /// Neither form: an empty value, written as null.
    fn nothing_chosen(&mut self) -> Result<Got, Fail> {
        self.reader.skip(self.depth)?;
        Ok(Got::Value(Value::Null))
    }

    fn nested_list(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<Got, Fail>,
    ) -> Result<Got, Fail> {
        self.enter()?;
        let mut items = Vec::new();
        if self.reader.peek()? == b']' {
            self.reader.at += 1;
        } else {
            loop {
                if let Got::Value(value) = read(self)? {
                    items.push(value);
                }
                if !self.reader.more(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Got::Value(Value::Array(items)))
    }

    /// A schema read by a decoder of its own: its errors know nothing of the fields around it, and end the whole.
    fn nested(&mut self, id: TypeId) -> Result<Value, Fail> {
        if self.reader.peek()? != b'{' {
            if self.reader.peek()? == b'n' {
                self.reader.literal("null")?;
                return Ok(Value::Object(Map::new()));
            }
            let what = self.skip_naming()?;
            return Err(Fail::Fatal(
                self.type_error(&what, &self.schema.go_name(id)),
            ));
        }
        let stack = std::mem::take(&mut self.stack);
        let saved = self.saved.take();
        let result = self.object(id, Map::new());
        let inner = std::mem::replace(&mut self.saved, saved);
        self.stack = stack;
        match inner {
            Some(message) => Err(Fail::Fatal(message)),
            None => result,
        }
    }
}
