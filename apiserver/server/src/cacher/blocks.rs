//! Parts of lists as JSON in gzip, kept for the next list of the same objects: controllers that start ask for whole collections in
//! gzip, one like the other. A block stands for neighbours in the order of keys, at the revisions that they had; where one changed,
//! only its block is made anew. What all of them take is bounded for the whole process.

use super::{Cached, packed};
use crate::gzip::ends_run;
use flate2::Crc;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use triad_kv::Revision;

/// At most this much is kept,
const MOST_BYTES: usize = 64 << 20;
/// and at most this part of what the objects themselves take.
const PART_OF_STORED: usize = 4;
/// A block ends behind an object whose key says so, on average every so many,
const OBJECTS: u64 = 32;
/// and behind one with which it stands for so many stored bytes.
const STORED_BYTES: usize = 256 << 10;
/// Questions for blocks, beside two for each that there is, in which one that is still needed is asked for.
const QUESTIONS: usize = 1024;
/// What an object takes in a block beside the bytes.
const EACH: usize = 32;

static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The objects of a block, by their keys and revisions: no revision of an object ever names two contents.
type Members = Box<[(Arc<str>, Revision)]>;

/// A piece of a deflate stream that ends at a byte and refers to nothing before it.
pub(crate) struct Block {
    members: Members,
    pub(crate) deflated: Box<[u8]>,
    /// Of what it unpacks to, its length included.
    pub(crate) crc: Crc,
}

impl Block {
    pub(crate) fn new(objects: &[Arc<Cached>], deflated: Box<[u8]>, crc: Crc) -> Self {
        let member = |object: &Arc<Cached>| (object.key.clone(), object.revision);
        let block = Block {
            members: objects.iter().map(member).collect(),
            deflated,
            crc,
        };
        KEPT_BYTES.fetch_add(block.bytes(), Relaxed);
        block
    }

    fn bytes(&self) -> usize {
        self.deflated.len() + EACH * self.members.len()
    }

    fn is_of(&self, objects: &[Arc<Cached>]) -> bool {
        let same = |(key, revision): &(Arc<str>, Revision), object: &Arc<Cached>| {
            *revision == object.revision && *key == object.key
        };
        let mut pairs = self.members.iter().zip(objects);
        self.members.len() == objects.len() && pairs.all(|(member, object)| same(member, object))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        KEPT_BYTES.fetch_sub(self.bytes(), Relaxed);
    }
}

/// How many of the objects make the next block. Where a block ends depends on what is in it alone: one that comes or goes changes its own.
pub(crate) fn next_len(objects: &[Arc<Cached>]) -> usize {
    let mut stored = 0;
    let ends = |object: &Arc<Cached>| {
        stored += object.stored_len();
        stored >= STORED_BYTES || ends_run(&object.key, OBJECTS)
    };
    let last = objects.iter().position(ends);
    last.map_or(objects.len(), |last| last + 1)
}

/// The blocks of one resource.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<Generations>);

/// By the key of the first object: those asked for lately, and those before them.
#[derive(Default)]
struct Generations {
    young: HashMap<Arc<str>, Arc<Block>>,
    old: HashMap<Arc<str>, Arc<Block>>,
    /// Questions since the young ones began.
    asked: usize,
}

impl Generations {
    /// What nobody asked for while everything else could have been asked for twice goes.
    fn age(&mut self) {
        self.asked += 1;
        if self.asked > QUESTIONS + 2 * (self.young.len() + self.old.len()) {
            self.old = std::mem::take(&mut self.young);
            self.asked = 0;
        }
    }

    fn get(&mut self, first: &str) -> Option<&Arc<Block>> {
        self.age();
        if let Some((first, block)) = self.old.remove_entry(first) {
            self.young.insert(first, block);
        }
        self.young.get(first)
    }
}

impl Blocks {
    /// The block of these objects.
    pub(crate) fn get(&self, objects: &[Arc<Cached>]) -> Option<Arc<Block>> {
        let first = &*objects.first()?.key;
        let block = self.0.lock().get(first).cloned();
        block.filter(|block| block.is_of(objects))
    }

    /// Keeps a block in place of the one that began with the same object, where there is room.
    pub(crate) fn keep(&self, block: &Arc<Block>) {
        let Some((first, _)) = block.members.first() else {
            return;
        };
        let mut blocks = self.0.lock();
        let room = (packed::stored() / PART_OF_STORED).min(MOST_BYTES);
        if KEPT_BYTES.load(Relaxed) > room {
            blocks.young.remove(first);
        } else {
            blocks.young.insert(first.clone(), block.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_for_goes() {
        let mut blocks = Generations::default();
        let block = |first: &str| {
            let members = [(Arc::from(first), Revision(1))].into();
            let (deflated, crc) = (Box::default(), Crc::new());
            KEPT_BYTES.fetch_add(EACH, Relaxed);
            Arc::new(Block {
                members,
                deflated,
                crc,
            })
        };
        for first in ["a", "b"] {
            blocks.young.insert(first.into(), block(first));
        }
        for _ in 0..2 * (QUESTIONS + 5) {
            assert!(blocks.get("a").is_some());
        }
        assert!(blocks.get("b").is_none());
    }
}
