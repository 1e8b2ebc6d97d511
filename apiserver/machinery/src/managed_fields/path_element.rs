//! One step of a field's path: a field, a list item by its keys or its value, or an index. Ordered as upstream orders
//! them, since `fieldsV1` is written in that order; numbers compare by value, whether written `1` or `1.0`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde_json::{Key, Map, Number, Value};

use crate::codec::json::{field_key, name_in};
use crate::goformat::{json_text, plain, push_json_string, quote};

/// A step; lists in upstream's order of kinds.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// A field of a struct or a key of a map.
    Field(Key),
    /// An item of a keyed list: its key fields, sorted by name.
    Key(Vec<(Key, Value)>),
    /// An item of a set.
    Value(Value),
    /// A place in a list.
    Index(i64),
}

impl PathElement {
    pub fn field(name: impl Into<Key>) -> Self {
        Self::Field(name.into())
    }

    /// As a key of `fieldsV1`: `f:spec`, `k:{"name":"a"}`, `v:"x"`, `i:0`.
    pub fn to_wire(&self) -> Key {
        match self {
            Self::Field(name) => field_key(name),
            Self::Key(fields) => {
                let mut out = String::from("k:{");
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    push_json_string(&mut out, name);
                    out.push(':');
                    out.push_str(&json_text(value));
                }
                out.push('}');
                out.into()
            }
            Self::Value(value) => format!("v:{}", json_text(value)).into(),
            Self::Index(index) => format!("i:{index}").into(),
        }
    }

    /// Reads a key of `fieldsV1`. `Ok(None)` for a kind of step that a later version may know.
    pub fn from_wire(text: &str) -> Result<Option<Self>, String> {
        let malformed = |what: &str| format!("{what}: {text}");
        if !text.is_char_boundary(2) || text.len() < 2 {
            return Err("key must be 2 characters long:".into());
        }
        let (kind, rest) = text.split_at(2);
        if !kind.ends_with(':') {
            return Err(malformed("missing colon"));
        }
        Ok(Some(match kind {
            "f:" => Self::Field(name_in(text)),
            "v:" => {
                Self::Value(serde_json::from_str(rest).map_err(|_| malformed("malformed value"))?)
            }
            "k:" => {
                let map: Map<String, Value> =
                    serde_json::from_str(rest).map_err(|_| malformed("malformed key"))?;
                Self::key(map.into_iter().collect())
            }
            "i:" => Self::Index(rest.parse().map_err(|_| malformed("malformed index"))?),
            _ => return Ok(None),
        }))
    }

    /// A keyed list item; sorts the fields.
    pub fn key(mut fields: Vec<(Key, Value)>) -> Self {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(fields)
    }

    /// Whether another step is written alike. May say no of values that are no plain ones.
    pub(super) fn is_exactly(&self, other: &Self) -> bool {
        let plain = |a: &Value, b: &Value| !a.is_object() && !a.is_array() && a == b;
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a == b,
            (Self::Key(a), Self::Key(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| a.0 == b.0 && plain(&a.1, &b.1))
            }
            (Self::Value(a), Self::Value(b)) => plain(a, b),
            (Self::Index(a), Self::Index(b)) => a == b,
            _ => false,
        }
    }

    /// The same for steps that are written alike.
    pub(super) fn hash_into(&self, state: &mut impl Hasher) {
        let value = |value: &Value, state: &mut _| match value {
            Value::String(text) => text.hash(state),
            Value::Bool(truth) => truth.hash(state),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => whole.hash(state),
                None => number.as_f64().map(f64::to_bits).hash(state),
            },
            _ => {}
        };
        state.write_u8(self.rank());
        match self {
            Self::Field(name) => name.hash(state),
            Self::Key(fields) => {
                for (name, of) in fields {
                    name.hash(state);
                    value(of, state);
                }
            }
            Self::Value(of) => value(of, state),
            Self::Index(index) => index.hash(state),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a
                    .iter()
                    .zip(b)
                    .map(|(a, b)| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1)));
                pairs
                    .fold(Ordering::Equal, Ordering::then)
                    .then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PathElement {}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}={}", shown(value)))
                    .collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) => quote(text),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(shown).collect::<Vec<_>>().join(",")
        ),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", shown(value)))
            .collect(),
        other => plain(other),
    }
}

/// A path as messages show it: `.spec.ports[port=80,protocol="TCP"].name`.
pub fn path_text(path: &[PathElement]) -> String {
    path.iter().map(PathElement::to_string).collect()
}

/// The order of values: numbers, strings, booleans, lists, maps, null.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| compare(a, b));
            items
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => compare_maps(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_maps(a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
    let sorted = |map: &Map<String, Value>| {
        let mut keys: Vec<Key> = map.keys().cloned().collect();
        keys.sort();
        keys
    };
    let (a_keys, b_keys) = (sorted(a), sorted(b));
    let pairs = a_keys.iter().zip(&b_keys);
    let pairs = pairs.map(|(ka, kb)| ka.cmp(kb).then_with(|| compare(&a[ka], &b[kb])));
    pairs
        .fold(Ordering::Equal, Ordering::then)
        .then(a.len().cmp(&b.len()))
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Whether two values are the same to server-side apply; the order of map keys does not count.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.is_copy_of(b)
                || a.len() == b.len()
                    && a.iter()
                        .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
