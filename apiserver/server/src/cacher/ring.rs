//! The shared ring of one resource's latest events. Watchers hold a sequence number, never a queue.

use super::frames::Frames;
use crate::cacher::Cached;
use std::collections::VecDeque;
use std::sync::Arc;
use triad_kv::Revision;

/// Events kept in memory per resource. When full, the oldest goes: a watcher that stands before it is served from
/// the store instead. What bounds their bytes is `Cacher::bound_rings`, over all resources.
const RING_EVENTS: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Delete,
}

/// One change: the object after it (before it, for a deletion, with the deletion's revision) and the object before.
pub(crate) struct Event {
    pub(crate) revision: Revision,
    pub(crate) kind: Kind,
    pub(crate) object: Arc<Cached>,
    pub(crate) previous: Option<Arc<Cached>>,
    pub(super) frames: Frames,
}

impl Event {
    /// About what it holds in memory: the object, and what it looks like to watchers.
    fn weight(&self) -> usize {
        512 + 3 * self.object.stored_len()
    }
}

pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    /// The sum of their weights.
    bytes: usize,
    /// The sequence number of the first event in the ring.
    first: u64,
    /// Every event with a revision above this one is in the ring.
    pub(super) complete_after: Revision,
}

impl Ring {
    pub(super) fn new() -> Self {
        Ring {
            events: VecDeque::new(),
            bytes: 0,
            first: 0,
            complete_after: Revision(0),
        }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.weight();
        while self.events.len() >= RING_EVENTS {
            self.drop_oldest();
        }
        self.events.push_back(event);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops the oldest events until at most so many bytes are left; how many are.
    pub(super) fn keep(&mut self, bytes: usize) -> usize {
        while self.bytes > bytes {
            self.drop_oldest();
        }
        self.bytes
    }

    /// Drops the oldest event and the rest of its transaction, so that the ring never starts inside one.
    fn drop_oldest(&mut self) {
        let Some(oldest) = self.events.front().map(|event| event.revision) else {
            return;
        };
        while self
            .events
            .front()
            .is_some_and(|event| event.revision == oldest)
        {
            let gone = self.events.pop_front();
            self.bytes -= gone.map_or(0, |event| event.weight());
            self.first += 1;
        }
        self.complete_after = oldest;
    }

    /// The sequence number of the first event after a revision; None when it is no longer in the ring.
    pub(super) fn position(&self, after: Revision) -> Option<u64> {
        (after >= self.complete_after).then(|| {
            self.first + self.events.partition_point(|event| event.revision <= after) as u64
        })
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Appends up to `limit` events from a sequence number on and says how many; None when the ring has moved past it.
    pub(super) fn read(
        &self,
        from: u64,
        limit: usize,
        out: &mut VecDeque<Arc<Event>>,
    ) -> Option<usize> {
        let skip = from.checked_sub(self.first)? as usize;
        let end = self.events.len().min(skip.saturating_add(limit));
        let skip = skip.min(end);
        out.extend(self.events.range(skip..end).cloned());
        Some(end - skip)
    }
}

/// How much each ring may keep when all of them, of these sizes, are to keep within `most` bytes. Those that have less keep it all.
pub(super) fn level(mut sizes: Vec<usize>, most: usize) -> usize {
    sizes.sort_unstable();
    let (mut rest, mut rings) = (most, sizes.len());
    for size in sizes {
        if size > rest / rings {
            return rest / rings;
        }
        rest -= size;
        rings -= 1;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_give() {
        assert_eq!(level(vec![10, 0, 90, 5], 60), 45);
        assert_eq!(level(vec![50, 10, 50], 60), 25);
        assert_eq!(level(vec![7; 9], 3), 0);
        assert_eq!(level(vec![1, 2, 3], 6), 6);
        assert_eq!(level(Vec::new(), 6), 6);
    }

    proptest! {
        /// All together stay within the bound, and none gives before a larger one has come down to it.
        #[test]
        fn all_keep_within_what_they_may(sizes in prop::collection::vec(0..1000usize, 0..90), most in 0..20_000usize) {
            let level = level(sizes.clone(), most);
            let kept: usize = sizes.iter().map(|size| (*size).min(level)).sum();
            prop_assert!(kept <= most);
            // No more goes than must, but for what does not divide.
            let gone = sizes.iter().sum::<usize>() - kept;
            prop_assert!(gone == 0 || most - kept < sizes.len());
        }
    }
}
