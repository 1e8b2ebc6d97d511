//! What a manager owns is said in the same words of object after object: of every pod of a Deployment, of every Lease. Words that come
//! again are read once; their tree and their set are shared by all that say them. Called by the codecs where they meet `fieldsV1`.
//!
//! What is kept is bounded in bytes, and two generations long: words that nobody says any more go with the older one. Words are kept when
//! they come for the second time, so that those said once push nothing out.

use std::borrow::Borrow;
use std::collections::hash_map::{DefaultHasher, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use serde_json::Value;

use super::field_set::FieldSet;
use crate::codec::json::encode_raw;

/// Words longer than this are read each time.
const TEXT_MAX: usize = 8 << 10;
/// Bytes of text that a generation keeps; what is made of it takes some twenty times as much.
const GENERATION_BYTES: usize = 256 << 10;
/// Hashes of words that came lately, each in its place.
const LATELY: usize = 1024;

/// A `fieldsV1` as it is stored, and what it says.
pub(crate) struct Words {
    text: Box<[u8]>,
    value: Value,
    set: OnceLock<Result<Arc<FieldSet>, String>>,
    /// The hash of a set that these were written for; 0 for none.
    set_hash: AtomicU64,
}

impl Words {
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn set(&self) -> Result<Arc<FieldSet>, String> {
        let read = || FieldSet::from_value(&self.value).map(Arc::new);
        self.set.get_or_init(read).clone()
    }
}

/// Found by their text.
struct ByText(Arc<Words>);

impl Borrow<[u8]> for ByText {
    fn borrow(&self) -> &[u8] {
        &self.0.text
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for ByText {}

#[derive(Default)]
struct Generation {
    by_text: HashSet<ByText>,
    /// By what all copies of the tree have in common.
    by_identity: HashMap<usize, Arc<Words>>,
    /// By the hash of a set that they were written for.
    by_set: HashMap<u64, Arc<Words>>,
    bytes: usize,
}

impl Generation {
    fn find_by_set(&mut self, words: &Arc<Words>) {
        match words.set_hash.load(Relaxed) {
            0 => {}
            hash => drop(self.by_set.insert(hash, words.clone())),
        }
    }

    fn add(&mut self, words: Arc<Words>) {
        if let Some(identity) = identity(&words.value) {
            self.bytes += words.text.len();
            self.by_identity.insert(identity, words.clone());
            self.find_by_set(&words);
            self.by_text.insert(ByText(words));
        }
    }
}

/// All words that are kept.
struct Table {
    generations: RwLock<[Generation; 2]>,
    lately: Box<[AtomicU64]>,
    hasher: RandomState,
}

fn identity(value: &Value) -> Option<usize> {
    value.as_object()?.identity()
}

impl Table {
    fn new() -> Self {
        Table {
            generations: RwLock::default(),
            lately: (0..LATELY).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, [Generation; 2]> {
        let generations = self.generations.read();
        generations.unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree of a text that has come before.
    fn known(&self, text: &[u8]) -> Option<Value> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let old = {
            let [young, old] = &*self.read();
            if let Some(ByText(words)) = young.by_text.get(text) {
                return Some(words.value.clone());
            }
            old.by_text.get(text)?.0.clone()
        };
        // What is still said goes on into the younger generation.
        self.keep(old.clone());
        Some(old.value.clone())
    }

    fn keep(&self, words: Arc<Words>) {
        let generations = self.generations.write();
        let [young, old] = &mut *generations.unwrap_or_else(PoisonError::into_inner);
        if let Some(ByText(there)) = young.by_text.get(&*words.text) {
            let there = there.clone();
            there
                .set_hash
                .fetch_max(words.set_hash.load(Relaxed), Relaxed);
            return young.find_by_set(&there);
        }
        if young.bytes + words.text.len() > GENERATION_BYTES {
            *old = std::mem::take(young);
        }
        young.add(words);
    }

    /// Notes what a text was read as; the tree to go on with.
    fn learn(&self, text: &[u8], value: Value) -> Value {
        if text.len() > TEXT_MAX || identity(&value).is_none() {
            return value;
        }
        // Only words as they would be stored stand for their tree both ways.
        if self.came_lately(self.hash(|state| text.hash(state))) && encode_raw(&value) == text {
            let words = Words {
                text: text.into(),
                value: value.clone(),
                set: OnceLock::new(),
                set_hash: AtomicU64::new(0),
            };
            self.keep(Arc::new(words));
        }
        value
    }

    /// Never 0, which stands for nothing.
    fn hash(&self, add: impl FnOnce(&mut DefaultHasher)) -> u64 {
        let mut state = self.hasher.build_hasher();
        add(&mut state);
        state.finish() | 1
    }

    /// Whether what has this hash came before; it has now.
    fn came_lately(&self, hash: u64) -> bool {
        let place = &self.lately[(hash >> 1) as usize % LATELY];
        place.swap(hash, Relaxed) == hash
    }

    /// A set as it is written.
    fn said(&self, set: &Arc<FieldSet>) -> Value {
        let hash = self.hash(|state| set.hash_into(state));
        let (found, young) = {
            let [young, old] = &*self.read();
            match young.by_set.get(&hash) {
                Some(words) => (Some(words.clone()), true),
                None => (old.by_set.get(&hash).cloned(), false),
            }
        };
        let found = found.filter(|words| words.set().is_ok_and(|said| said.is_exactly(set)));
        if let Some(words) = found {
            if !young {
                self.keep(words.clone());
            }
            return words.value.clone();
        }
        let value = set.to_value();
        if self.came_lately(hash) && identity(&value).is_some() {
            let text = encode_raw(&value);
            if text.len() <= TEXT_MAX {
                let words = Words {
                    text: text.into(),
                    value: value.clone(),
                    set: OnceLock::new(),
                    set_hash: AtomicU64::new(hash),
                };
                self.keep(Arc::new(words));
            }
        }
        value
    }

    fn of(&self, value: &Value) -> Option<Arc<Words>> {
        let identity = identity(value)?;
        let generations = self.read();
        let mut found = generations
            .iter()
            .map(|kept| kept.by_identity.get(&identity));
        found.find_map(|words| words.cloned())
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::new)
}

/// The tree of a text that has come before, as reading it would make it.
pub(crate) fn known(text: &[u8]) -> Option<Value> {
    table().known(text)
}

/// Notes what a text was read as; the tree to go on with.
pub(crate) fn learn(text: &[u8], value: Value) -> Value {
    table().learn(text, value)
}

/// A set as it is written; as `FieldSet::to_value` writes it.
pub(super) fn said(set: &Arc<FieldSet>) -> Value {
    table().said(set)
}

/// The words that a tree was read from, where they are kept.
pub(crate) fn of(value: &Value) -> Option<Arc<Words>> {
    table().of(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::decode_raw;

    fn read(table: &Table, text: &str) -> Value {
        let text = text.as_bytes();
        table
            .known(text)
            .unwrap_or_else(|| table.learn(text, decode_raw(text).expect("JSON")))
    }

    fn same(a: &Value, b: &Value) -> bool {
        identity(a).is_some() && identity(a) == identity(b)
    }

    #[test]
    fn words_that_come_again_are_shared() {
        let table = Table::new();
        let text = r#"{"f:spec":{".":{},"k:{\"name\":\"a\"}":{}}}"#;
        let first = read(&table, text);
        let (second, third) = (read(&table, text), read(&table, text));
        assert!(!same(&first, &third));
        assert!(same(&second, &third));
        assert_eq!(first, third);
        let words = table.of(&third).expect("kept");
        assert_eq!(words.text(), text.as_bytes());
        assert_eq!(
            words.set().as_deref(),
            Ok(&FieldSet::from_value(&first).expect("a set"))
        );
        assert!(table.of(&first).is_none());
        // A copy that is changed says something else.
        let mut changed = third.clone();
        changed["f:spec"]["f:x"] = Value::Null;
        assert!(table.of(&changed).is_none());
        assert_eq!(
            table.of(&third).map(|words| words.value.clone()),
            Some(first)
        );
    }

    #[test]
    fn what_is_written_otherwise_is_read_each_time() {
        let table = Table::new();
        let long = format!(r#"{{"f:{}":{{}}}}"#, "x".repeat(TEXT_MAX));
        for text in [
            r#"{ "f:a":{}}"#,
            r#"{"f:a":{},"f:a":{}}"#,
            r#"{"f:\u0061":{}}"#,
            "{}",
            "[]",
            "7",
            &long,
        ] {
            for _ in 0..4 {
                read(&table, text);
            }
            assert!(table.known(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_said_again_stays() {
        let table = Table::new();
        let often = r#"{"f:often":{}}"#;
        read(&table, often);
        let shared = read(&table, often);
        for i in 0..2_000 {
            let text = format!(r#"{{"f:{}{i}":{{}}}}"#, "x".repeat(1_000));
            read(&table, &text);
            read(&table, &text);
            assert!(same(&shared, &read(&table, often)), "{i}");
            let generations = table.generations.read().expect("no panic");
            for kept in generations.iter() {
                assert!(kept.bytes <= GENERATION_BYTES);
                assert_eq!(kept.by_text.len(), kept.by_identity.len());
            }
        }
    }

    #[test]
    fn sets_that_come_again_are_written_once() {
        let table = Table::new();
        let set = |text: &str| {
            let value = decode_raw(text.as_bytes()).expect("JSON");
            Arc::new(FieldSet::from_value(&value).expect("a set"))
        };
        let texts = [
            r#"{"f:a":{},"f:spec":{".":{},"k:{\"name\":\"a\"}":{"f:x":{}}}}"#,
            r#"{"f:a":{},"f:spec":{"k:{\"name\":\"a\"}":{"f:x":{}}}}"#,
            r#"{"f:ports":{"k:{\"port\":1}":{}}}"#,
            r#"{"f:ports":{"k:{\"port\":1.5}":{}}}"#,
            r#"{"f:ports":{"k:{\"port\":2}":{}}}"#,
            r#"{"f:set":{"v:\"a\"":{},"v:true":{}}}"#,
            r#"{"f:spec":{},"f:a":{}}"#,
        ];
        // In turn, and then each by itself: two may have one place among those that came lately.
        let in_turn = (0..4).flat_map(|_| texts);
        let by_itself = texts.iter().flat_map(|text| [*text; 3]);
        for text in in_turn.chain(by_itself) {
            let set = set(text);
            assert_eq!(table.said(&set).to_string(), set.to_value().to_string());
        }
        for text in texts {
            assert!(
                same(&table.said(&set(text)), &table.said(&set(text))),
                "{text}"
            );
        }
        // Whether they were read or written: one tree for one text.
        let read = table.known(texts[0].as_bytes()).expect("kept");
        assert!(same(&read, &table.said(&set(texts[0]))));
    }
}
