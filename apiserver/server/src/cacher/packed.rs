//! JSON of objects that are shown again and again, packed: taking it out is quicker than making it anew, and it takes a third of the
//! room. What all of it takes is bounded for the whole process; an object that changes or goes takes its own with it.

use super::Cached;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// At most this much is packed JSON,
const MOST_BYTES: usize = 256 << 20;
/// and at most this part of what the objects themselves take.
const PART_OF_STORED: usize = 2;
/// What packs worse than this, in percent, is not worth keeping.
const WORTH_PERCENT: usize = 60;
/// When there is no room, so many are turned away before the one kept for longest makes room: whoever lists more than there is room
/// for still finds most of what is kept.
const TURNED_AWAY: usize = 16;
/// Entries of the queue beyond those that still hold something, before it is gone through.
const SLACK: usize = 1024;

static KEPT: Kept = Kept::new();

/// What the process keeps.
struct Kept {
    /// Bytes of the objects as they are stored.
    stored: AtomicUsize,
    /// Bytes of what is packed.
    packed: AtomicUsize,
    count: AtomicUsize,
    turned_away: AtomicUsize,
    /// Who was packed, the earliest first.
    order: Mutex<VecDeque<Weak<Cached>>>,
}

impl Kept {
    const fn new() -> Self {
        Kept {
            stored: AtomicUsize::new(0),
            packed: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            order: Mutex::new(VecDeque::new()),
        }
    }

    fn room(&self) -> usize {
        let most = (self.stored.load(Relaxed) / PART_OF_STORED).min(MOST_BYTES);
        most.saturating_sub(self.packed.load(Relaxed))
    }

    fn enter(&self, object: &Arc<Cached>) {
        let mut order = self.order.lock();
        if order.len() > SLACK + 2 * self.count.load(Relaxed) {
            order.retain(|object| object.strong_count() > 0);
        }
        order.push_back(Arc::downgrade(object));
    }

    /// Now and then the one that was packed first gives up its place.
    fn turn_away(&self) {
        let before = self.turned_away.fetch_add(1, Relaxed);
        if !before.is_multiple_of(TURNED_AWAY) {
            return;
        }
        let mut order = self.order.lock();
        while let Some(first) = order.pop_front() {
            if let Some(first) = first.upgrade() {
                drop(order);
                return first.forget_packed();
            }
        }
    }
}

/// An object has come into memory that takes so many bytes as it is stored.
pub(super) fn count_stored(bytes: usize) {
    KEPT.stored.fetch_add(bytes, Relaxed);
}

/// It has gone.
pub(super) fn discount_stored(bytes: usize) {
    KEPT.stored.fetch_sub(bytes, Relaxed);
}

/// What all objects take as they are stored.
pub(super) fn stored() -> usize {
    KEPT.stored.load(Relaxed)
}

/// Packed JSON.
pub(super) struct Packed {
    bytes: Box<[u8]>,
    plain_len: usize,
}

impl Packed {
    /// Packs the JSON of an object, if there is room and it is worth it.
    pub(super) fn new(object: &Arc<Cached>, plain: &[u8]) -> Option<Self> {
        // Before it is packed this is a guess; it is not packed for nothing.
        if KEPT.room() < plain.len() / 3 {
            KEPT.turn_away();
            return None;
        }
        let bytes = lz4_flex::block::compress(plain);
        if bytes.len() * 100 > plain.len() * WORTH_PERCENT || bytes.len() > KEPT.room() {
            return None;
        }
        KEPT.packed.fetch_add(bytes.len(), Relaxed);
        KEPT.count.fetch_add(1, Relaxed);
        KEPT.enter(object);
        Some(Packed {
            bytes: bytes.into(),
            plain_len: plain.len(),
        })
    }

    /// Appends what was packed.
    pub(super) fn unpack(&self, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        out.resize(start + self.plain_len, 0);
        let unpacked = lz4_flex::block::decompress_into(&self.bytes, &mut out[start..]);
        unpacked.map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        KEPT.packed.fetch_sub(self.bytes.len(), Relaxed);
        KEPT.count.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_a_part_of_what_is_stored_and_has_an_end() {
        let kept = Kept::new();
        assert_eq!(kept.room(), 0);
        kept.stored.store(1000, Relaxed);
        assert_eq!(kept.room(), 1000 / PART_OF_STORED);
        kept.packed.store(1000 / PART_OF_STORED - 1, Relaxed);
        assert_eq!(kept.room(), 1);
        // What was stored has gone, what was packed of it not yet.
        kept.stored.store(0, Relaxed);
        assert_eq!(kept.room(), 0);
        kept.stored.store(usize::MAX, Relaxed);
        kept.packed.store(0, Relaxed);
        assert_eq!(kept.room(), MOST_BYTES);
    }
}
