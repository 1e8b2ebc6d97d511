//! Protobuf to a tree in normal form. Records of one field merge as gogo's unmarshalers merge them: the last scalar wins, messages
//! are read into what is there, lists grow.

use serde_json::{Map, Value};

use super::Envelope;
use super::pick::Pick;
use super::special::owned_fields;
use super::wire::{Cursor, Tag, WireError};
use crate::codec::base64;
use crate::codec::deep::at_depth;
use crate::codec::json::text_of;
use crate::codec::normal::{is_absent, zero_element};
use crate::schema::{Field, FieldType, ProtoSlot, Schema, Struct, TypeId};

/// CRD schemas nest without bound; no JSON that nests deeper could have become a message.
const MAX_DEPTH: usize = 10_000;

pub(super) struct Decoder<'s> {
    schema: &'s Schema,
    depth: usize,
    /// What is wanted of the place being read.
    pick: &'s Pick,
}

impl<'s> Decoder<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self::picking(schema, &Pick::Whole)
    }

    /// Reads no more than `pick` asks for.
    pub(super) fn picking(schema: &'s Schema, pick: &'s Pick) -> Self {
        Decoder {
            schema,
            depth: 0,
            pick,
        }
    }

    /// Reads a message into a map.
    pub(super) fn message(
        &mut self,
        mut cursor: Cursor<'_>,
        id: TypeId,
        map: &mut Map<String, Value>,
    ) -> Result<(), WireError> {
        let schema = self.schema;
        let Some(shape) = schema.struct_of(id) else {
            return Ok(());
        };
        if self.depth >= MAX_DEPTH {
            return Err(WireError::TooDeep);
        }
        self.depth += 1;
        at_depth(self.depth, || self.records(&mut cursor, id, shape, map))?;
        self.depth -= 1;
        Ok(())
    }

    fn records(
        &mut self,
        cursor: &mut Cursor<'_>,
        id: TypeId,
        shape: &Struct,
        map: &mut Map<String, Value>,
    ) -> Result<(), WireError> {
        let schema = self.schema;
        let mut seen = Seen::of(map);
        while !cursor.is_empty() {
            let tag = cursor.tag(&schema.get(id).go_name)?;
            match shape.record(tag.number).map(|r| r.slot) {
                None => cursor.skip(tag)?,
                Some(ProtoSlot::Inline(inner)) => {
                    let name = || schema.get(inner).go_name.clone().into_owned();
                    let data = delimited(cursor, tag, name)?;
                    self.message(Cursor::new(data), inner, map)?;
                }
                Some(ProtoSlot::Field(position)) => {
                    let here = self.pick;
                    match here.of(&shape.fields[usize::from(position)].name) {
                        None => cursor.skip(tag)?,
                        Some(inside) => {
                            self.pick = inside;
                            self.field(cursor, tag, shape, position, (&mut *map, &mut seen))?;
                            self.pick = here;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        cursor: &mut Cursor<'_>,
        tag: Tag,
        shape: &Struct,
        position: u16,
        (map, seen): (&mut Map<String, Value>, &mut Seen),
    ) -> Result<(), WireError> {
        let field = &shape.fields[usize::from(position)];
        let name = field.name.as_ref();
        let again = seen.mark(position);
        match &field.ty {
            FieldType::List(element) => {
                let items = map
                    .entry(&field.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(items) = items else {
                    return Ok(());
                };
                self.list_record(cursor, tag, field, element, items)
            }
            FieldType::Map(element) => {
                let data = delimited(cursor, tag, || field.go_name.clone().into_owned())?;
                if *self.pick != Pick::Count {
                    self.pick = &Pick::Whole;
                }
                let (key, value) = self.entry(data, field, element)?;
                let entries = map
                    .entry(&field.name)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(entries) = entries {
                    entries.put(key, value);
                }
                Ok(())
            }
            FieldType::Struct(id) => {
                let data = delimited(cursor, tag, || field.go_name.clone().into_owned())?;
                let before = again.then(|| map.get_mut(name).map(Value::take)).flatten();
                let mut inner = match before {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                self.message(Cursor::new(data), *id, &mut inner)?;
                store(map, field, Value::Object(inner), again);
                Ok(())
            }
            ty => {
                let value = self.one(cursor, tag, field, ty)?;
                store(map, field, value, again);
                Ok(())
            }
        }
    }

    fn list_record(
        &mut self,
        cursor: &mut Cursor<'_>,
        tag: Tag,
        field: &Field,
        element: &FieldType,
        items: &mut Vec<Value>,
    ) -> Result<(), WireError> {
        if *self.pick == Pick::Count {
            items.push(Value::Null);
            return cursor.skip(tag);
        }
        let packable = matches!(
            element,
            FieldType::Bool | FieldType::Int32 | FieldType::Int64 | FieldType::Float64
        );
        if tag.wire_type == 2 && packable {
            let mut packed = Cursor::new(cursor.bytes()?);
            let wire_type = if *element == FieldType::Float64 { 1 } else { 0 };
            while !packed.is_empty() {
                items.push(self.one(&mut packed, Tag { wire_type, ..tag }, field, element)?);
            }
        } else {
            items.push(self.one(cursor, tag, field, element)?);
        }
        Ok(())
    }

    /// A single value.
    fn one(
        &mut self,
        cursor: &mut Cursor<'_>,
        tag: Tag,
        field: &Field,
        ty: &FieldType,
    ) -> Result<Value, WireError> {
        let wanted = match ty {
            FieldType::Bool | FieldType::Int32 | FieldType::Int64 => 0,
            FieldType::Float64 => 1,
            _ => 2,
        };
        if tag.wire_type != wanted {
            let field = field.go_name.clone().into_owned();
            return Err(WireError::WrongWireType {
                wire_type: tag.wire_type,
                field,
            });
        }
        Ok(match ty {
            FieldType::Bool => Value::Bool(cursor.varint()? != 0),
            FieldType::Int32 => Value::from(cursor.varint()? as i32),
            FieldType::Int64 => Value::from(cursor.varint()? as i64),
            FieldType::Float64 => Value::from(f64::from_le_bytes(cursor.fixed()?)),
            FieldType::String => Value::String(text_of(cursor.bytes()?)),
            FieldType::Bytes => Value::String(base64::encode(cursor.bytes()?)),
            FieldType::Struct(id) => {
                let mut map = Map::new();
                self.message(Cursor::new(cursor.bytes()?), *id, &mut map)?;
                Value::Object(map)
            }
            FieldType::Wrapper(element) => {
                let mut inner = Cursor::new(cursor.bytes()?);
                let mut items = Vec::new();
                while !inner.is_empty() {
                    let tag = inner.tag(&field.go_name)?;
                    match tag.number {
                        1 => items.push(self.one(&mut inner, tag, field, element)?),
                        _ => inner.skip(tag)?,
                    }
                }
                Value::Array(items)
            }
            FieldType::Raw if field.name == "fieldsV1" => owned_fields(cursor.bytes()?)?,
            ty => self.special(ty, cursor.bytes()?)?,
        })
    }

    fn entry(
        &mut self,
        data: &[u8],
        field: &Field,
        element: &FieldType,
    ) -> Result<(String, Value), WireError> {
        let mut cursor = Cursor::new(data);
        let (mut key, mut value) = (String::new(), None);
        while !cursor.is_empty() {
            let tag = cursor.tag(&field.go_name)?;
            match (tag.number, tag.wire_type) {
                (1, 2) => key = text_of(cursor.bytes()?),
                (2, _) if *self.pick == Pick::Count => {
                    cursor.skip(tag)?;
                    value = Some(Value::Null);
                }
                (2, _) => value = Some(self.one(&mut cursor, tag, field, element)?),
                _ => cursor.skip(tag)?,
            }
        }
        Ok((key, value.unwrap_or_else(|| zero_element(element))))
    }
}

/// The fields that a message has had records of. A map is asked only about those: most zero values were never in it.
struct Seen(u128);

impl Seen {
    /// A map that holds something already (of the message around an embedded one, or of an earlier record) may hold anything.
    fn of(map: &Map<String, Value>) -> Self {
        Seen(if map.is_empty() { 0 } else { u128::MAX })
    }

    /// Whether there may have been one before.
    fn mark(&mut self, position: u16) -> bool {
        let Some(bit) = 1_u128.checked_shl(position.into()) else {
            return true;
        };
        let before = self.0 & bit != 0;
        self.0 |= bit;
        before
    }
}

fn store(map: &mut Map<String, Value>, field: &Field, value: Value, again: bool) {
    if is_absent(field, &value) {
        if again {
            map.shift_remove(field.name.as_ref());
        }
    } else {
        map.put(&field.name, value);
    }
}

fn delimited<'a>(
    cursor: &mut Cursor<'a>,
    tag: Tag,
    field: impl FnOnce() -> String,
) -> Result<&'a [u8], WireError> {
    if tag.wire_type != 2 {
        return Err(WireError::WrongWireType {
            wire_type: tag.wire_type,
            field: field(),
        });
    }
    cursor.bytes()
}

/// runtime.Unknown.
pub(super) fn envelope(data: &[u8]) -> Result<Envelope<'_>, WireError> {
    let mut envelope = Envelope::default();
    let mut cursor = Cursor::new(data);
    while !cursor.is_empty() {
        let tag = cursor.tag("Unknown")?;
        let named = |name: &'static str| move || name.to_owned();
        match tag.number {
            1 => {
                let mut inner = Cursor::new(delimited(&mut cursor, tag, named("TypeMeta"))?);
                while !inner.is_empty() {
                    let tag = inner.tag("TypeMeta")?;
                    match tag.number {
                        1 => {
                            envelope.type_meta.api_version =
                                text_of(delimited(&mut inner, tag, named("APIVersion"))?)
                        }
                        2 => {
                            envelope.type_meta.kind =
                                text_of(delimited(&mut inner, tag, named("Kind"))?)
                        }
                        _ => inner.skip(tag)?,
                    }
                }
            }
            2 => envelope.raw = delimited(&mut cursor, tag, named("Raw"))?,
            3 => {
                envelope.content_encoding =
                    text_of(delimited(&mut cursor, tag, named("ContentEncoding"))?)
            }
            4 => {
                envelope.content_type = text_of(delimited(&mut cursor, tag, named("ContentType"))?)
            }
            _ => cursor.skip(tag)?,
        }
    }
    Ok(envelope)
}
