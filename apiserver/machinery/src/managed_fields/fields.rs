//! The fields of one entry: the set, and what it was read from for as long as they say the same. Most writes leave most entries as they
//! are, which then need not be written anew.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::field_set::FieldSet;
use super::words;

/// A set that knows whether it still is what it was read from.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    set: Arc<FieldSet>,
    read_from: Option<Value>,
}

impl Fields {
    /// Reads what an object in the store says; there it stands in the order that it is written in.
    pub(super) fn stored(fields_v1: &Value) -> Result<Self, String> {
        let set = match words::of(fields_v1) {
            Some(words) => words.set()?,
            None => Arc::new(FieldSet::from_value(fields_v1)?),
        };
        Ok(Self {
            set,
            read_from: Some(fields_v1.clone()),
        })
    }

    /// Of a set that a client wrote: what it was read from is kept only where the store has the same, which then is in order.
    pub(super) fn known_among(&mut self, stored: &[&Value]) {
        let read_from = self.read_from.take();
        self.read_from = read_from.and_then(|read| {
            let known = stored.iter().find(|stored| ***stored == read);
            known.map(|known| (*known).clone())
        });
    }

    /// Takes out what is in another set.
    pub(super) fn subtract(&mut self, other: &FieldSet) {
        if !self.set.intersection(other).is_empty() {
            self.read_from = None;
            Arc::make_mut(&mut self.set).subtract(other, false);
        }
    }

    /// Adds all of another set.
    pub(super) fn unite(&mut self, other: FieldSet) {
        if !other.is_within(&self.set) {
            self.read_from = None;
            Arc::make_mut(&mut self.set).unite(other);
        }
    }

    pub(super) fn into_set(self) -> FieldSet {
        Arc::unwrap_or_clone(self.set)
    }

    /// The set written anew.
    #[cfg(test)]
    pub(super) fn set_value(&self) -> Value {
        self.set.to_value()
    }

    pub(super) fn to_value(&self) -> Value {
        match &self.read_from {
            Some(read) => read.clone(),
            None => words::said(&self.set),
        }
    }
}

impl From<FieldSet> for Fields {
    fn from(set: FieldSet) -> Self {
        Self {
            set: Arc::new(set),
            read_from: None,
        }
    }
}

impl Deref for Fields {
    type Target = FieldSet;

    fn deref(&self) -> &FieldSet {
        &self.set
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set
    }
}
