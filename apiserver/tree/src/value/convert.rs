//! Plain Rust values as trees.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::Value;
use super::serial::to_value;
use crate::{Key, Map, Number};

/// An expression in `json!`. What becomes a tree by itself does so; anything else goes through serde, found by one more reference.
pub struct Expression<'a, T>(pub &'a T);

pub trait ByItself {
    fn tree(&self) -> Value;
}

impl<T: Clone + Into<Value>> ByItself for Expression<'_, T> {
    fn tree(&self) -> Value {
        self.0.clone().into()
    }
}

pub trait BySerde {
    /// Panics when the value does not let itself be written, as serde_json's `json!` does.
    fn tree(&self) -> Value;
}

impl<T: Serialize> BySerde for &Expression<'_, T> {
    fn tree(&self) -> Value {
        match to_value(self.0) {
            Ok(tree) => tree,
            Err(error) => panic!("json! of what cannot be written: {error}"),
        }
    }
}

/// Defines conversions of types and of references to them.
macro_rules! from {
    ($($ty:ty, $value:ident => $made:expr;)*) => {$(
        impl From<$ty> for Value {
            #[inline]
            fn from($value: $ty) -> Self {
                $made
            }
        }

        impl From<&$ty> for Value {
            fn from(value: &$ty) -> Self {
                value.clone().into()
            }
        }
    )*};
}

from! {
    bool, flag => Value::Bool(flag);
    i8, number => Value::Number(number.into());
    i16, number => Value::Number(number.into());
    i32, number => Value::Number(number.into());
    i64, number => Value::Number(number.into());
    isize, number => Value::Number(number.into());
    u8, number => Value::Number(number.into());
    u16, number => Value::Number(number.into());
    u32, number => Value::Number(number.into());
    u64, number => Value::Number(number.into());
    usize, number => Value::Number(number.into());
    f32, number => Number::from_f64(number.into()).map_or(Value::Null, Value::Number);
    f64, number => Number::from_f64(number).map_or(Value::Null, Value::Number);
    Number, number => Value::Number(number);
    String, text => Value::String(text);
    Key, key => Value::String(key.into());
    Box<str>, text => Value::String(text.into());
    Arc<str>, text => Value::String((*text).to_owned());
    Map<String, Value>, map => Value::Object(map);
    (), _nothing => Value::Null;
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<&&str> for Value {
    fn from(text: &&str) -> Self {
        Value::String((*text).to_owned())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Self {
        Value::String(text.into_owned())
    }
}

impl From<&Cow<'_, str>> for Value {
    fn from(text: &Cow<'_, str>) -> Self {
        Value::String(text.clone().into_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Clone + Into<Value>> From<&Vec<T>> for Value {
    fn from(items: &Vec<T>) -> Self {
        items.iter().cloned().collect()
    }
}

impl<T: Clone + Into<Value>> From<&[T]> for Value {
    fn from(items: &[T]) -> Self {
        items.iter().cloned().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Clone + Into<Value>, const N: usize> From<&[T; N]> for Value {
    fn from(items: &[T; N]) -> Self {
        items.iter().cloned().collect()
    }
}

impl<T: Into<Value>> From<BTreeSet<T>> for Value {
    fn from(items: BTreeSet<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<K: AsRef<str> + Into<Key>, T: Into<Value>> From<BTreeMap<K, T>> for Value {
    fn from(entries: BTreeMap<K, T>) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: AsRef<str> + Into<Key>, T: Into<Value>, S> From<HashMap<K, T, S>> for Value {
    fn from(entries: HashMap<K, T, S>) -> Self {
        entries.into_iter().collect()
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<K: AsRef<str> + Into<Key>, T: Into<Value>> FromIterator<(K, T)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Value::Object(entries.map(|(key, value)| (key, value.into())).collect())
    }
}
