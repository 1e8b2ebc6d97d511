//! Objects of any type of the schema, made by choices that a test's random bytes stand for.

use crate::schema::{FieldType, TypeId, schema};
use serde_json::{Map, Value, json};

const TEXTS: [&str; 12] = [
    "",
    "a",
    "None",
    "ClientIP",
    "RollingUpdate",
    "NodePort",
    "<b>&\u{2028}",
    "\"\\\n\u{1}",
    "ü€",
    "TCP",
    "x:latest",
    "Always",
];

/// A stream of choices.
pub(crate) struct Choices<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What texts are chosen from.
    texts: &'a [&'a str],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self::among(bytes, &TEXTS)
    }

    pub(crate) fn among(bytes: &'a [u8], texts: &'a [&'a str]) -> Self {
        Choices {
            bytes,
            at: 1,
            texts,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.at = self.at.wrapping_mul(31).wrapping_add(7);
        let byte = self.bytes[self.at % self.bytes.len()];
        (usize::from(byte) ^ (self.at >> 3)) % bound
    }

    pub(crate) fn object(&mut self, id: TypeId, depth: usize) -> Value {
        let mut map = Map::new();
        let Some(shape) = schema().struct_of(id) else {
            return Value::Object(map);
        };
        for field in shape
            .fields
            .iter()
            .filter(|f| f.number != 0 || f.nested_in.is_some())
        {
            if field.name != "resourceVersion" && self.below(5) < if depth < 2 { 3 } else { 1 } {
                map.insert(
                    field.name.clone().into_owned(),
                    self.value(&field.ty, depth),
                );
            }
        }
        Value::Object(map)
    }

    fn value(&mut self, ty: &FieldType, depth: usize) -> Value {
        const AMOUNTS: [&str; 9] = [
            "0",
            "1",
            "100m",
            "0.0001",
            "1500m",
            "1000",
            "1Gi",
            "1024Mi",
            "123456789012345678",
        ];
        const TIMES: [&str; 4] = [
            "2026-01-02T03:04:05.000001Z",
            "0001-01-01T00:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59.000000Z",
        ];
        let text =
            |choices: &mut Self| Value::from(choices.texts[choices.below(choices.texts.len())]);
        match ty {
            FieldType::String => text(self),
            FieldType::Bool => (self.below(2) == 0).into(),
            FieldType::Int32 | FieldType::Int64 => {
                ([0, 1, -1, 80, 2_147_483_647][self.below(5)]).into()
            }
            FieldType::Float64 => ([0.0, 1.5, 1e22, -1e-9][self.below(4)]).into(),
            FieldType::Bytes => (["", "AA==", "AAECAw=="][self.below(3)]).into(),
            FieldType::Quantity => (AMOUNTS[self.below(AMOUNTS.len())]).into(),
            FieldType::IntOrString if self.below(2) == 0 => text(self),
            FieldType::IntOrString => self.below(3).into(),
            FieldType::Time => {
                (["2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z"][self.below(2)]).into()
            }
            FieldType::MicroTime => (TIMES[self.below(TIMES.len())]).into(),
            FieldType::Duration => (["0s", "1m30s", "-5ms"][self.below(3)]).into(),
            FieldType::Raw => [
                json!({}),
                json!({"b": [1, "x"], "a": null}),
                json!({"a": "<", "b": 1.5}),
                json!([{"x": "\\"}]),
            ][self.below(4)]
            .clone(),
            FieldType::Struct(id) if depth < 7 => self.object(*id, depth + 1),
            FieldType::List(element) | FieldType::Wrapper(element) => {
                let count = self.below(3);
                (0..count).map(|_| self.value(element, depth + 1)).collect()
            }
            FieldType::Map(element) => {
                let keys = ["b", "a", "kubernetes.io/metadata.name"];
                let count = self.below(4);
                let entries = keys[..count]
                    .iter()
                    .map(|key| ((*key).to_owned(), self.value(element, depth + 1)));
                Value::Object(entries.collect())
            }
            _ => json!({}),
        }
    }
}
