//! JSON to a tree in normal form, guided by the schema: what Go's decoder would store, with its errors and the strict decoder's
//! findings. A mismatch of types is remembered (the first is reported) and decoding goes on, as there.

use std::collections::HashSet;

use serde_json::{Key, Map, Number, Value};

use super::reader::{Fail, MAX_DEPTH, Reader};
use super::strict::Strict;
use crate::codec::deep::at_depth;
use crate::codec::normal::{is_absent, zero_element};
use crate::schema::{Field, FieldType, Schema, Shape, Struct, TypeId};

/// What became of a value.
pub(super) enum Got {
    /// Nothing is stored: what was there stays.
    Keep,
    /// Nil: what was there goes.
    Nil,
    Value(Value),
}

/// The type being decoded, as far as messages need it: a field and how many list or map levels below it.
#[derive(Clone, Copy)]
pub(super) struct Target<'s> {
    pub(super) ty: &'s FieldType,
    pub(super) field: &'s Field,
    pub(super) level: u8,
}

pub(super) struct Decoder<'a, 's> {
    pub(super) reader: Reader<'a>,
    pub(super) schema: &'s Schema,
    /// The structs and fields around the value: Go's error context.
    pub(super) stack: Vec<(TypeId, &'s Field)>,
    pub(super) depth: usize,
    pub(super) saved: Option<String>,
    pub(super) strict: Option<Strict>,
}

impl<'s> Decoder<'_, 's> {
    /// A whole document of a struct type.
    pub(super) fn document(&mut self, root: TypeId) -> Result<Value, Fail> {
        let free = matches!(self.schema.get(root).shape, Shape::Special(FieldType::Any));
        let got = match self.reader.peek()? {
            b'{' if free => self.any(false)?,
            b'{' => self.object(root, Map::new())?,
            b'n' => {
                self.reader.literal("null")?;
                Value::Object(Map::new())
            }
            _ => {
                let what = self.skip_naming()?;
                let message = self.type_error(&what, &self.schema.go_name(root));
                self.save(message);
                Value::Object(Map::new())
            }
        };
        self.reader.end()?;
        Ok(got)
    }

    /// One value for a target that may already hold `old` (a field that came twice).
    pub(super) fn value(&mut self, target: Target<'s>, old: Option<Value>) -> Result<Got, Fail> {
        at_depth(self.depth, || self.value_here(target, old))
    }

    fn value_here(&mut self, target: Target<'s>, old: Option<Value>) -> Result<Got, Fail> {
        let next = self.reader.peek()?;
        match target.ty {
            FieldType::String if next == b'"' => Ok(Got::Value(Value::String(
                self.reader.string()?.into_owned(),
            ))),
            FieldType::Struct(id) if next == b'{' => {
                let old = match old {
                    Some(Value::Object(map)) => map,
                    _ => Map::new(),
                };
                self.object(*id, old).map(Got::Value)
            }
            FieldType::List(element) | FieldType::Wrapper(element) if next == b'[' => {
                self.list(target, element, old)
            }
            FieldType::Map(element) if next == b'{' => self.map(target, element, old),
            FieldType::Bool if matches!(next, b't' | b'f') => {
                self.reader
                    .literal(if next == b't' { "true" } else { "false" })?;
                Ok(Got::Value(Value::Bool(next == b't')))
            }
            FieldType::Int32 | FieldType::Int64 | FieldType::Float64
                if matches!(next, b'-' | b'0'..=b'9') =>
            {
                self.number(target)
            }
            FieldType::Any => self.any(false).map(Got::Value),
            FieldType::Bytes
            | FieldType::Quantity
            | FieldType::IntOrString
            | FieldType::Time
            | FieldType::MicroTime
            | FieldType::Duration
            | FieldType::Raw
            | FieldType::Unknown
            | FieldType::SchemaOrBool(_)
            | FieldType::SchemaOrList(_)
            | FieldType::SchemaOrStrings(_) => self.special(target, next),
            _ => self.mismatch(target, next),
        }
    }

