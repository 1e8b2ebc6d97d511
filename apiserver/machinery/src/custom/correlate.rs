//! Which old value a new one continues, by the schema: what rules call `oldSelf`, and what was wrong before
//! (k8s.io/apiserver pkg/cel/common/equality.go and maplist.go).

use serde_json::Value;

use super::schema::{ListKind, Schema};

/// A value with the one that it continues.
#[derive(Clone, Copy)]
pub(super) struct Correlated<'a> {
    pub(super) new: &'a Value,
    pub(super) old: &'a Value,
    pub(super) schema: &'a Schema,
}

impl<'a> Correlated<'a> {
    pub(super) fn key(self, name: &str) -> Option<Self> {
        Some(Correlated {
            new: self.new.as_object()?.get(name)?,
            old: self.old.as_object()?.get(name)?,
            schema: self.schema.value_of(name)?,
        })
    }

    pub(super) fn index(self, at: usize) -> Option<Self> {
        let new = self.new.as_array()?.get(at)?;
        Some(Correlated {
            new,
            old: Items::new(self.schema, Some(self.old)).like(new)?,
            schema: self.schema.items.as_deref()?,
        })
    }

    /// Whether nothing changed, as far as the schema can tell.
    pub(super) fn unchanged(self) -> bool {
        match (self.new, self.old) {
            (Value::Object(new), Value::Object(old)) => {
                let same = |name: &str| self.key(name).is_some_and(Correlated::unchanged);
                new.len() == old.len() && new.keys().all(|name| same(name))
            }
            (Value::Array(new), Value::Array(old)) => {
                if new.len() != old.len() {
                    return false;
                }
                if self.schema.list != ListKind::Map {
                    return new == old;
                }
                (0..new.len()).all(|at| self.index(at).is_some_and(Correlated::unchanged))
            }
            (new, old) => new == old,
        }
    }
}

/// The items of an old list, to be found again by their keys.
pub(super) struct Items<'a> {
    schema: &'a Schema,
    items: &'a [Value],
}

impl<'a> Items<'a> {
    /// Of no list, and of one whose items have no keys, nothing is found.
    pub(super) fn new(schema: &'a Schema, old: Option<&'a Value>) -> Self {
        let items = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let items = if schema.list == ListKind::Map {
            items
        } else {
            &[]
        };
        Items { schema, items }
    }

    /// The old item with the keys of a new one.
    pub(super) fn like(&self, new: &Value) -> Option<&'a Value> {
        let new = new.as_object()?;
        let same = |old: &&Value| {
            let old = old.as_object();
            old.is_some_and(|old| {
                self.schema
                    .keys
                    .iter()
                    .all(|key| old.get(key) == new.get(key))
            })
        };
        self.items.iter().find(same)
    }
}
