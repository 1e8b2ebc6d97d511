//! The watch cache: an immutable, ordered map of encoded objects per resource, kept level with the store by one feed.
//!
//! Readers take a snapshot (an Arc) and walk it without a lock; watchers hold a cursor into one shared ring of events.
//! Nothing here decides who may read, and nothing is written: the store is the truth, the cache follows it.

mod adopted;
pub(crate) mod blocks;
mod cached;
pub(crate) mod feed;
mod fields;
mod frames;
mod header;
mod lineage;
mod marks;
mod packed;
mod prepared;
mod ring;
mod sleepers;
mod texts;
mod watch;

pub(crate) use cached::Cached;
pub(crate) use feed::Feed;
pub(crate) use frames::{Seen, put as put_event};
pub(crate) use lineage::{FOREGROUND, Lineage, ORPHAN, Owner};
pub(crate) use marks::{Held, Marks};
pub(crate) use prepared::Preparation;
pub(crate) use ring::{Event, Kind};
pub(crate) use watch::{CacheWatch, WatchError};

use crate::storage::Layout;
use adopted::Adopted;
use arc_swap::ArcSwap;
use blocks::Blocks;
use imbl::OrdMap;
use parking_lot::RwLock;
use prepared::Prepared;
use ring::Ring;
use sleepers::Sleepers;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::watch as signal;
use triad_kv::{Revision, Store};

/// Objects by their keys.
pub(crate) type Objects = OrdMap<Arc<str>, Held>;

/// One resource's objects at one moment, ordered by key.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// The last change to this resource that is in the map.
    pub(crate) revision: Revision,
    pub(crate) objects: Objects,
}

impl Snapshot {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Cached>> {
        self.objects.values().map(|held| &held.object)
    }

    /// The objects whose key starts with `prefix`, in key order, from behind `after` on.
    pub(crate) fn range<'a>(
        &'a self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Cached>> {
        self.held(prefix, after).map(|held| &held.object)
    }

    /// The same with what tells at a glance that an object is not one that is wanted.
    pub(crate) fn held<'a>(
        &'a self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Held> {
        let from = match after {
            Some(after) => Bound::Excluded(Arc::from(after)),
            None => Bound::Included(Arc::from(prefix)),
        };
        let end = behind(prefix).map_or(Bound::Unbounded, |end| Bound::Excluded(end.into()));
        // A place behind the prefix would make a range of nothing, which the map does not take.
        let some = after.is_none_or(|after| after.starts_with(prefix));
        let range = some.then(|| self.objects.range::<_, Arc<str>>((from, end)));
        range.into_iter().flatten().map(|(_, held)| held)
    }
}

/// The cache of one stored resource (whatever versions it is served in).
pub(crate) struct ResourceCache {
    pub(crate) layout: Layout,
    snapshot: ArcSwap<Snapshot>,
    ring: RwLock<Ring>,
    /// The newest revision that a handler of this member has written; see `is_level`.
    written: AtomicU64,
    /// What handlers have read off what they are writing.
    prepared: Prepared,
    /// Parts of lists in gzip.
    pub(crate) blocks: Blocks,
    /// Watchers that have seen all of the ring.
    sleepers: Sleepers,
    /// The resource is no longer served: watches end.
    over: AtomicBool,
}