    pub(super) fn enter(&mut self) -> Result<(), Fail> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fail::Syntax);
        }
        self.reader.at += 1;
        Ok(())
    }

    pub(super) fn object(
        &mut self,
        id: TypeId,
        mut map: Map<String, Value>,
    ) -> Result<Value, Fail> {
        self.enter()?;
        let schema = self.schema;
        let Some(shape) = schema.struct_of(id) else {
            return Err(Fail::Fatal(format!("{} is no struct", schema.get(id).name)));
        };
        if self.reader.peek()? == b'}' {
            self.reader.at += 1;
        } else {
            let mut seen = Seen::default();
            loop {
                self.member(id, shape, &mut map, &mut seen)?;
                if !self.reader.more(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Object(map))
    }

    fn member(
        &mut self,
        id: TypeId,
        shape: &'s Struct,
        map: &mut Map<String, Value>,
        seen: &mut Seen,
    ) -> Result<(), Fail> {
        let key = self.reader.key()?;
        let guess = shape
            .fields
            .get(seen.next)
            .filter(|f| f.name == key)
            .map(|_| seen.next);
        let Some(position) = guess.or_else(|| shape.position(&key)) else {
            if let Some(strict) = &mut self.strict {
                strict.unknown(&key);
            }
            self.reader.skip(self.depth)?;
            return Ok(());
        };
        let field = &shape.fields[position];
        let again = seen.mark(position);
        seen.next = position + 1;
        let mut path_len = 0;
        if let Some(strict) = &mut self.strict {
            if again {
                strict.duplicate(&field.name);
            }
            path_len = strict.enter_key(&field.name);
        }
        self.stack.push((id, field));
        let target = Target {
            ty: &field.ty,
            field,
            level: 0,
        };
        if field.pointer && self.reader.peek()? == b'n' {
            self.reader.literal("null")?;
            map.shift_remove(field.name.as_ref());
        } else {
            let old = if again {
                map.get_mut(field.name.as_ref()).map(Value::take)
            } else {
                None
            };
            let kept = if again { old.clone() } else { None };
            match self.value(target, old)? {
                Got::Value(value) if is_absent(field, &value) => {
                    drop(map.shift_remove(field.name.as_ref()))
                }
                Got::Value(value) => drop(map.put(&field.name, value)),
                Got::Nil => drop(map.shift_remove(field.name.as_ref())),
                Got::Keep if field.pointer && !again => {
                    map.put(&field.name, zero_element(&field.ty));
                }
                Got::Keep => {
                    if let Some(kept) = kept {
                        map.put(&field.name, kept);
                    }
                }
            }
        }
        self.stack.pop();
        if let Some(strict) = &mut self.strict {
            strict.leave(path_len);
        }
        Ok(())
    }

    fn list(
        &mut self,
        target: Target<'s>,
        element: &'s FieldType,
        old: Option<Value>,
    ) -> Result<Got, Fail> {
        self.enter()?;
        let mut items: Vec<Value> = Vec::new();
        let mut before = match old {
            Some(Value::Array(items)) => items.into_iter(),
            _ => Vec::new().into_iter(),
        };
        if self.reader.peek()? == b']' {
            self.reader.at += 1;
            self.depth -= 1;
            return Ok(Got::Value(Value::Array(items)));
        }
        let inner = Target {
            ty: element,
            field: target.field,
            level: target.level + 1,
        };
        loop {
            let path_len = self
                .strict
                .as_mut()
                .map_or(0, |strict| strict.enter_index(items.len()));
            let value = match self.value(inner, before.next())? {
                Got::Value(value) => value,
                Got::Keep | Got::Nil => zero_element(element),
            };
            items.push(value);
            if let Some(strict) = &mut self.strict {
                strict.leave(path_len);
            }
            if !self.reader.more(b']')? {
                break;
            }
        }
        self.depth -= 1;
        Ok(Got::Value(Value::Array(items)))
    }

    fn map(
        &mut self,
        target: Target<'s>,
        element: &'s FieldType,
        old: Option<Value>,
    ) -> Result<Got, Fail> {
        self.enter()?;
        // A map that comes twice is merged; only what this one repeats is a duplicate.
        let (mut map, mut own) = match old {
            Some(Value::Object(map)) => (map, Some(HashSet::new())),
            _ => (Map::new(), None),
        };
        if self.reader.peek()? == b'}' {
            self.reader.at += 1;
            self.depth -= 1;
            return Ok(Got::Value(Value::Object(map)));
        }
        let inner = Target {
            ty: element,
            field: target.field,
            level: target.level + 1,
        };
        loop {
            let key = Key::from(self.reader.key()?);
            let mut path_len = 0;
            if let Some(strict) = &mut self.strict {
                let again = own
                    .as_mut()
                    .map_or_else(|| map.contains_key(&key), |own| !own.insert(key.clone()));
                if again {
                    strict.duplicate(&key);
                }
                path_len = strict.enter_key(&key);
            }
            let value = match self.value(inner, None)? {
                Got::Value(value) => value,
                Got::Keep | Got::Nil => zero_element(element),
            };
            map.put(key, value);
            if let Some(strict) = &mut self.strict {
                strict.leave(path_len);
            }
            if !self.reader.more(b'}')? {
                break;
            }
        }
        self.depth -= 1;
        Ok(Got::Value(Value::Object(map)))
    }

    fn number(&mut self, target: Target<'s>) -> Result<Got, Fail> {
        let text = self.reader.number()?;
        let number = match target.ty {
            FieldType::Float64 => text.parse().ok().and_then(Number::from_f64),
            FieldType::Int32 => text.parse::<i32>().ok().map(Number::from),
            _ => text.parse::<i64>().ok().map(Number::from),
        };
        match number {
            Some(number) => Ok(Got::Value(Value::Number(number))),
            None => {
                self.save_type_error(&format!("number {text}"), target);
                Ok(Got::Keep)
            }
        }
    }
}

/// Which fields came already, and which is likely next.
#[derive(Default)]
struct Seen {
    bits: [u64; 2],
    next: usize,
    more: HashSet<usize>,
}

impl Seen {
    /// Marks a field; says whether it was marked before.
    fn mark(&mut self, position: usize) -> bool {
        if position >= 128 {
            return !self.more.insert(position);
        }
        let (word, bit) = (&mut self.bits[position / 64], 1 << (position % 64));
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}
