//! Random objects by the schema, from a seed: every field type, awkward strings, zeros and nulls among the values.

use serde_json::{Map, Value, json};
use triad_machinery::codec::duration;
use triad_machinery::codec::time::{Instant, Precision};
use triad_machinery::schema::{Field, FieldType, TypeId, schema};

pub(crate) struct Generator {
    state: u64,
    depth: usize,
}

const STRINGS: &[&str] = &[
    "",
    "a",
    "value-1",
    "x/y:z",
    "ünï\u{2028}cödé\t",
    "<b>&\"q\"\\/",
    "yes",
    "010",
    "1e3",
    "2020-01-02",
    "a: b",
    " lead",
    "trail ",
    "multi\nline\n",
    "multi\n\n line",
    "#",
    "- x",
    "null",
    "12:30",
    "😀",
    "it's",
    "{}",
    "\u{7f}\u{1}",
    "long words that go on and on until the line is longer than eighty columns and must be broken somewhere",
];
const QUANTITIES: &[&str] = &[
    "0", "1", "500m", "1Gi", "1536Mi", "100k", "-3", "1e3", "12E", "1u", "0.5", "1.500",
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            depth: 0,
        }
    }

    /// An object of a kind; kind and apiVersion are set.
    pub(crate) fn object(&mut self, id: TypeId) -> Value {
        let mut value = self.fields(id);
        if let Value::Object(map) = &mut value
            && schema().has_type_meta(id)
        {
            map.insert("kind".to_owned(), schema().get(id).go_name.as_ref().into());
            map.insert("apiVersion".to_owned(), "example.com/v1".into());
        }
        value
    }

    fn next(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len() as u64) as usize]
    }

    fn fields(&mut self, id: TypeId) -> Value {
        let schema = schema();
        let shape = schema.struct_of(id).unwrap();
        let mut map = Map::new();
        self.depth += 1;
        let often = match self.depth {
            1 | 2 => 2,
            3 | 4 => 3,
            depth => depth as u64 + 2,
        };
        for field in &shape.fields {
            // What protobuf does not carry cannot come back from it.
            let carried = field.number != 0 || schema.get(id).proto.is_empty();
            if carried && self.depth < 12 && self.next(often) == 0 {
                let value = self.field(field);
                map.insert(field.name.clone().into_owned(), value);
            }
        }
        self.depth -= 1;
        Value::Object(map)
    }

    fn field(&mut self, field: &Field) -> Value {
        if self.next(12) == 0
            && !matches!(field.ty, FieldType::Duration | FieldType::SchemaOrBool(_))
        {
            return Value::Null;
        }
        let value = self.value(&field.ty);
        // An empty list that is written becomes none in protobuf.
        if value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty) && !field.pointer
        {
            return Value::Null;
        }
        let empty_bytes = matches!(field.ty, FieldType::Bytes) && value == "";
        if empty_bytes && !field.omitempty {
            json!("AA==")
        } else {
            value
        }
    }

    fn value(&mut self, ty: &FieldType) -> Value {
        match ty {
            FieldType::String => self.pick(STRINGS).into(),
            FieldType::Bool => (self.next(2) == 0).into(),
            FieldType::Int32 => (self.next(1 << 32) as u32 as i32 >> self.next(31)).into(),
            FieldType::Int64 => (self.next(1 << 40) as i64 - (1 << 39)).into(),
            FieldType::Float64 => json!([0.0, 1.5, -0.25, 1e21, 1e-7, 3.0][self.next(6) as usize]),
            FieldType::Bytes => self.pick(&["", "AA==", "AQID", "/+8="]).into(),
            FieldType::Any => json!([1, "x", true, 2.5, {"k": [1]}])[self.next(5) as usize].clone(),
            FieldType::Quantity => self.pick(QUANTITIES).into(),
            FieldType::IntOrString if self.next(2) == 0 => self.pick(&["25%", "http", ""]).into(),
            FieldType::IntOrString => (self.next(70_000) as i64 - 100).into(),
            FieldType::Time => self.time(Precision::Seconds),
            FieldType::MicroTime => self.time(Precision::Micros),
            FieldType::Duration => duration::format(self.next(1 << 45) as i64 - (1 << 30)).into(),
            FieldType::Raw | FieldType::Unknown => {
                json!([{"b": 1, "a": [true, {"x": "<"}]}, [1, "s"], "text", 7, {}])
                    [self.next(5) as usize]
                    .clone()
            }
            FieldType::SchemaOrBool(id) => {
                if self.next(2) == 0 {
                    self.fields(*id)
                } else {
                    json!(self.next(2) == 0)
                }
            }
            FieldType::SchemaOrList(id) => {
                if self.next(2) == 0 {
                    self.fields(*id)
                } else {
                    json!([self.fields(*id)])
                }
            }
            FieldType::SchemaOrStrings(id) => {
                if self.next(2) == 0 {
                    self.fields(*id)
                } else {
                    json!(["a", ""])
                }
            }
            FieldType::Struct(id) => self.fields(*id),
            FieldType::List(element) | FieldType::Wrapper(element) => {
                (0..self.next(3)).map(|_| self.element(element)).collect()
            }
            FieldType::Map(element) => {
                let keys = ["k2", "a.b/c", "k10", "Z", "ünï", "yes", "1"];
                let entries =
                    (0..self.next(4)).map(|_| (self.pick(&keys).to_owned(), self.element(element)));
                Value::Object(entries.collect())
            }
        }
    }

    fn element(&mut self, ty: &FieldType) -> Value {
        match (ty, self.value(ty)) {
            (FieldType::Wrapper(_), Value::Array(items)) if items.is_empty() => json!(["x"]),
            (_, value) => value,
        }
    }

    fn time(&mut self, precision: Precision) -> Value {
        let seconds = self.next(253_402_300_799) as i64 - 60_000_000_000;
        Instant {
            seconds,
            nanos: self.next(1_000_000) as u32 * 1000,
        }
        .format(precision)
        .into()
    }
}
