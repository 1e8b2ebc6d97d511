//! A protobuf message as it lies there: where the records of each field are, with nothing decoded and no tree built.
//!
//! It reads what this project and upstream write: known fields, each in one place. Whatever else protobuf allows (unknown fields,
//! records of one field apart from each other, packed numbers) makes it say nothing; then the tree decides.

mod json;
mod order;
mod records;
mod revised;
mod scalars;

use self::records::{Value, bytes, entry, single, skip, values};
use super::protobuf::Cursor;
use crate::schema::{Field, FieldType, ProtoSlot, Schema, Struct, TypeId, schema};

pub use revised::{Known, Revised};
pub(crate) use scalars::{is_plain, quantity};

/// Fields of most structs; those with more take memory of their own.
const FEW: usize = 48;

/// The records of one field in a message, tags included; empty where there are none.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// One message of a struct type.
pub struct Message<'a> {
    id: TypeId,
    shape: &'static Struct,
    data: &'a [u8],
    few: [Span; FEW],
    many: Vec<Span>,
    /// The places that have records, as far as there are bits for them.
    present: u128,
}

impl<'a> Message<'a> {
    /// Finds the fields of a message of a built-in type.
    #[must_use]
    pub fn open(data: &'a [u8], id: TypeId) -> Option<Self> {
        u32::try_from(data.len()).ok()?;
        let shape = schema().struct_of(id)?;
        let mut message = Message {
            id,
            shape,
            data,
            few: [Span::default(); FEW],
            many: Vec::new(),
            present: 0,
        };
        if shape.fields.len() > FEW {
            message.many = vec![Span::default(); shape.fields.len()];
        }
        message.collect(schema(), shape, 0, data)?;
        Some(message)
    }

    /// Notes the records of `data`, which begins at `base`: the message itself or one that is embedded in it.
    fn collect(
        &mut self,
        schema: &'static Schema,
        shape: &'static Struct,
        base: usize,
        data: &'a [u8],
    ) -> Option<()> {
        let mut cursor = Cursor::new(data);
        let mut next = 0;
        while !cursor.is_empty() {
            let start = base + data.len() - cursor.len();
            let tag = cursor.tag("").ok()?;
            let at = shape
                .proto
                .get(next)
                .filter(|record| record.number == tag.number)
                .map(|_| next);
            let at = match at {
                Some(at) => at,
                None => shape.record_place(tag.number)?,
            };
            match shape.proto[at].slot {
                ProtoSlot::Inline(inner) => {
                    if tag.wire_type != 2 {
                        return None;
                    }
                    let inside = cursor.bytes().ok()?;
                    let base = base + data.len() - cursor.len() - inside.len();
                    self.collect(schema, schema.struct_of(inner)?, base, inside)?;
                    next = at + 1;
                }
                ProtoSlot::Field(position) => {
                    let field = &shape.fields[usize::from(position)];
                    skip(&mut cursor, tag, &field.ty)?;
                    let end = base + data.len() - cursor.len();
                    // Fields of an embedded struct are the outer one's.
                    let position = if std::ptr::eq(shape, self.shape) {
                        usize::from(position)
                    } else {
                        self.shape.position(&field.name)?
                    };
                    let repeats = matches!(field.ty, FieldType::List(_) | FieldType::Map(_));
                    next = if repeats { at } else { at + 1 };
                    self.present |= 1_u128.checked_shl(position as u32).unwrap_or(0);
                    let span = self.span_mut(position);
                    if span.end == 0 {
                        *span = Span {
                            start: start as u32,
                            end: end as u32,
                        };
                    } else if repeats && span.end == start as u32 {
                        span.end = end as u32;
                    } else {
                        return None;
                    }
                }
            }
        }
        Some(())
    }

    fn span_mut(&mut self, position: usize) -> &mut Span {
        if self.many.is_empty() {
            &mut self.few[position]
        } else {
            &mut self.many[position]
        }
    }

