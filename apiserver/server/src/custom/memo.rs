//! What a conversion webhook made of stored objects, so that it is asked once for each state of each: by lists, watches and reads alike.
//! Upstream keeps the same in a watch cache of each version. Bounded; what was not asked for lately goes first.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// What one version's memo may stand for, in bytes as they are stored.
const MOST_BYTES: usize = 64 << 20;

pub(super) struct Memo {
    /// Two of them, so that a name is as long as a digest that nobody can aim at.
    names: [RandomState; 2],
    kept: Mutex<Kept>,
    most_bytes: usize,
}

/// The bytes of an object as it lies in the store.
type Name = (usize, u64, u64);

#[derive(Default)]
struct Kept {
    /// What was made or asked for since the others became old,
    young: HashMap<Name, Value>,
    young_bytes: usize,
    /// and before that: the next to go.
    old: HashMap<Name, Value>,
}

impl Default for Memo {
    fn default() -> Self {
        Memo {
            names: [RandomState::new(), RandomState::new()],
            kept: Mutex::default(),
            most_bytes: MOST_BYTES,
        }
    }
}

impl Memo {
    /// What these bytes became.
    pub(super) fn get(&self, stored: &[u8]) -> Option<Value> {
        let name = self.name(stored);
        let mut kept = self.kept.lock();
        if let Some(found) = kept.young.get(&name) {
            return Some(found.clone());
        }
        let found = kept.old.remove(&name)?;
        self.put_young(&mut kept, name, found.clone());
        Some(found)
    }

    pub(super) fn has(&self, stored: &[u8]) -> bool {
        let (name, kept) = (self.name(stored), self.kept.lock());
        kept.young.contains_key(&name) || kept.old.contains_key(&name)
    }

    pub(super) fn put(&self, stored: &[u8], converted: Value) {
        let name = self.name(stored);
        self.put_young(&mut self.kept.lock(), name, converted);
    }

    fn put_young(&self, kept: &mut Kept, name: Name, converted: Value) {
        if kept.young_bytes > self.most_bytes / 2 {
            kept.old = std::mem::take(&mut kept.young);
            kept.young_bytes = 0;
        }
        if kept.young.insert(name, converted).is_none() {
            kept.young_bytes += name.0;
        }
    }

    fn name(&self, stored: &[u8]) -> Name {
        let [one, other] = &self.names;
        (stored.len(), one.hash_one(stored), other.hash_one(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let memo = Memo {
            most_bytes: 40,
            ..Memo::default()
        };
        let bytes = |number: usize| format!("{number:010}").into_bytes();
        for number in 0..100 {
            memo.put(&bytes(number), number.into());
            assert_eq!(memo.get(&bytes(0)), Some(0.into()), "asked for each time");
            assert_eq!(memo.get(&bytes(number)), Some(number.into()));
        }
        let kept = (0..100).filter(|number| memo.has(&bytes(*number))).count();
        assert!(kept <= 8, "{kept} are kept");
        assert_eq!(memo.get(b"another"), None);
    }
}
