//! `value["key"]` and `value[0]`. What is not there reads as null and, in an object, is made when it is written.

use std::ops;

use super::Value;
use crate::{Key, Map};

/// What values can be asked by: names and places.
pub trait Index {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value>;
    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value>;
    /// The value, made if need be; panics where it cannot be.
    fn made<'v>(&self, value: &'v mut Value) -> &'v mut Value;
}

impl Index for usize {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }

    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_array_mut()?.get_mut(*self)
    }

    fn made<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        match value {
            Value::Array(items) => {
                let len = items.len();
                let item = items.get_mut(*self);
                item.unwrap_or_else(|| panic!("no item {self} among {len}"))
            }
            other => panic!("no item {self} in {other:?}"),
        }
    }
}

impl Index for str {
    #[inline]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_object()?.get(self)
    }

    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_object_mut()?.get_mut(self)
    }

    fn made<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        match value {
            Value::Object(map) => map.entry(self).or_insert(Value::Null),
            other => panic!("no field {self:?} in {other:?}"),
        }
    }
}

/// Defines asking by what derefs to a name.
macro_rules! by_text {
    ($($ty:ty),*) => {$(
        impl Index for $ty {
            fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
                str::of(self, value)
            }

            fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
                str::of_mut(self, value)
            }

            fn made<'v>(&self, value: &'v mut Value) -> &'v mut Value {
                str::made(self, value)
            }
        }
    )*};
}

by_text!(String, Key);

impl<I: Index + ?Sized> Index for &I {
    #[inline]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        (**self).of(value)
    }

    fn of_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        (**self).of_mut(value)
    }

    fn made<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        (**self).made(value)
    }
}

impl<I: Index> ops::Index<I> for Value {
    type Output = Value;

    fn index(&self, index: I) -> &Value {
        static NOTHING: Value = Value::Null;
        index.of(self).unwrap_or(&NOTHING)
    }
}

impl<I: Index> ops::IndexMut<I> for Value {
    fn index_mut(&mut self, index: I) -> &mut Value {
        index.made(self)
    }
}
