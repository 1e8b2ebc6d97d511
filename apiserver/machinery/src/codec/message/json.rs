//! A message to JSON without a tree between: the bytes that the tree would be written as, or nothing.

use super::order::{Order, Step};
use super::{FEW, Message, Value, entry, values};
use crate::codec::duration;
use crate::codec::json::{self, Gvk, write_float, write_int, write_string, write_text};
use crate::codec::protobuf::{Cursor, put_bytes, put_varint};
use crate::codec::time::{Instant, Precision, ZERO};
use crate::quantity::Quantity;
use crate::schema::{Field, FieldType, ProtoSlot, TypeId};

/// Deeper than any built-in object but a CRD's schema, which is read as a tree.
const MAX_DEPTH: usize = 64;

/// An object's stored message, shown with the resourceVersion that it does not carry.
pub struct Revised<'a> {
    pub message: &'a Message<'a>,
    pub resource_version: &'a str,
}

/// What is known of a message that was written before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Nothing,
    /// Its texts are good UTF-8.
    Texts,
    /// And its raw JSON is written as it stands.
    All,
}

impl Revised<'_> {
    /// Appends compact JSON without a newline, kind and apiVersion in front where given; what is known of the message after
    /// that. None: read it as a tree; what was appended by then is to be dropped.
    #[must_use]
    pub fn json(&self, out: &mut Vec<u8>, gvk: Option<Gvk<'_>>, known: Known) -> Option<Known> {
        let mut writer = Writer {
            out,
            resource_version: self.resource_version,
            known,
            raw_as_is: true,
        };
        writer.object(self.message.data, self.message.id, 0, gvk)?;
        Some(writer.known_now())
    }

    /// Appends the object's metadata as compact JSON; what is known of the metadata after that. None as for `json`.
    #[must_use]
    pub fn metadata_json(&self, out: &mut Vec<u8>, known: Known) -> Option<Known> {
        let (_, records) = self.message.find("metadata")?;
        let mut writer = Writer {
            out,
            resource_version: self.resource_version,
            known,
            raw_as_is: true,
        };
        writer.object(super::bytes(records)?, object_meta(), METADATA_DEPTH, None)?;
        Some(writer.known_now())
    }

    /// The message of a PartialObjectMetadata: of the object the metadata alone.
    #[must_use]
    pub fn metadata_protobuf(&self) -> Option<Vec<u8>> {
        let place = self.cut()?;
        let mut out = Vec::with_capacity(place.metadata_len + 6);
        place.put_metadata(&mut out, self.resource_version);
        Some(out)
    }

    /// The bare message.
    #[must_use]
    pub fn protobuf(&self) -> Option<Vec<u8>> {
        let place = self.cut()?;
        let mut out = Vec::with_capacity(place.shown_len);
        out.extend_from_slice(place.before);
        place.put_metadata(&mut out, self.resource_version);
        out.extend_from_slice(place.after);
        Some(out)
    }

    /// How long that is.
    #[must_use]
    pub fn protobuf_len(&self) -> Option<usize> {
        self.cut().map(|cut| cut.shown_len)
    }

    /// Where the version goes. None where no empty text keeps its place, as all writers leave it.
    fn cut(&self) -> Option<Cut<'_>> {
        let message = self.message;
        let (_, records) = message.find("metadata")?;
        let metadata = message.message("metadata")?;
        let (_, version) = metadata.find("resourceVersion")?;
        (!version.is_empty() && metadata.id == object_meta()).then_some(())?;
        let inside = metadata.data;
        let within = |part: &[u8], whole: &[u8]| part.as_ptr() as usize - whole.as_ptr() as usize;
        let (at, start) = (within(version, inside), within(records, message.data));
        let field_len = 2 + self.resource_version.len();
        let metadata_len = inside.len() - version.len() + field_len;
        let (before, after) = (
            &message.data[..start],
            &message.data[start + records.len()..],
        );
        Some(Cut {
            before,
            tag: records[0],
            metadata_len,
            metadata: (&inside[..at], &inside[at + version.len()..]),
            after,
            shown_len: before.len() + 1 + varint_len(metadata_len) + metadata_len + after.len(),
        })
    }
}

/// How deep an object's own metadata lies in it.
const METADATA_DEPTH: usize = 1;

/// `resourceVersion` in ObjectMeta.
const VERSION_NUMBER: u32 = 6;

/// The parts of an object's message around its resourceVersion.
struct Cut<'a> {
    before: &'a [u8],
    tag: u8,
    metadata_len: usize,
    metadata: (&'a [u8], &'a [u8]),
    after: &'a [u8],
    shown_len: usize,
}

impl Cut<'_> {
    fn put_metadata(&self, out: &mut Vec<u8>, resource_version: &str) {
        out.push(self.tag);
        put_varint(out, self.metadata_len as u64);
        out.extend_from_slice(self.metadata.0);
        put_bytes(out, VERSION_NUMBER, resource_version.as_bytes());
        out.extend_from_slice(self.metadata.1);
    }
}

fn varint_len(number: usize) -> usize {
    (usize::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The struct being written.
struct Place {
    order: &'static Order,
    depth: usize,
    /// kind and apiVersion are written already.
    typed: bool,
    /// It is the metadata of the object itself.
    versioned: bool,
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    resource_version: &'o str,
    known: Known,
    /// All raw JSON up to here could be copied.
    raw_as_is: bool,
}

impl Writer<'_> {
    /// What is known of what it has written.
    fn known_now(&self) -> Known {
        match (self.known, self.raw_as_is) {
            (Known::All, _) | (_, true) => Known::All,
            _ => Known::Texts,
        }
    }

    fn object(
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
                super::skip(&mut cursor, tag, ty)?;
                let mut next = cursor;
                while !next.is_empty() {
                    let again = next.tag("").ok()?;
                    if again.number != tag.number {
                        break;
                    }
                    super::skip(&mut next, again, ty)?;
                    cursor = next;
                }
                self.step(place, found, &data[start..data.len() - cursor.len()])?;
            } else {
                (tag.wire_type == super::wire_type(ty)).then_some(())?;
                let value = super::value(&mut cursor, tag)?;
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
            _ => self.present(place, position, super::single(records)?),
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
                if self.known == Known::All || json::is_compact(raw) {
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
            (tag.wire_type == super::wire_type(element)).then_some(())?;
            let value = super::value(&mut cursor, tag)?;
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

fn object_meta() -> TypeId {
    static ID: std::sync::OnceLock<TypeId> = std::sync::OnceLock::new();
    *ID.get_or_init(|| {
        let id = crate::schema::schema().type_named("meta/v1.ObjectMeta");
        id.unwrap_or_else(|| panic!("the schema table has no ObjectMeta"))
    })
}

/// Whether a value that is no pointer says nothing.
fn is_zero(ty: &FieldType, value: Value<'_>) -> Option<bool> {
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
fn instant(data: &[u8]) -> Option<Option<Instant>> {
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

fn int_field(data: &[u8]) -> Option<i64> {
    let mut cursor = Cursor::new(data);
    if cursor.is_empty() {
        return Some(0);
    }
    let tag = cursor.tag("").ok()?;
    (tag.number == 1 && tag.wire_type == 0).then_some(())?;
    let number = cursor.varint().ok()? as i64;
    cursor.is_empty().then_some(number)
}

fn bytes_field(data: &[u8]) -> Option<&[u8]> {
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

const _: () = assert!(
    FEW >= 40,
    "ordinary structs fit without memory of their own"
);
