//! Values that are messages in protobuf and one word in JSON: times, quantities, durations, raw JSON; and what counts as zero.

use super::Message;
use super::records::{Value, values};
use crate::codec::protobuf::Cursor;
use crate::codec::time::{Instant, Precision, ZERO};
use crate::quantity::Quantity;
use crate::schema::{Field, FieldType};

/// Whether a value that is no pointer says nothing.
pub(super) fn is_zero(ty: &FieldType, value: Value<'_>) -> Option<bool> {
    Some(match (ty, value) {
        (_, Value::Int(number)) => match ty {
            FieldType::Int32 => number as i32 == 0,
            _ => number == 0,
        },
        (_, Value::Double(number)) => number == 0.0 && !number.is_sign_negative(),
        (FieldType::String, Value::Bytes(bytes)) => bytes.is_empty(),
        (FieldType::Struct(id), Value::Bytes(bytes)) => is_empty(&Message::open(bytes, *id)?)?,
        (FieldType::Time | FieldType::MicroTime, Value::Bytes(bytes)) => instant(bytes)?.is_none(),
        (FieldType::Quantity, Value::Bytes(bytes)) => quantity(bytes)? == "0",
        (FieldType::IntOrString, Value::Bytes(bytes)) => {
            matches!(int_or_string(bytes)?, (false, 0, _))
        }
        (FieldType::Duration, Value::Bytes(bytes)) => int_field(bytes)? == 0,
        (FieldType::Raw, Value::Bytes(b"")) => true,
        // What may be empty and yet there: seldom seen, and read as a tree.
        (FieldType::Bytes | FieldType::Wrapper(_), Value::Bytes(b"")) => return None,
        (FieldType::Bytes | FieldType::Wrapper(_) | FieldType::Raw, _) => false,
        _ => return None,
    })
}

/// Whether a tree of the message would be empty.
fn is_empty(message: &Message<'_>) -> Option<bool> {
    for (position, field) in message.shape.fields.iter().enumerate() {
        if says(field, message.records(position))? {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether a tree would have the field that these records are of.
pub(super) fn says(field: &Field, records: &[u8]) -> Option<bool> {
    if records.is_empty() {
        return Some(false);
    }
    let always = field.pointer || matches!(field.ty, FieldType::List(_) | FieldType::Map(_));
    Some(always || !is_zero(&field.ty, values(records).next()?)?)
}

pub(super) fn time_text(data: &[u8]) -> Option<String> {
    Some(instant(data)?.map_or_else(String::new, |i| i.format(Precision::Seconds)))
}

/// A time message; None inside is the zero time.
pub(super) fn instant(data: &[u8]) -> Option<Option<Instant>> {
    if data.is_empty() {
        return Some(None);
    }
    let mut cursor = Cursor::new(data);
    let (mut seconds, mut nanos) = (0, 0);
    while !cursor.is_empty() {
        let tag = cursor.tag("").ok()?;
        match (tag.number, tag.wire_type) {
            (1, 0) => seconds = cursor.varint().ok()? as i64,
            (2, 0) => nanos = u32::try_from(cursor.varint().ok()? as i64).ok()?,
            _ => return None,
        }
    }
    let instant = Instant { seconds, nanos };
    // Fractions of the zero second are seldom enough for the tree.
    if seconds == ZERO.seconds {
        return (nanos == 0).then_some(None);
    }
    Some(Some(instant))
}

pub(super) fn int_field(data: &[u8]) -> Option<i64> {
    let mut cursor = Cursor::new(data);
    if cursor.is_empty() {
        return Some(0);
    }
    let tag = cursor.tag("").ok()?;
    (tag.number == 1 && tag.wire_type == 0).then_some(())?;
    let number = cursor.varint().ok()? as i64;
    cursor.is_empty().then_some(number)
}

pub(super) fn bytes_field(data: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(data);
    let tag = cursor.tag("").ok()?;
    (tag.number == 1 && tag.wire_type == 2).then_some(())?;
    let bytes = cursor.bytes().ok()?;
    (cursor.is_empty() && !bytes.is_empty()).then_some(bytes)
}

/// Whether it is a text, the number, the text.
pub(super) fn int_or_string(data: &[u8]) -> Option<(bool, i32, &[u8])> {
    let mut cursor = Cursor::new(data);
    let (mut kind, mut number, mut text) = (0, 0, &[][..]);
    while !cursor.is_empty() {
        let tag = cursor.tag("").ok()?;
        match (tag.number, tag.wire_type) {
            (1, 0) => kind = cursor.varint().ok()?,
            (2, 0) => number = cursor.varint().ok()? as i32,
            (3, 2) => text = cursor.bytes().ok()?,
            _ => return None,
        }
    }
    Some((kind == 1, number, text))
}

/// A quantity in its canonical form.
pub(crate) fn quantity(data: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let text = std::str::from_utf8(bytes_field(data)?).ok()?;
    if is_plain(text) {
        return Some(text.into());
    }
    Some(Quantity::parse(text).ok()?.to_string().into())
}

/// Whether a quantity is surely canonical and whole in thousandths: up to three digits and a common suffix.
pub(crate) fn is_plain(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=3).contains(&digits)
        && !text.starts_with('0')
        && matches!(&text[digits..], "" | "m" | "Ki" | "Mi" | "Gi")
}
