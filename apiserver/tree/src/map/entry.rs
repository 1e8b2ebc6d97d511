//! The place of one key in a map.

use crate::{Key, Map, Value};

pub enum Entry<'a> {
    Vacant(VacantEntry<'a>),
    Occupied(OccupiedEntry<'a>),
}

pub struct VacantEntry<'a> {
    pub(super) map: &'a mut Map<String, Value>,
    pub(super) key: Key,
}

pub struct OccupiedEntry<'a> {
    pub(super) map: &'a mut Map<String, Value>,
    pub(super) at: usize,
}

impl<'a> Entry<'a> {
    pub fn key(&self) -> &Key {
        match self {
            Entry::Vacant(vacant) => &vacant.key,
            Entry::Occupied(occupied) => &occupied.map.list()[occupied.at].0,
        }
    }

    pub fn or_insert(self, value: Value) -> &'a mut Value {
        self.or_insert_with(|| value)
    }

    pub fn or_insert_with(self, value: impl FnOnce() -> Value) -> &'a mut Value {
        match self {
            Entry::Vacant(vacant) => vacant.insert(value()),
            Entry::Occupied(occupied) => occupied.into_mut(),
        }
    }

    pub fn and_modify(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Entry::Occupied(occupied) = &mut self {
            change(occupied.get_mut());
        }
        self
    }
}

impl<'a> VacantEntry<'a> {
    pub fn insert(self, value: Value) -> &'a mut Value {
        let inner = self.map.own();
        let at = inner.list.len();
        inner.push(self.key, value);
        &mut inner.list[at].1
    }
}

impl<'a> OccupiedEntry<'a> {
    pub fn get(&self) -> &Value {
        &self.map.list()[self.at].1
    }

    pub fn get_mut(&mut self) -> &mut Value {
        &mut self.map.own().list[self.at].1
    }

    pub fn into_mut(self) -> &'a mut Value {
        &mut self.map.own().list[self.at].1
    }

    pub fn insert(&mut self, value: Value) -> Value {
        std::mem::replace(self.get_mut(), value)
    }

    pub fn remove(self) -> Value {
        self.map.own().remove(self.at).1
    }
}
