//! Walks over the entries of a map, in their order.

use std::iter::FusedIterator;
use std::sync::Arc;
use std::{slice, vec};

use crate::{Key, Map, Value};

/// Defines one walk: its name, what it goes over, what it yields of an entry.
macro_rules! walk {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)?, $over:ty, $item:ty, $entry:pat => $yield:expr) => {
        $(#[$doc])*
        pub struct $name $(<$life>)? ($over);

        impl $(<$life>)? Iterator for $name $(<$life>)? {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<$item> {
                self.0.next().map(|$entry| $yield)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl $(<$life>)? DoubleEndedIterator for $name $(<$life>)? {
            fn next_back(&mut self) -> Option<$item> {
                self.0.next_back().map(|$entry| $yield)
            }
        }

        impl $(<$life>)? ExactSizeIterator for $name $(<$life>)? {}
        impl $(<$life>)? FusedIterator for $name $(<$life>)? {}
    };
}

walk!(#[derive(Clone)] Iter<'a>, slice::Iter<'a, (Key, Value)>, (&'a Key, &'a Value), (key, value) => (key, value));
walk!(IterMut<'a>, slice::IterMut<'a, (Key, Value)>, (&'a Key, &'a mut Value), (key, value) => (&*key, value));
walk!(IntoIter, vec::IntoIter<(Key, Value)>, (Key, Value), entry => entry);
walk!(#[derive(Clone)] Keys<'a>, slice::Iter<'a, (Key, Value)>, &'a Key, (key, _) => key);
walk!(#[derive(Clone)] Values<'a>, slice::Iter<'a, (Key, Value)>, &'a Value, (_, value) => value);
walk!(ValuesMut<'a>, slice::IterMut<'a, (Key, Value)>, &'a mut Value, (_, value) => value);
walk!(IntoValues, vec::IntoIter<(Key, Value)>, Value, (_, value) => value);

impl Map<String, Value> {
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.list().iter())
    }

    pub fn iter_mut(&mut self) -> IterMut<'_> {
        IterMut(self.own_list().iter_mut())
    }

    pub fn keys(&self) -> Keys<'_> {
        Keys(self.list().iter())
    }

    pub fn values(&self) -> Values<'_> {
        Values(self.list().iter())
    }

    pub fn values_mut(&mut self) -> ValuesMut<'_> {
        ValuesMut(self.own_list().iter_mut())
    }

    pub fn into_values(self) -> IntoValues {
        IntoValues(self.into_list().into_iter())
    }

    fn own_list(&mut self) -> &mut [(Key, Value)] {
        match &mut self.inner {
            Some(inner) => &mut Arc::make_mut(inner).list,
            None => &mut [],
        }
    }

    fn into_list(self) -> Vec<(Key, Value)> {
        self.inner.map_or_else(Vec::new, |inner| {
            Arc::try_unwrap(inner).map_or_else(|shared| shared.list.clone(), |own| own.list)
        })
    }
}

impl IntoIterator for Map<String, Value> {
    type Item = (Key, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.into_list().into_iter())
    }
}

impl<'a> IntoIterator for &'a Map<String, Value> {
    type Item = (&'a Key, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Map<String, Value> {
    type Item = (&'a Key, &'a mut Value);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> IterMut<'a> {
        self.iter_mut()
    }
}
