//! Keys of trees without a schema that are names all the same: of fields, and of fields as managed fields write them (`f:spec`). Such a key
//! is the program's own text, which costs nothing to keep and to copy. Any other is text of the client.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use serde_json::Key;

use crate::schema::schema;

/// The prefix of a field in a path that is a key.
const FIELD: &str = "f:";

/// The key of a text.
#[inline]
pub(crate) fn key(text: Cow<'_, str>) -> Key {
    match names().get(&text) {
        Some(name) => Key::fixed(name),
        None => Key::from(text),
    }
}

/// `f:` and a name.
pub(crate) fn field_key(name: &str) -> Key {
    match names().wires.get(name) {
        Some(wire) => Key::fixed(wire),
        None => Key::from(format!("{FIELD}{name}")),
    }
}

/// The name behind `f:`.
pub(crate) fn name_in(wire: &str) -> Key {
    let name = wire.strip_prefix(FIELD).unwrap_or(wire);
    names().get(name).map_or_else(|| name.into(), Key::fixed)
}

/// All names of fields in the schema, and for each the text with the prefix.
struct Names {
    wires: HashMap<&'static str, &'static str, BuildHasherDefault<Fnv>>,
}

impl Names {
    #[inline]
    fn get(&self, text: &str) -> Option<&'static str> {
        match text.strip_prefix(FIELD) {
            Some(name) => self.wires.get(name).copied(),
            None => self.wires.get_key_value(text).map(|(name, _)| *name),
        }
    }
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        let types = schema().type_ids().filter_map(|id| schema().struct_of(id));
        let borrowed =
            types
                .flat_map(|shape| &shape.fields)
                .filter_map(|field| match &field.name {
                    Cow::Borrowed(name) => Some(*name),
                    Cow::Owned(_) => None,
                });
        let mut wires = HashMap::default();
        for name in borrowed {
            // Made once, and as many as the schema table has names.
            wires
                .entry(name)
                .or_insert_with(|| &*Box::leak(format!("{FIELD}{name}").into_boxed_str()));
        }
        Names { wires }
    })
}

/// FNV-1a: the table is made of the program's own names and never grows.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_was_written() {
        for text in [
            "spec",
            "f:spec",
            "f:",
            "",
            "f:nobody's",
            "k:{\"name\":\"a\"}",
            "app.kubernetes.io/name",
            "f:f:spec",
        ] {
            assert_eq!(key(text.into()), text);
            assert_eq!(field_key(text), format!("f:{text}").as_str());
            assert_eq!(name_in(&format!("f:{text}")), text);
        }
    }
}
