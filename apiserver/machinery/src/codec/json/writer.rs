//! A tree to JSON, field by field in Go's order: what is absent is written as Go writes its zero value, map keys are sorted.

use serde_json::{Key, Map, Value};

use super::text::{write_float, write_int, write_plain_string, write_string};
use crate::codec::deep::at_depth;
use crate::codec::normal::is_zero;
use crate::schema::{Field, FieldType, Schema, Shape, Struct, TypeId};

/// The kind to write instead of the tree's own.
#[derive(Clone, Copy, Debug)]
pub struct Gvk<'a> {
    /// `apps/v1`, or `v1` in the core group.
    pub api_version: &'a str,
    pub kind: &'a str,
}

pub(super) struct Writer<'a> {
    schema: &'a Schema,
    out: &'a mut Vec<u8>,
    depth: usize,
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Writer<'a> {
    pub(super) fn new(schema: &'a Schema, out: &'a mut Vec<u8>) -> Self {
        Writer {
            schema,
            out,
            depth: 0,
        }
    }

    pub(super) fn root(&mut self, value: &Value, root: TypeId, gvk: Option<Gvk<'_>>) {
        let map = value.as_object().unwrap_or(&NOTHING);
        match self.schema.get(root).shape {
            Shape::Special(FieldType::Any) => self.unstructured(map, gvk),
            _ => self.object(root, map, gvk),
        }
    }

    /// An object without a schema: all its keys are sorted, those of its type among them.
    fn unstructured(&mut self, map: &Map<String, Value>, gvk: Option<Gvk<'_>>) {
        let Some(gvk) = gvk else {
            return write_any(self.out, &Value::Object(map.clone()));
        };
        let mut typed = map.clone();
        typed.set("kind", gvk.kind.into());
        typed.set("apiVersion", gvk.api_version.into());
        write_any(self.out, &Value::Object(typed));
    }

    fn object(&mut self, id: TypeId, map: &Map<String, Value>, gvk: Option<Gvk<'_>>) {
        self.depth += 1;
        at_depth(self.depth, || self.object_here(id, map, gvk));
        self.depth -= 1;
    }

    fn object_here(&mut self, id: TypeId, map: &Map<String, Value>, gvk: Option<Gvk<'_>>) {
        let Some(shape) = self.schema.struct_of(id) else {
            self.out.extend_from_slice(b"{}");
            return;
        };
        self.out.push(b'{');
        let mut first = true;
        if let Some(gvk) = gvk.filter(|_| shape.type_meta) {
            self.key(&mut first, "kind");
            write_string(self.out, gvk.kind);
            self.key(&mut first, "apiVersion");
            write_string(self.out, gvk.api_version);
        }
        let skip_meta = gvk.is_some() && shape.type_meta;
        let slots = Slots::new(shape, map);
        for (position, field) in shape.fields.iter().enumerate() {
            if skip_meta && matches!(field.name.as_ref(), "kind" | "apiVersion") {
                continue;
            }
            self.field(&mut first, field, slots.get(position));
        }
        self.out.push(b'}');
    }

    fn key(&mut self, first: &mut bool, name: &str) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
        // Names of fields are plain ASCII.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn field(&mut self, first: &mut bool, field: &Field, value: Option<&Value>) {
        if is_left_out(field, value) {
            return;
        }
        self.key(first, &field.name);
        match value.filter(|value| !value.is_null()) {
            Some(value) => self.value(&field.ty, value),
            None if field.pointer => self.out.extend_from_slice(b"null"),
            None => self.zero(&field.ty),
        }
    }

    fn zero(&mut self, ty: &FieldType) {
        match ty {
            FieldType::Struct(id) => self.object(*id, &NOTHING, None),
            ty => self.out.extend_from_slice(zero_text(ty)),
        }
    }

    fn value(&mut self, ty: &FieldType, value: &Value) {
        match (ty, value) {
            (FieldType::Struct(id), Value::Object(map)) => self.object(*id, map, None),
            (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(items)) => {
                self.list(element, items)
            }
            (FieldType::Map(element), Value::Object(map)) => self.map(element, map),
            (FieldType::Float64, Value::Number(n)) => {
                write_float(self.out, n.as_f64().unwrap_or(0.0))
            }
            (FieldType::Any, value) => write_any(self.out, value),
            (FieldType::Raw | FieldType::Unknown, value) => {
                write_tree(self.out, value, Style::Raw, 0)
            }
            (
                FieldType::SchemaOrBool(id)
                | FieldType::SchemaOrList(id)
                | FieldType::SchemaOrStrings(id),
                Value::Object(map),
            ) => {
                self.object(*id, map, None);
            }
            (FieldType::SchemaOrList(id), Value::Array(items)) if !items.is_empty() => {
                self.list(&FieldType::Struct(*id), items)
            }
            (FieldType::SchemaOrStrings(_), Value::Array(items)) if !items.is_empty() => {
                self.list(&FieldType::String, items)
            }
            (FieldType::SchemaOrList(_) | FieldType::SchemaOrStrings(_), _) => {
                self.out.extend_from_slice(b"null")
            }
            (_, Value::String(text)) => write_string(self.out, text),
            (_, Value::Null) => self.zero(ty),
            (_, value) => write_any(self.out, value),
        }
    }

    fn list(&mut self, element: &FieldType, items: &[Value]) {
        self.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            self.value(element, item);
        }
        self.out.push(b']');
    }

    fn map(&mut self, element: &FieldType, map: &Map<String, Value>) {
        self.out.push(b'{');
        for (i, (key, value)) in sorted(map).into_iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            write_string(self.out, key);
            self.out.push(b':');
            self.value(element, value);
        }
        self.out.push(b'}');
    }
}

