//! A map of keys to values that keeps the order in which its keys came. Small ones are searched in turn; those with many keys have an index,
//! hashed by a secret of this process, so that no choice of keys is slow.
//!
//! What a map holds is shared by its copies until one of them is changed.

pub(crate) mod entry;
mod iter;

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops;
use std::sync::Arc;

use crate::{Key, Value};
use entry::{Entry, OccupiedEntry, VacantEntry};

/// Entries up to which looking at each key is quicker than hashing one.
const SMALL: usize = 24;

/// A JSON object. `K` says what keys are given as; they are kept as [`Key`]s.
pub struct Map<K = String, V = Value> {
    /// None when empty.
    inner: Option<Arc<Inner>>,
    given: PhantomData<fn() -> (K, V)>,
}

#[derive(Clone, Default)]
struct Inner {
    list: Vec<(Key, Value)>,
    /// Places by key, when there are more than `SMALL`.
    #[expect(
        clippy::box_collection,
        reason = "few maps have one, and all would be larger"
    )]
    index: Option<Box<HashMap<Key, usize>>>,
}

impl Inner {
    fn place(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.list.iter().position(|(own, _)| own.as_str() == key),
        }
    }

    /// Appends an entry whose key is not there yet.
    fn push(&mut self, key: Key, value: Value) {
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), self.list.len());
        }
        self.list.push((key, value));
        if self.index.is_none() && self.list.len() > SMALL {
            self.reindex();
        }
    }

    /// After entries went or moved.
    fn reindex(&mut self) {
        self.index = (self.list.len() > SMALL).then(|| {
            let places = self.list.iter().enumerate();
            Box::new(places.map(|(at, (key, _))| (key.clone(), at)).collect())
        });
    }

    fn remove(&mut self, at: usize) -> (Key, Value) {
        let removed = self.list.remove(at);
        if self.index.is_some() {
            self.reindex();
        }
        removed
    }
}

impl Map<String, Value> {
    #[inline]
    pub const fn new() -> Self {
        Map {
            inner: None,
            given: PhantomData,
        }
    }

    pub fn with_capacity(capacity: usize) -> Self {
        if capacity == 0 {
            return Self::new();
        }
        let inner = Inner {
            list: Vec::with_capacity(capacity),
            index: None,
        };
        Map {
            inner: Some(Arc::new(inner)),
            given: PhantomData,
        }
    }

    #[inline]
    fn list(&self) -> &[(Key, Value)] {
        self.inner.as_ref().map_or(&[], |inner| &inner.list)
    }

    /// What the map holds, its own from now on.
    #[inline]
    fn own(&mut self) -> &mut Inner {
        Arc::make_mut(self.inner.get_or_insert_default())
    }

    #[inline]
    fn place(&self, key: &str) -> Option<usize> {
        self.inner.as_ref()?.place(key)
    }

    pub fn len(&self) -> usize {
        self.list().len()
    }

    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    pub fn clear(&mut self) {
        self.inner = None;
    }

    #[inline]
    pub fn get<Q: AsRef<str> + ?Sized>(&self, key: &Q) -> Option<&Value> {
        let inner = self.inner.as_ref()?;
        inner.place(key.as_ref()).map(|at| &inner.list[at].1)
    }

    pub fn get_key_value<Q: AsRef<str> + ?Sized>(&self, key: &Q) -> Option<(&Key, &Value)> {
        let inner = self.inner.as_ref()?;
        inner
            .place(key.as_ref())
            .map(|at| (&inner.list[at].0, &inner.list[at].1))
    }

    pub fn get_mut<Q: AsRef<str> + ?Sized>(&mut self, key: &Q) -> Option<&mut Value> {
        let at = self.place(key.as_ref())?;
        Some(&mut self.own().list[at].1)
    }

    pub fn contains_key<Q: AsRef<str> + ?Sized>(&self, key: &Q) -> bool {
        self.place(key.as_ref()).is_some()
    }