    /// The records of the field in this place; empty where there are none.
    fn records(&self, position: usize) -> &'a [u8] {
        let span = if self.many.is_empty() {
            self.few[position]
        } else {
            self.many[position]
        };
        &self.data[span.start as usize..span.end as usize]
    }

    /// The field called so, and its records.
    fn find(&self, name: &str) -> Option<(&'static Field, &'a [u8])> {
        let position = self.shape.position(name)?;
        Some((&self.shape.fields[position], self.records(position)))
    }

    /// A text field; empty where it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let (field, records) = self.find(name)?;
        match (&field.ty, records) {
            (FieldType::String, []) => Some(""),
            (FieldType::String, records) => std::str::from_utf8(bytes(records)?).ok(),
            _ => None,
        }
    }

    /// A number or a truth value; 0 where it is absent.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        let (field, records) = self.find(name)?;
        let Some(value) = single(records) else {
            return records.is_empty().then_some(0);
        };
        match (&field.ty, value) {
            (FieldType::Int32, Value::Int(number)) => Some(i64::from(number as i32)),
            (FieldType::Int64, Value::Int(number)) => Some(number as i64),
            (FieldType::Bool, Value::Int(number)) => Some(i64::from(number != 0)),
            _ => None,
        }
    }

    /// A struct field; none where it is absent or cannot be read this way.
    #[must_use]
    pub fn message(&self, name: &str) -> Option<Message<'a>> {
        let (field, records) = self.find(name)?;
        match field.ty {
            FieldType::Struct(id) if !records.is_empty() => Message::open(bytes(records)?, id),
            _ => None,
        }
    }

    /// The values of a list, or the entries of a map, as they lie there.
    pub fn each(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let records = self.find(name).map_or(&[][..], |(_, records)| records);
        values(records).filter_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// The texts of a list; none where one of them is no text.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<&'a str>> {
        self.each(name)
            .map(|bytes| std::str::from_utf8(bytes).ok())
            .collect()
    }

    /// The structs of a list; none where one of them cannot be read this way.
    #[must_use]
    pub fn messages(&self, name: &str) -> Option<Vec<Message<'a>>> {
        let (field, _) = self.find(name)?;
        let id = field.ty.struct_inside()?;
        self.each(name)
            .map(|bytes| Message::open(bytes, id))
            .collect()
    }

    /// The entries of a map of texts; none where one of them cannot be read this way.
    #[must_use]
    pub fn pairs(&self, name: &str) -> Option<Vec<(&'a str, &'a str)>> {
        let text = |value: &Option<Value<'a>>| match value {
            Some(Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        self.each(name)
            .map(|bytes| {
                let (key, value) = entry(bytes)?;
                Some((std::str::from_utf8(key).ok()?, text(&value)?))
            })
            .collect()
    }

    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }

    pub(crate) fn id(&self) -> TypeId {
        self.id
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.shape.fields.iter()
    }

    /// Whether a tree of it would have the field: it is there, and not as the zero value of what is no pointer.
    pub(crate) fn says(&self, name: &str) -> Option<bool> {
        let (field, records) = self.find(name)?;
        scalars::says(field, records)
    }

    /// The keys of a map, in the order that they stand in.
    pub(crate) fn entry_keys(&self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.each(name).filter_map(|data| Some(entry(data)?.0))
    }

    /// The values of a map of messages; None for an entry that cannot be read this way.
    pub(crate) fn entry_values(
        &self,
        name: &str,
    ) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        self.each(name).map(|data| match entry(data)?.1? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// A number, or a text.
    pub(crate) fn int_or_string(&self, name: &str) -> Option<(i32, Option<&'a str>)> {
        let (_, records) = self.find(name)?;
        match scalars::int_or_string(bytes(records)?)? {
            (true, _, text) => Some((0, Some(std::str::from_utf8(text).ok()?))),
            (false, number, _) => Some((number, None)),
        }
    }

    /// Whether all messages in it can be read, down to the last.
    pub(crate) fn is_sound(&self) -> bool {
        self.present().all(|position| self.is_sound_at(position))
    }

    /// The same of one field.
    pub(crate) fn is_sound_at(&self, position: usize) -> bool {
        let field = &self.shape.fields[position];
        let Some(id) = field.ty.struct_inside() else {
            return true;
        };
        let is_map = matches!(field.ty, FieldType::Map(_));
        if field
            .ty
            .element()
            .is_some_and(|e| !matches!(e, FieldType::Struct(_)))
        {
            // Lists of lists are no message's.
            return self.records(position).is_empty();
        }
        values(self.records(position)).all(|value| {
            let bytes = match value {
                Value::Bytes(data) if is_map => match entry(data) {
                    Some((_, Some(Value::Bytes(bytes)))) => bytes,
                    _ => return false,
                },
                Value::Bytes(bytes) => bytes,
                _ => return false,
            };
            Message::open(bytes, id).is_some_and(|inner| inner.is_sound())
        })
    }

    /// The places of the fields that are there.
    pub(crate) fn present(&self) -> impl Iterator<Item = usize> + use<> {
        // Where there are more fields than bits, every one of the others is looked at.
        let mut bits = self.present;
        let mut rest = u128::BITS as usize..self.shape.fields.len();
        std::iter::from_fn(move || {
            if bits == 0 {
                return rest.next();
            }
            let position = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            Some(position)
        })
    }

    pub(crate) fn has_at(&self, position: usize) -> bool {
        !self.records(position).is_empty()
    }

    /// Whether the field is there at all, be it zero.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|(_, records)| !records.is_empty())
    }

    /// The value at a path as selectors compare it; empty where it is absent. None where it is nothing simple.
    #[must_use]
    pub fn shown(&self, path: &str) -> Option<String> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        if !rest.is_empty() {
            return match self.message(first) {
                Some(inner) => inner.shown(rest),
                None => (!self.has(first)).then(String::new),
            };
        }
        let (field, _) = self.find(first)?;
        if !self.says(first)? {
            return Some(String::new());
        }
        match field.ty {
            FieldType::String => self.text(first).map(str::to_owned),
            FieldType::Bool => self.number(first).map(|number| (number != 0).to_string()),
            FieldType::Int32 | FieldType::Int64 => self.number(first).map(|n| n.to_string()),
            _ => None,
        }
    }

    /// The moment of a time field as it is written; empty where there is none.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<String> {
        let (field, records) = self.find(name)?;
        match bytes(records) {
            Some(bytes) if field.ty == FieldType::Time => scalars::time_text(bytes),
            None if records.is_empty() => Some(String::new()),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod choices;
#[cfg(test)]
mod tests;
