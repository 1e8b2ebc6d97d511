//! Records of a message, read one after the other: what lies behind a tag, and what a field's records hold.

use crate::codec::protobuf::{Cursor, Tag};
use crate::schema::FieldType;

/// What a record holds, by its wire type.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// Passes over a value of a type, if it is one.
#[inline]
pub(super) fn skip(cursor: &mut Cursor<'_>, tag: Tag, ty: &FieldType) -> Option<()> {
    (tag.wire_type == wire_type(ty)).then_some(())?;
    cursor.skip(tag).ok()
}

/// The wire type of a type's records.
#[inline]
pub(super) fn wire_type(ty: &FieldType) -> u8 {
    let element = match ty {
        FieldType::List(element) => element,
        ty => ty,
    };
    match element {
        FieldType::Bool | FieldType::Int32 | FieldType::Int64 => 0,
        FieldType::Float64 => 1,
        _ => 2,
    }
}

/// The value behind a tag.
#[inline]
pub(super) fn value<'a>(cursor: &mut Cursor<'a>, tag: Tag) -> Option<Value<'a>> {
    Some(match tag.wire_type {
        0 => Value::Int(cursor.varint().ok()?),
        1 => Value::Double(f64::from_le_bytes(cursor.fixed().ok()?)),
        _ => Value::Bytes(cursor.bytes().ok()?),
    })
}

/// The values of records that were passed over before.
pub(super) fn values(records: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut cursor = Cursor::new(records);
    std::iter::from_fn(move || {
        if cursor.is_empty() {
            return None;
        }
        let tag = cursor.tag("").ok()?;
        value(&mut cursor, tag)
    })
}

/// The value of a field that is there once.
#[inline]
pub(super) fn single(records: &[u8]) -> Option<Value<'_>> {
    let mut cursor = Cursor::new(records);
    if cursor.is_empty() {
        return None;
    }
    let tag = cursor.tag("").ok()?;
    value(&mut cursor, tag)
}

pub(super) fn bytes(records: &[u8]) -> Option<&[u8]> {
    match single(records)? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Key and value of a map's entry.
pub(super) fn entry(data: &[u8]) -> Option<(&[u8], Option<Value<'_>>)> {
    let mut cursor = Cursor::new(data);
    let (mut key, mut value) = (None, None);
    while !cursor.is_empty() {
        let tag = cursor.tag("").ok()?;
        match (tag.number, tag.wire_type) {
            (1, 2) if key.is_none() && value.is_none() => key = Some(cursor.bytes().ok()?),
            (2, 0) if value.is_none() => value = Some(Value::Int(cursor.varint().ok()?)),
            (2, 1) if value.is_none() => {
                value = Some(Value::Double(f64::from_le_bytes(cursor.fixed().ok()?)));
            }
            (2, 2) if value.is_none() => value = Some(Value::Bytes(cursor.bytes().ok()?)),
            _ => return None,
        }
    }
    Some((key?, value))
}