/// The entries of an object by field position.
pub(crate) struct Slots<'v> {
    few: [Option<&'v Value>; 48],
    many: Vec<Option<&'v Value>>,
}

impl<'v> Slots<'v> {
    pub(crate) fn new(shape: &Struct, map: &'v Map<String, Value>) -> Self {
        let mut slots = Slots {
            few: [None; 48],
            many: Vec::new(),
        };
        if shape.fields.len() > slots.few.len() {
            slots.many = vec![None; shape.fields.len()];
        }
        let mut guess = 0;
        for (name, value) in map {
            let position = match shape.fields.get(guess) {
                Some(field) if field.name == name.as_str() => Some(guess),
                _ => shape.position(name),
            };
            let Some(position) = position else { continue };
            guess = position + 1;
            if slots.many.is_empty() {
                slots.few[position] = Some(value);
            } else {
                slots.many[position] = Some(value);
            }
        }
        slots
    }

    pub(crate) fn get(&self, position: usize) -> Option<&'v Value> {
        if self.many.is_empty() {
            self.few[position]
        } else {
            self.many[position]
        }
    }
}

/// Whether null is a value of the field, written as such: that of a pointer to what Go writes as null.
pub(super) fn null_counts(field: &Field) -> bool {
    field.pointer
        && matches!(
            field.ty,
            FieldType::Time
                | FieldType::MicroTime
                | FieldType::SchemaOrList(_)
                | FieldType::SchemaOrStrings(_)
                | FieldType::Raw
        )
}

/// Whether Go leaves the field out when it holds this, or nothing.
pub(super) fn is_left_out(field: &Field, value: Option<&Value>) -> bool {
    let zero = match value {
        None => true,
        Some(Value::Null) => !null_counts(field),
        Some(value) => !field.pointer && is_zero(&field.ty, value),
    };
    zero && !field.is_written_at_zero()
}

/// Entries with their keys in byte order.
pub(crate) fn sorted(map: &Map<String, Value>) -> Vec<(&Key, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// The zero value of a type that is no struct.
pub(crate) fn zero_text(ty: &FieldType) -> &'static [u8] {
    match ty {
        FieldType::String => b"\"\"",
        FieldType::Bool | FieldType::SchemaOrBool(_) => b"false",
        FieldType::Int32 | FieldType::Int64 | FieldType::Float64 | FieldType::IntOrString => b"0",
        FieldType::Quantity => b"\"0\"",
        FieldType::Duration => b"\"0s\"",
        _ => b"null",
    }
}

/// How trees without a schema are written.
#[derive(Clone, Copy)]
enum Style {
    /// A map of interfaces: keys sorted, floats in Go's form.
    Interface,
    /// Raw JSON within JSON: keys in their order, numbers as they read.
    Raw,
    /// Raw JSON within protobuf: as `Raw`, and HTML is left alone.
    Stored,
}

/// A tree as Go writes an interface.
pub(super) fn write_any(out: &mut Vec<u8>, value: &Value) {
    write_tree(out, value, Style::Interface, 0);
}

/// Raw JSON within JSON.
pub(crate) fn write_raw(out: &mut Vec<u8>, value: &Value) {
    write_tree(out, value, Style::Raw, 0);
}

/// Raw JSON for protobuf.
pub(super) fn write_stored(out: &mut Vec<u8>, value: &Value) {
    write_tree(out, value, Style::Stored, 0);
}

fn write_tree(out: &mut Vec<u8>, value: &Value, style: Style, depth: usize) {
    at_depth(depth, || write_tree_here(out, value, style, depth + 1));
}

fn write_tree_here(out: &mut Vec<u8>, value: &Value, style: Style, depth: usize) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::String(text) => write_text(out, text, style),
        Value::Number(number) => match (number.as_i64(), style) {
            (Some(int), _) => write_int(out, int),
            (None, Style::Interface) if number.is_f64() => {
                write_float(out, number.as_f64().unwrap_or(0.0))
            }
            (None, _) => out.extend_from_slice(number.to_string().as_bytes()),
        },
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_tree(out, item, style, depth);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            let entries: Vec<_> = if matches!(style, Style::Interface) {
                sorted(map)
            } else {
                map.iter().collect()
            };
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_text(out, key, style);
                out.push(b':');
                write_tree(out, value, style, depth);
            }
            out.push(b'}');
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str, style: Style) {
    match style {
        Style::Stored => write_plain_string(out, text),
        _ => write_string(out, text),
    }
}
