//! Documents as protobuf, in gnostic's messages (google/gnostic-models openapiv2/OpenAPIv2.proto, openapiv3/OpenAPIv3.proto):
//! what client-go asks for. One small interpreter writes both languages; gnostic/v2.rs and v3.rs say which key has which number.

mod v2;
mod v3;

use super::Section;
use serde_json::{Map, Value};

/// A Swagger 2.0 document as an openapi.v2.Document.
pub fn v2_protobuf(document: &Value) -> Vec<u8> {
    message(&v2::DOCUMENT, document)
}

/// An OpenAPI 3.0 document as an openapi.v3.Document.
pub fn v3_protobuf(document: &Value) -> Vec<u8> {
    message(&v3::DOCUMENT, document)
}

/// Entries of a section of a Swagger document, as fields of the section's message.
pub(super) fn v2_entries(section: Section, entries: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    if let (_, Kind::In([number], pairs)) = v2_section(section) {
        put(&mut out, *number, pairs, &Value::Object(entries.clone()));
    }
    out
}

/// What stands before each section of a Swagger document, and behind the last, where the sections take so many bytes.
pub(super) fn v2_frame(document: &Value, lengths: [usize; 3]) -> [Vec<u8>; 4] {
    let numbers = Section::ALL.map(|section| v2_section(section).0);
    let (first, last) = (numbers[0], numbers[2]);
    let mut frame = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for (key, number, kind) in v2::DOCUMENT.fields {
        let place = match *number {
            number if number < first => 0,
            number if number > last => 3,
            _ => continue,
        };
        if let Some(value) = document.get(*key) {
            put(&mut frame[place], *number, kind, value);
        }
    }
    for (at, (number, length)) in numbers.into_iter().zip(lengths).enumerate() {
        put_varint(&mut frame[at], number << 3 | LENGTH_DELIMITED);
        put_varint(&mut frame[at], length as u32);
    }
    frame
}

/// The number of a section in the document, and what it is.
fn v2_section(section: Section) -> (u32, &'static Kind) {
    let mut fields = v2::DOCUMENT.fields.iter();
    let found = fields.find(|(key, _, _)| *key == section.key());
    found.map_or((0, &Kind::Text), |(_, number, kind)| (*number, kind))
}

/// A message: JSON keys with their numbers, ascending, and the number that keys beginning with `x-` go to.
struct Message {
    fields: &'static [(&'static str, u32, Kind)],
    extensions: u32,
}

/// How a JSON value becomes fields of one number.
enum Kind {
    Text,
    Flag,
    /// A double.
    Number,
    /// An int64; what is none is cut to one.
    Integer,
    /// Text of any JSON value, which is YAML too: Any{yaml=2}.
    Any,
    /// DefaultType{number=1, boolean=2, string=3}.
    Default,
    Message(&'static Message),
    /// Messages around the value, of which it is the field of these numbers.
    In(&'static [u32], &'static Kind),
    /// An array: a field for each element.
    Each(&'static Kind),
    /// An object: a field {name=1, value=2} for each entry.
    Pairs(&'static Kind),
    /// The kind depends on the value.
    Pick(fn(&Value) -> &'static Kind),
}

const LENGTH_DELIMITED: u32 = 2;
const FIXED_64: u32 = 1;

fn message(message: &Message, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(object) = value.as_object() else {
        return out;
    };
    for (key, number, kind) in message.fields {
        if let Some(value) = object.get(*key) {
            put(&mut out, *number, kind, value);
        }
    }
    for (key, value) in object.iter().filter(|(key, _)| key.starts_with("x-")) {
        put_pair(&mut out, message.extensions, key, &Kind::Any, value);
    }
    out
}

fn put(out: &mut Vec<u8>, number: u32, kind: &Kind, value: &Value) {
    match kind {
        Kind::Text => put_bytes(out, number, value.as_str().unwrap_or_default().as_bytes()),
        Kind::Flag => {
            if value.as_bool() == Some(true) {
                put_varint(out, number << 3);
                put_varint(out, 1);
            }
        }
        Kind::Number => {
            put_varint(out, number << 3 | FIXED_64);
            out.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Kind::Integer => {
            let whole = value.as_i64();
            let whole = whole.or_else(|| value.as_f64().map(|number| number as i64));
            put_varint(out, number << 3);
            put_varint64(out, whole.unwrap_or_default() as u64);
        }
        Kind::Any => {
            let mut any = Vec::new();
            put_bytes(&mut any, 2, format!("{value}\n").as_bytes());
            put_bytes(out, number, &any);
        }
        Kind::Default => put_bytes(out, number, &default_type(value)),
        Kind::Message(inner) => put_bytes(out, number, &message(inner, value)),
        Kind::In([], inner) => put(out, number, inner, value),
        Kind::In([next, rest @ ..], inner) => {
            let mut body = Vec::new();
            put(&mut body, *next, &Kind::In(rest, inner), value);
            put_bytes(out, number, &body);
        }
        Kind::Each(element) => value
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|value| put(out, number, element, value)),
        Kind::Pairs(kind) => value
            .as_object()
            .into_iter()
            .flatten()
            .for_each(|(name, value)| put_pair(out, number, name, kind, value)),
        Kind::Pick(pick) => put(out, number, pick(value), value),
    }
}

fn put_pair(out: &mut Vec<u8>, number: u32, name: &str, kind: &Kind, value: &Value) {
    let mut pair = Vec::new();
    put_bytes(&mut pair, 1, name.as_bytes());
    put(&mut pair, 2, kind, value);
    put_bytes(out, number, &pair);
}

/// A default; one that is no scalar has no place in this message, as in gnostic.
fn default_type(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Number(number) => {
            put_varint(&mut out, 1 << 3 | FIXED_64);
            out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::Bool(on) => {
            put_varint(&mut out, 2 << 3);
            put_varint(&mut out, u32::from(*on));
        }
        Value::String(text) => put_bytes(&mut out, 3, text.as_bytes()),
        _ => {}
    }
    out
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, number << 3 | LENGTH_DELIMITED);
    put_varint(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, number: u32) {
    put_varint64(out, number.into());
}

fn put_varint64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Keys of a document that its messages have no place for, with where they stand; for tests.
#[cfg(test)]
pub(super) fn unplaced(document: &Value, v3: bool) -> Vec<String> {
    fn in_message(message: &Message, value: &Value, at: &str, out: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{key}");
            match message.fields.iter().find(|(name, _, _)| name == key) {
                Some((_, _, kind)) => in_kind(kind, value, &at, out),
                None if key.starts_with("x-") && message.extensions != 0 => {}
                None => out.push(at),
            }
        }
    }
    fn in_kind(kind: &Kind, value: &Value, at: &str, out: &mut Vec<String>) {
        match kind {
            Kind::Message(message) => in_message(message, value, at, out),
            Kind::In(_, kind) => in_kind(kind, value, at, out),
            Kind::Each(kind) => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|v| in_kind(kind, v, at, out)),
            Kind::Pairs(kind) => value
                .as_object()
                .into_iter()
                .flatten()
                .for_each(|(k, v)| in_kind(kind, v, &format!("{at}/{k}"), out)),
            Kind::Pick(pick) => in_kind(pick(value), value, at, out),
            Kind::Text if !value.is_string() => out.push(format!("{at}: no text")),
            Kind::Flag if !value.is_boolean() => out.push(format!("{at}: no flag")),
            Kind::Number | Kind::Integer if !value.is_number() => {
                out.push(format!("{at}: no number"));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    in_message(
        if v3 { &v3::DOCUMENT } else { &v2::DOCUMENT },
        document,
        "",
        &mut out,
    );
    out
}