impl ResourceCache {
    fn new(layout: Layout) -> Self {
        ResourceCache {
            layout,
            snapshot: ArcSwap::from_pointee(Snapshot {
                revision: Revision(0),
                objects: OrdMap::new(),
            }),
            ring: RwLock::new(Ring::new()),
            written: AtomicU64::new(0),
            prepared: Prepared::default(),
            blocks: Blocks::default(),
            sleepers: Sleepers::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Begins with what the store held at a revision.
    fn begin(&self, revision: Revision, objects: Objects) {
        self.ring.write().complete_after = revision;
        self.snapshot
            .store(Arc::new(Snapshot { revision, objects }));
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// A handler of this member has written an object of this resource. Called before the write is answered.
    pub(crate) fn wrote(&self, revision: Revision) {
        self.written.fetch_max(revision.0, Ordering::AcqRel);
    }

    /// Whether a snapshot shows all that handlers of this member have written and answered.
    pub(crate) fn is_level(&self, snapshot: &Snapshot) -> bool {
        snapshot.revision.0 >= self.written.load(Ordering::Acquire)
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Cached>> {
        let held = self.snapshot.load().objects.get(key).cloned()?;
        Some(held.object)
    }

    /// The keys of what changed after a revision; None when not all changes are in the ring.
    pub(crate) fn keys_after(&self, after: Revision) -> Option<BTreeSet<Arc<str>>> {
        let events = self.events_after(after)?;
        Some(
            events
                .iter()
                .map(|event| event.object.key.clone())
                .collect(),
        )
    }

    /// Every change after a revision, for who asks now and then instead of watching; None when not all are in the ring.
    pub(crate) fn events_after(&self, after: Revision) -> Option<VecDeque<Arc<Event>>> {
        let (ring, mut events) = (self.ring.read(), VecDeque::new());
        ring.read(ring.position(after)?, usize::MAX, &mut events)?;
        Some(events)
    }
}

/// About how many bytes of recent events are kept in memory, of all resources together.
pub(crate) const RING_BYTES: usize = 64 << 20;
/// What part of it is made free whenever it is full.
const SPARE: usize = 64;

/// All resource caches and how far they are.
pub(crate) struct Cacher {
    store: Store,
    resources: Vec<Arc<ResourceCache>>,
    /// Those of custom resources, which come and go.
    adopted: Adopted,
    /// Every change up to this revision is in the caches.
    progress: signal::Sender<Revision>,
    /// What the rings of all resources may hold,
    ring_bytes: usize,
    /// and what they hold; those that were let go count until all are counted anew. Only the feed changes this.
    rings_hold: AtomicUsize,
}

impl Cacher {
    pub(crate) fn new(store: Store, layouts: impl IntoIterator<Item = Layout>) -> Self {
        let mut resources: Vec<_> = layouts
            .into_iter()
            .map(|layout| Arc::new(ResourceCache::new(layout)))
            .collect();
        resources.sort_by(|a, b| a.layout.prefix.cmp(&b.layout.prefix));
        Cacher {
            store,
            resources,
            adopted: Adopted::default(),
            progress: signal::channel(Revision(0)).0,
            ring_bytes: RING_BYTES,
            rings_hold: AtomicUsize::new(0),
        }
    }

    /// With another bound for the rings.
    pub(crate) fn with_ring_bytes(self, ring_bytes: usize) -> Self {
        Cacher { ring_bytes, ..self }
    }

    /// A resource's ring has grown, or lost old events for new ones. Keeps all rings within their bytes.
    fn ring_changed(&self, before: usize, after: usize) {
        let grown = after.wrapping_sub(before);
        let held = self.rings_hold.fetch_add(grown, Ordering::Relaxed);
        if held.wrapping_add(grown) > self.ring_bytes {
            self.bound_rings();
        }
    }

    /// The largest rings give: one busy resource costs the quiet ones nothing. Somewhat more goes than must, so that not every change
    /// looks at all rings.
    fn bound_rings(&self) {
        let adopted = self.adopted.all();
        let all = || self.resources.iter().chain(adopted.values());
        let sizes = all().map(|cache| cache.ring.read().bytes());
        let level = ring::level(sizes.collect(), self.ring_bytes - self.ring_bytes / SPARE);
        let keep = |cache: &Arc<ResourceCache>| cache.ring.write().keep(level);
        let held = all().map(keep).sum();
        self.rings_hold.store(held, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> Revision {
        *self.progress.borrow()
    }

    /// The cache that owns a key. A key's prefix ends in `/`, so no resource can shadow another.
    pub(crate) fn owner(&self, key: &str) -> Option<Arc<ResourceCache>> {
        let built_in = owner_among(&self.resources, key).cloned();
        built_in.or_else(|| self.adopted.owner(key))
    }

    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<&Arc<ResourceCache>> {
        self.resources
            .iter()
            .find(|cache| cache.layout.prefix == prefix)
    }

    /// Has every watch looked at again, though nothing changed: its end has come, say.
    pub(crate) fn wake_watches(&self) {
        for cache in self.resources.iter().chain(self.adopted.all().values()) {
            cache.sleepers.wake_all();
        }
    }

    /// Waits until the caches hold every change up to `revision`.
    pub(crate) async fn wait_for(&self, revision: Revision) {
        let mut receiver = self.progress.subscribe();
        // The sender lives as long as self, so this ends only by success.
        let _ = receiver.wait_for(|progress| *progress >= revision).await;
    }

    /// After it returns, a cache shows all that this member has written into its resource.
    pub(crate) async fn level(&self, cache: &ResourceCache) {
        self.wait_for(Revision(cache.written.load(Ordering::Acquire)))
            .await;
    }

    /// After it returns, snapshots show every write acknowledged before it was called.
    pub(crate) async fn barrier(&self) -> Result<Revision, triad_kv::Error> {
        let revision = self.store.read_barrier().await?;
        self.wait_for(revision).await;
        Ok(revision)
    }

    /// A consistent view of one resource: the snapshot and the revision that a watch may go on from.
    pub(crate) fn view(&self, cache: &ResourceCache) -> (Revision, Arc<Snapshot>) {
        let progress = self.progress();
        let snapshot = cache.snapshot();
        (progress.max(snapshot.revision), snapshot)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

/// The first text behind all that begin with a prefix: None where there is none.
fn behind(prefix: &str) -> Option<String> {
    let mut kept = prefix.trim_end_matches(char::MAX).to_owned();
    let last = kept.pop()?;
    // There are no characters between D7FF and E000.
    let next = (u32::from(last) + 1..).find_map(char::from_u32)?;
    kept.push(next);
    Some(kept)
}

/// The cache that owns a key, among caches in the order of their prefixes.
fn owner_among<'a>(caches: &'a [Arc<ResourceCache>], key: &str) -> Option<&'a Arc<ResourceCache>> {
    let at = caches.partition_point(|cache| cache.layout.prefix.as_str() <= key);
    let at = at.checked_sub(1)?;
    Some(&caches[at]).filter(|cache| key.starts_with(cache.layout.prefix.as_str()))
}

#[cfg(test)]
pub(crate) mod tests;