    /// Sets the value of a key; the one that it had.
    pub fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        self.put(key, value)
    }

    /// As `insert`, by any kind of key: one that the program knows is not copied.
    pub fn put<Q: AsRef<str> + Into<Key>>(&mut self, key: Q, value: Value) -> Option<Value> {
        match self.place(key.as_ref()) {
            Some(at) => Some(std::mem::replace(&mut self.own().list[at].1, value)),
            None => {
                self.own().push(key.into(), value);
                None
            }
        }
    }

    /// As `put`, of a name that is part of the program.
    #[inline]
    pub fn set(&mut self, key: &'static str, value: Value) -> Option<Value> {
        self.put(Key::fixed(key), value)
    }

    /// Takes an entry out; those behind it keep their order.
    pub fn remove<Q: AsRef<str> + ?Sized>(&mut self, key: &Q) -> Option<Value> {
        self.remove_entry(key).map(|(_, value)| value)
    }

    pub fn remove_entry<Q: AsRef<str> + ?Sized>(&mut self, key: &Q) -> Option<(Key, Value)> {
        let at = self.place(key.as_ref())?;
        if self.len() == 1
            && self
                .inner
                .as_mut()
                .is_some_and(|inner| Arc::get_mut(inner).is_none())
        {
            // The only entry of a shared map: nothing of it need be copied.
            let entry = self.list()[at].clone();
            self.inner = None;
            return Some(entry);
        }
        Some(self.own().remove(at))
    }

    pub fn shift_remove<Q: AsRef<str> + ?Sized>(&mut self, key: &Q) -> Option<Value> {
        self.remove(key)
    }

    pub fn swap_remove<Q: AsRef<str> + ?Sized>(&mut self, key: &Q) -> Option<Value> {
        self.remove(key)
    }

    /// The place of a key, to be filled or changed.
    pub fn entry<Q: AsRef<str> + Into<Key>>(&mut self, key: Q) -> Entry<'_> {
        match self.place(key.as_ref()) {
            Some(at) => Entry::Occupied(OccupiedEntry { map: self, at }),
            None => Entry::Vacant(VacantEntry {
                key: key.into(),
                map: self,
            }),
        }
    }

    /// Keeps the entries that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&Key, &mut Value) -> bool) {
        if self.is_empty() {
            return;
        }
        let inner = self.own();
        inner.list.retain_mut(|(key, value)| keep(key, value));
        inner.reindex();
    }

    /// Takes all entries of another map.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }

    /// Puts the entries in the order of their keys.
    pub fn sort_keys(&mut self) {
        if self.list().is_sorted_by(|(a, _), (b, _)| a <= b) {
            return;
        }
        let inner = self.own();
        inner.list.sort_by(|(a, _), (b, _)| a.cmp(b));
        inner.reindex();
    }

    /// A number that all copies of this map have, and nothing else for as long as one of them is there and unchanged. None when empty.
    pub fn identity(&self) -> Option<usize> {
        let inner = self.inner.as_ref().filter(|inner| !inner.list.is_empty())?;
        Some(Arc::as_ptr(inner) as usize)
    }

    /// Whether both are copies of one map, neither changed since.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        match (&self.inner, &other.inner) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Default for Map<String, Value> {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Map<String, Value> {
    #[inline]
    fn clone(&self) -> Self {
        Map {
            inner: self.inner.clone(),
            given: PhantomData,
        }
    }
}

/// The order of entries does not count.
impl PartialEq for Map<String, Value> {
    fn eq(&self, other: &Self) -> bool {
        if self.is_copy_of(other) {
            return true;
        }
        let (own, others) = (self.list(), other.list());
        own.len() == others.len()
            && own
                .iter()
                .zip(others)
                .all(|((key, value), (key_there, there))| {
                    if key == key_there {
                        return value == there;
                    }
                    other.get(key) == Some(value)
                })
    }
}

impl Eq for Map<String, Value> {}

impl fmt::Debug for Map<String, Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<Q: AsRef<str> + ?Sized> ops::Index<&Q> for Map<String, Value> {
    type Output = Value;

    fn index(&self, key: &Q) -> &Value {
        let found = self.get(key);
        found.unwrap_or_else(|| panic!("no entry {:?}", key.as_ref()))
    }
}

impl<Q: AsRef<str> + ?Sized> ops::IndexMut<&Q> for Map<String, Value> {
    fn index_mut(&mut self, key: &Q) -> &mut Value {
        let found = self.get_mut(key);
        found.unwrap_or_else(|| panic!("no entry {:?}", key.as_ref()))
    }
}

impl<K: AsRef<str> + Into<Key>> FromIterator<(K, Value)> for Map<String, Value> {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut map = Map::with_capacity(entries.size_hint().0);
        map.extend(entries);
        map
    }
}

impl<K: AsRef<str> + Into<Key>> Extend<(K, Value)> for Map<String, Value> {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.put(key, value);
        }
    }
}
