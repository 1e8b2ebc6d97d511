//! A tree to protobuf, as gogo's generated marshalers write it: ascending numbers, scalars and struct values always, pointers and
//! bytes when there, map records sorted by key.

use serde_json::{Map, Value};

use super::wire::{put_bytes, put_int, put_tag, put_varint};
use crate::codec::base64;
use crate::codec::deep::at_depth;
use crate::codec::json::{Slots, sorted};
use crate::schema::{Field, FieldType, ProtoSlot, Schema, TypeId};

pub(super) struct Encoder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) out: &'a mut Vec<u8>,
    depth: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(schema: &'a Schema, out: &'a mut Vec<u8>) -> Self {
        Encoder {
            schema,
            out,
            depth: 0,
        }
    }

    /// The fields of a message.
    pub(super) fn message(&mut self, id: TypeId, value: &Value) {
        static NOTHING: std::sync::LazyLock<Map<String, Value>> =
            std::sync::LazyLock::new(Map::new);
        self.fields(id, value.as_object().unwrap_or(&NOTHING));
    }

    fn fields(&mut self, id: TypeId, map: &Map<String, Value>) {
        self.depth += 1;
        at_depth(self.depth, || self.fields_here(id, map));
        self.depth -= 1;
    }

    fn fields_here(&mut self, id: TypeId, map: &Map<String, Value>) {
        let Some(shape) = self.schema.struct_of(id) else {
            return;
        };
        let slots = Slots::new(shape, map);
        for record in &shape.proto {
            match record.slot {
                ProtoSlot::Field(position) => {
                    let field = &shape.fields[usize::from(position)];
                    self.field(field, slots.get(usize::from(position)));
                }
                ProtoSlot::Inline(inner) => self.nested(record.number, |e| e.fields(inner, map)),
            }
        }
    }

    /// A length-delimited record around what `write` appends.
    pub(super) fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        put_tag(self.out, number, 2);
        let at = self.out.len();
        self.out.push(0);
        write(self);
        let length = self.out.len() - at - 1;
        if length < 0x80 {
            self.out[at] = length as u8;
            return;
        }
        let mut prefix = Vec::with_capacity(5);
        put_varint(&mut prefix, length as u64);
        self.out.splice(at..=at, prefix);
    }

    fn field(&mut self, field: &Field, value: Option<&Value>) {
        let number = field.number;
        match (&field.ty, value) {
            (FieldType::List(element), Some(Value::Array(items))) => {
                items
                    .iter()
                    .for_each(|item| self.record(number, element, item));
            }
            (FieldType::Map(element), Some(Value::Object(map))) => self.map(number, element, map),
            (FieldType::List(_) | FieldType::Map(_), _) => {}
            (FieldType::Wrapper(_) | FieldType::Bytes, None | Some(Value::Null)) => {}
            (ty, None) if !field.pointer => self.zero(number, ty),
            (_, None) => {}
            (ty, Some(value)) => self.record(number, ty, value),
        }
    }

    /// A field or an element that is there.
    pub(super) fn record(&mut self, number: u32, ty: &FieldType, value: &Value) {
        match (ty, value) {
            (FieldType::String, Value::String(text)) => {
                put_bytes(self.out, number, text.as_bytes())
            }
            (FieldType::Bool, value) => {
                put_int(self.out, number, value.as_bool().unwrap_or(false).into())
            }
            (FieldType::Int32 | FieldType::Int64, value) => {
                put_int(self.out, number, value.as_i64().unwrap_or(0))
            }
            (FieldType::Float64, value) => {
                put_tag(self.out, number, 1);
                self.out
                    .extend_from_slice(&value.as_f64().unwrap_or(0.0).to_le_bytes());
            }
            (FieldType::Bytes, Value::String(text)) => {
                put_bytes(self.out, number, &base64::decode(text).unwrap_or_default());
            }
            (FieldType::Struct(id), Value::Object(map)) => {
                self.nested(number, |e| e.fields(*id, map))
            }
            (FieldType::Wrapper(element), Value::Array(items)) => {
                self.nested(number, |e| {
                    items.iter().for_each(|item| e.record(1, element, item))
                });
            }
            (FieldType::Any | FieldType::List(_) | FieldType::Map(_), _) => {}
            (
                FieldType::String | FieldType::Bytes | FieldType::Struct(_) | FieldType::Wrapper(_),
                _,
            ) => {
                put_bytes(self.out, number, b"");
            }
            (ty, value) => self.nested(number, |e| e.special(ty, value)),
        }
    }

    /// A value that is no pointer is written when it is zero, too.
    fn zero(&mut self, number: u32, ty: &FieldType) {
        match ty {
            FieldType::Struct(id) => self.nested(number, |e| e.fields(*id, &Map::new())),
            FieldType::Any => {}
            ty => self.record(number, ty, &Value::Null),
        }
    }

    fn map(&mut self, number: u32, element: &FieldType, map: &Map<String, Value>) {
        for (key, value) in sorted(map) {
            self.nested(number, |e| {
                put_bytes(e.out, 1, key.as_bytes());
                let nil = value.is_null() && matches!(element, FieldType::Bytes);
                if !nil {
                    e.record(2, element, value);
                }
            });
        }
    }
}
