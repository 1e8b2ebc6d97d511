//! A message to JSON without a tree between: the bytes that the tree would be written as, or nothing.

use super::order::{Order, Step};
use super::records::{Value, entry, single, skip, value, values, wire_type};
use super::revised::{Known, METADATA_DEPTH, object_meta};
use super::scalars::{bytes_field, instant, int_field, int_or_string, is_zero, quantity};
use super::{FEW, Message};
use crate::codec::duration;
use crate::codec::json::{self, Gvk, write_float, write_int, write_string, write_text};
use crate::codec::protobuf::Cursor;
use crate::codec::time::Precision;
use crate::schema::{Field, FieldType, ProtoSlot, TypeId};

/// Deeper than any built-in object but a CRD's schema, which is read as a tree.
const MAX_DEPTH: usize = 64;

/// The struct being written.
struct Place {
    order: &'static Order,
    depth: usize,
    /// kind and apiVersion are written already.
    typed: bool,
    /// It is the metadata of the object itself.
    versioned: bool,
}

pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    resource_version: &'o str,
    known: Known,
    /// All raw JSON up to here could be copied.
    raw_as_is: bool,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, resource_version: &'o str, known: Known) -> Self {
        Writer {
            out,
            resource_version,
            known,
            raw_as_is: true,
        }
    }

    /// What is known of what it has written.
    pub(super) fn known_now(&self) -> Known {
        match (self.known, self.raw_as_is) {
            (Known::All, _) | (_, true) => Known::All,
            _ => Known::Texts,
        }
    }

    /// Writes a message that lies so deep in the object. None: read it as a tree.
    pub(super) fn object(
        &mut self,
        data: &[u8],
        id: TypeId,
        depth: usize,
        gvk: Option<Gvk<'_>>,
    ) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let order = Order::of(id)?;
        let start = self.out.len();
        let gvk = gvk.filter(|_| order.shape.type_meta);
        if let Some(gvk) = gvk {
            self.out.extend_from_slice(b",\"kind\":");
            write_string(self.out, gvk.kind);
            self.out.extend_from_slice(b",\"apiVersion\":");
            write_string(self.out, gvk.api_version);
        }
        let place = Place {
            order,
            depth,
            typed: gvk.is_some(),
            versioned: depth == METADATA_DEPTH && id == object_meta(),
        };
        if order.in_step {
            self.in_step(data, &place)?;
        } else {
            let message = Message::open(data, id)?;
            for position in order.positions(message.present) {
                self.step(&place, position, message.records(position))?;
            }
        }
        // Every key comes with a comma in front; the first one's is the brace.
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        Some(())
    }

    /// Walks records and fields side by side.
    fn in_step(&mut self, data: &[u8], place: &Place) -> Option<()> {
        let shape = place.order.shape;
        let (mut position, mut at) = (0, 0);
        let mut cursor = Cursor::new(data);
        while !cursor.is_empty() {
            let start = data.len() - cursor.len();
            let tag = cursor.tag("").ok()?;
            // Backwards, or unknown: not found.
            at += shape.proto[at..]
                .iter()
                .position(|record| record.number == tag.number)?;
            let ProtoSlot::Field(found) = shape.proto[at].slot else {
                return None;
            };
            let found = usize::from(found);
            let ty = &shape.fields[found].ty;
            for absent in place.order.speaking(position, found) {
                self.step(place, absent, &[])?;
            }
            if matches!(ty, FieldType::List(_) | FieldType::Map(_)) {
                skip(&mut cursor, tag, ty)?;
                let mut next = cursor;
                while !next.is_empty() {
                    let again = next.tag("").ok()?;
                    if again.number != tag.number {
                        break;
                    }
                    skip(&mut next, again, ty)?;
                    cursor = next;
                }
                self.step(place, found, &data[start..data.len() - cursor.len()])?;
            } else {
                (tag.wire_type == wire_type(ty)).then_some(())?;
                let value = value(&mut cursor, tag)?;
                self.present(place, found, value)?;
            }
            (position, at) = (found + 1, at + 1);
        }
        for absent in place.order.speaking(position, place.order.steps.len()) {
            self.step(place, absent, &[])?;
        }
        Some(())
    }

    /// Whether the field has been seen to: the version of the object itself, or what kind and apiVersion in front have said.
    fn special(&mut self, place: &Place, position: usize) -> bool {
        let step = &place.order.steps[position];
        // The store's key carries the version, the object does not.
        if place.versioned && place.order.version == Some(position) {
            self.out.extend_from_slice(&step.key);
            write_string(self.out, self.resource_version);
            return true;
        }
        place.typed && step.of_type
    }

    /// One field that has one value.
    fn present(&mut self, place: &Place, position: usize, value: Value<'_>) -> Option<()> {
        if self.special(place, position) {
            return Some(());
        }
        let step = &place.order.steps[position];
        let field = &place.order.shape.fields[position];
        let ty = &field.ty;
        // An empty struct that is not left out is written as one of nothing either way.
        let written = matches!(ty, FieldType::Struct(_)) && !field.omitzero;
        if !field.pointer && !written && is_zero(ty, value)? {
            return self.absent(place, step, field);
        }
        self.out.extend_from_slice(&step.key);
        self.value(ty, value, place.depth)
    }

    /// One field with all its records.
    fn step(&mut self, place: &Place, position: usize, records: &[u8]) -> Option<()> {
        let step = &place.order.steps[position];
        let field = &place.order.shape.fields[position];
        if records.is_empty() {
            if self.special(place, position) {
                return Some(());
            }
            return self.absent(place, step, field);
        }
        match &field.ty {
            FieldType::List(element) => {
                self.out.extend_from_slice(&step.key);
                self.list(element, records, None, place.depth)
            }
            FieldType::Map(element) => {
                self.out.extend_from_slice(&step.key);
                self.map(element, records, place.depth)
            }
            _ => self.present(place, position, single(records)?),
        }
    }

    /// What Go writes for a field that holds its zero value.
    fn absent(&mut self, place: &Place, step: &Step, field: &Field) -> Option<()> {
        if place.depth == 0 && field.name == "metadata" {
            // Where there is none, there is no place for the version.
            return None;
        }
        if !step.speaks {
            return Some(());
        }
        self.out.extend_from_slice(&step.key);
        match &field.ty {
            _ if field.pointer => self.out.extend_from_slice(b"null"),
            FieldType::Struct(id) => return self.object(&[], *id, place.depth + 2, None),
            ty => self.out.extend_from_slice(json::zero_text(ty)),
        }
        Some(())
    }

    /// Whether raw JSON is written again as it lies in protobuf.
    fn shows_as_stored(&self, raw: &[u8]) -> bool {
        match self.known {
            Known::All => true,
            Known::Encoded if json::is_html_safe(raw) => true,
            _ => json::is_compact(raw),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> Option<()> {
        if self.known == Known::Nothing {
            std::str::from_utf8(bytes).ok()?;
        }
        write_text(self.out, bytes);
        Some(())
    }

    fn value(&mut self, ty: &FieldType, value: Value<'_>, depth: usize) -> Option<()> {
        match (ty, value) {
            (FieldType::String, Value::Bytes(bytes)) => self.text(bytes)?,
            (FieldType::Struct(id), Value::Bytes(bytes)) => {
                return self.object(bytes, *id, depth + 1, None);
            }
            (FieldType::Bool, Value::Int(number)) => {
                let text: &[u8] = if number == 0 { b"false" } else { b"true" };
                self.out.extend_from_slice(text);
            }
            (FieldType::Int32, Value::Int(number)) => {
                write_int(self.out, i64::from(number as i32));
            }
            (FieldType::Int64, Value::Int(number)) => write_int(self.out, number as i64),
            (FieldType::Float64, Value::Double(number)) if number.is_finite() => {
                write_float(self.out, number);
            }
            (FieldType::Bytes, Value::Bytes(bytes)) => {
                self.out.push(b'"');
                let text = crate::codec::base64::encode(bytes);
                self.out.extend_from_slice(text.as_bytes());
                self.out.push(b'"');
            }
            (FieldType::Quantity, Value::Bytes(bytes)) => {
                self.out.push(b'"');
                self.out.extend_from_slice(quantity(bytes)?.as_bytes());
                self.out.push(b'"');
            }
            (FieldType::IntOrString, Value::Bytes(bytes)) => match int_or_string(bytes)? {
                (true, _, text) => self.text(text)?,
                (false, number, _) => write_int(self.out, number.into()),
            },
            (FieldType::Time, Value::Bytes(bytes)) => self.time(bytes, Precision::Seconds)?,
            (FieldType::MicroTime, Value::Bytes(bytes)) => self.time(bytes, Precision::Micros)?,
            (FieldType::Duration, Value::Bytes(bytes)) => {
                write_string(self.out, &duration::format(int_field(bytes)?));
            }
            (FieldType::Raw, Value::Bytes(bytes)) => {
                let raw = bytes_field(bytes)?;
                if self.shows_as_stored(raw) {
                    self.out.extend_from_slice(raw);
                } else {
                    self.raw_as_is = false;
                    json::write_raw(self.out, &json::decode_raw(raw).ok()?);
                }
            }
            (FieldType::Wrapper(element), Value::Bytes(bytes)) => {
                return self.list(element, bytes, Some(1), depth);
            }
            _ => return None,
        }
        Some(())
    }

    /// `number` is that of the records where nobody has looked at them yet.
    fn list(
        &mut self,
        element: &FieldType,
        records: &[u8],
        number: Option<u32>,
        depth: usize,
    ) -> Option<()> {
        self.out.push(b'[');
        let mut cursor = Cursor::new(records);
        let mut first = true;
        while !cursor.is_empty() {
            let tag = cursor.tag("").ok()?;
            if number.is_some_and(|number| number != tag.number) {
                return None;
            }
            (tag.wire_type == wire_type(element)).then_some(())?;
            let value = value(&mut cursor, tag)?;
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.value(element, value, depth + 1)?;
        }
        self.out.push(b']');
        Some(())
    }

    /// Entries must stand in the order of their keys, as all writers put them.
    fn map(&mut self, element: &FieldType, records: &[u8], depth: usize) -> Option<()> {
        self.out.push(b'{');
        let mut before: Option<&[u8]> = None;
        for value in values(records) {
            let Value::Bytes(data) = value else {
                return None;
            };
            let (key, value) = entry(data)?;
            if before.is_some_and(|before| before >= key) {
                return None;
            }
            if before.is_some() {
                self.out.push(b',');
            }
            before = Some(key);
            self.text(key)?;
            self.out.push(b':');
            let value = value?;
            let wanted = matches!(
                (element, value),
                (
                    FieldType::Bool | FieldType::Int32 | FieldType::Int64,
                    Value::Int(_)
                ) | (FieldType::Float64, Value::Double(_))
            ) || matches!(value, Value::Bytes(_)) && !element.is_scalar()
                || matches!((element, value), (FieldType::String, Value::Bytes(_)));
            wanted.then_some(())?;
            self.value(element, value, depth + 1)?;
        }
        self.out.push(b'}');
        Some(())
    }

    fn time(&mut self, data: &[u8], precision: Precision) -> Option<()> {
        match instant(data)? {
            None => self.out.extend_from_slice(b"null"),
            Some(instant) => {
                self.out.push(b'"');
                instant.write(precision, self.out);
                self.out.push(b'"');
            }
        }
        Some(())
    }
}

const _: () = assert!(
    FEW >= 40,
    "ordinary structs fit without memory of their own"
);
