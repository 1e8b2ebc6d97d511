//! The one task that keeps the caches level with the store: loads what is there, then follows every change in order.

use super::adopted::Wish;
use super::frames::Frames;
use super::{Cached, Cacher, Event, Held, Kind, Objects, ResourceCache, Snapshot};
use crate::storage::{Layout, ROOT};
use imbl::OrdMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{TrySendError, sync_channel};
use tokio::sync::mpsc;
use triad_kv::{Entry, Error, Revision, Store};

/// Entries read from the store at a time while loading.
const LOAD_CHUNK: usize = 500;
/// How many times as many may wait for another thread to make cached objects of them; then the reader does so.
const LOAD_AHEAD: usize = 4;

pub(crate) struct Feed {
    cacher: Arc<Cacher>,
    watch: triad_kv::Watch,
    wishes: Option<mpsc::Receiver<Wish>>,
}

impl Feed {
    /// Fills the caches with the store's present state; returns the feed that must then run.
    pub(crate) fn load(cacher: Arc<Cacher>) -> Result<Self, Error> {
        let store = cacher.store.clone();
        let revision = store.revision();
        let watch = store.watch(ROOT.as_bytes(), revision)?;
        load(&cacher, &store, revision)?;
        cacher.progress.send_replace(revision);
        let wishes = cacher.adopted.queue();
        Ok(Feed {
            cacher,
            watch,
            wishes,
        })
    }

    /// Follows the store until it closes.
    pub(crate) async fn run(mut self) -> Error {
        let position = self.watch.progress_handle();
        loop {
            let beyond = self.cacher.progress().next();
            let followed = tokio::select! {
                biased;
                batch = self.watch.next() => batch.map(|batch| {
                    let progress = batch.revision.max(self.watch.progress());
                    apply(&self.cacher, batch);
                    progress
                }),
                wish = wished(&mut self.wishes) => {
                    let (cacher, at) = (&self.cacher, self.cacher.progress());
                    tokio::task::block_in_place(|| cacher.fulfil(wish, at));
                    continue;
                }
                // The store has gone on with something that is no object: readers of its newest revision wait for that too.
                reached = position.reached(beyond) => reached.map(|()| position.complete_up_to()),
            };
            match followed {
                Ok(progress) => drop(self.cacher.progress.send_replace(progress)),
                Err(error) => return error,
            }
        }
    }
}

/// The next wish for a cache.
async fn wished(wishes: &mut Option<mpsc::Receiver<Wish>>) -> Wish {
    let wish = match wishes {
        Some(wishes) => wishes.recv().await,
        None => None,
    };
    match wish {
        Some(wish) => wish,
        None => std::future::pending().await,
    }
}

/// The objects of one resource at a revision, read here.
pub(super) fn objects_at(layout: &Layout, store: &Store, at: Revision) -> Result<Objects, Error> {
    let mut objects = OrdMap::new();
    read_range(layout, store, at, |entries| {
        for entry in &entries {
            match Cached::new(layout, entry) {
                Ok(cached) => drop(objects.insert(cached.key.clone(), Held::new(Arc::new(cached)))),
                Err(error) => report(&entry.key, &error),
            }
        }
    })?;
    Ok(objects)
}

/// Reads all resources here. Cached objects are made of what was read by a thread for each further core, and here as well whenever
/// they do not keep up, and in the end.
fn load(cacher: &Cacher, store: &Store, revision: Revision) -> Result<(), Error> {
    let made = Mutex::new(Vec::new());
    let (hand_over, parts) = sync_channel::<Part>(LOAD_AHEAD);
    let parts = Mutex::new(parts);
    let help = || {
        loop {
            let part = parts.lock().recv();
            let Ok(part) = part else { return };
            let objects = make(cacher, &part);
            made.lock().push((part.place, objects));
        }
    };
    let helpers = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let read = std::thread::scope(|scope| {
        (0..helpers).for_each(|_| drop(scope.spawn(help)));
        let read = read_all(cacher, store, revision, |part| {
            match hand_over.try_send(part) {
                Ok(()) => {}
                Err(TrySendError::Full(part) | TrySendError::Disconnected(part)) => {
                    let objects = make(cacher, &part);
                    made.lock().push((part.place, objects));
                }
            }
        });
        drop(hand_over);
        help();
        read
    });
    read?;
    begin(cacher, revision, made.into_inner());
    Ok(())
}

/// Some of a resource's objects as they are stored, in the order of their keys.
struct Part {
    place: Place,
    entries: Vec<Entry>,
}

/// Where a part belongs: its resource's place among all, and its own number.
type Place = (usize, usize);

fn read_all(
    cacher: &Cacher,
    store: &Store,
    revision: Revision,
    mut take: impl FnMut(Part),
) -> Result<(), Error> {
    let mut number = 0;
    let layouts = cacher.resources.iter().map(|cache| &cache.layout);
    for (resource, layout) in layouts.enumerate() {
        read_range(layout, store, revision, |entries| {
            take(Part {
                place: (resource, number),
                entries,
            });
            number += 1;
        })?;
    }
    Ok(())
}

/// Reads one resource, some objects at a time.
fn read_range(
    layout: &Layout,
    store: &Store,
    revision: Revision,
    mut take: impl FnMut(Vec<Entry>),
) -> Result<(), Error> {
    let end = triad_kv::prefix_end(layout.prefix.as_bytes());
    let mut start = Some(layout.prefix.as_bytes().to_vec());
    while let Some(from) = start {
        let range = store.range(&from, &end, Some(revision), LOAD_CHUNK)?;
        let last = range.entries.last().filter(|_| range.more);
        start = last.map(|last| [&last.key[..], &[0]].concat());
        take(range.entries);
    }
    Ok(())
}

fn make(cacher: &Cacher, part: &Part) -> Vec<Arc<Cached>> {
    let layout = &cacher.resources[part.place.0].layout;
    let cached = |entry| match Cached::new(layout, entry) {
        Ok(cached) => Some(Arc::new(cached)),
        Err(error) => {
            report(&entry.key, &error);
            None
        }
    };
    part.entries.iter().filter_map(cached).collect()
}

/// Lets every resource begin with its objects.
fn begin(cacher: &Cacher, revision: Revision, mut made: Vec<(Place, Vec<Arc<Cached>>)>) {
    made.sort_by_key(|(place, _)| *place);
    let mut made = made.into_iter().peekable();
    for (resource, cache) in cacher.resources.iter().enumerate() {
        let mut objects = OrdMap::new();
        while let Some((_, part)) = made.next_if(|(place, _)| place.0 == resource) {
            let held = |object: Arc<Cached>| (object.key.clone(), Held::new(object));
            objects.extend(part.into_iter().map(held));
        }
        cache.begin(revision, objects);
    }
}

/// Puts a batch into the caches: first the snapshot, then the ring, then the signal.
pub(crate) fn apply(cacher: &Cacher, batch: triad_kv::Batch) {
    // A batch is about few resources.
    let mut per_cache: Vec<(Arc<ResourceCache>, Vec<triad_kv::Event>)> = Vec::new();
    for event in batch.events {
        let Ok(key) = std::str::from_utf8(&event.key) else {
            continue;
        };
        let Some(cache) = cacher.owner(key) else {
            continue;
        };
        let known = |(known, _): &&mut (Arc<ResourceCache>, _)| Arc::ptr_eq(known, &cache);
        match per_cache.iter_mut().rev().find(known) {
            Some((_, events)) => events.push(event),
            None => per_cache.push((cache, vec![event])),
        }
    }
    for (cache, events) in per_cache {
        let (before, after) = apply_to(&cache, events);
        cacher.ring_changed(before, after);
    }
}

/// What the ring held before and holds after it is returned.
fn apply_to(cache: &ResourceCache, events: Vec<triad_kv::Event>) -> (usize, usize) {
    let before = cache.snapshot();
    let mut objects = before.objects.clone();
    let mut revision = before.revision;
    let mut published = Vec::with_capacity(events.len());
    for event in events {
        revision = event.revision;
        if let Some(event) = change(cache, &mut objects, event) {
            published.push(Arc::new(event));
        }
    }
    cache
        .snapshot
        .store(Arc::new(Snapshot { revision, objects }));
    let held = {
        let mut ring = cache.ring.write();
        let before = ring.bytes();
        published.into_iter().for_each(|event| ring.push(event));
        (before, ring.bytes())
    };
    cache.sleepers.wake_all();
    held
}

fn change(cache: &ResourceCache, objects: &mut Objects, event: triad_kv::Event) -> Option<Event> {
    let key = std::str::from_utf8(&event.key).ok()?;
    let previous = objects.get(key).map(|held| held.object.clone());
    match event.entry {
        Some(entry) => {
            let object = match cache.prepared.take(&entry) {
                Some(prepared) => Arc::new(prepared),
                None => decoded(cache, &entry)?,
            };
            objects.insert(object.key.clone(), Held::new(object.clone()));
            Some(Event {
                revision: event.revision,
                kind: Kind::Put,
                object,
                previous,
                frames: Frames::default(),
            })
        }
        None => {
            let previous = previous?;
            objects.remove(key);
            let last = event.deleted?;
            let object = match previous.moved(&last, event.revision) {
                Some(moved) => Arc::new(moved),
                None => last_state(cache, &last, event.revision)?,
            };
            Some(Event {
                revision: event.revision,
                kind: Kind::Delete,
                object,
                previous: Some(previous),
                frames: Frames::default(),
            })
        }
    }
}

/// Builds an event from the store's own record, for watchers that stand before the ring; `None` when it does not decode.
///
/// # Errors
/// `Compacted` when what the object was before has been given up meanwhile.
pub(super) fn historic(
    cache: &ResourceCache,
    store: &Store,
    event: triad_kv::Event,
) -> Result<Option<Arc<Event>>, triad_kv::Error> {
    let before = match (&event.deleted, event.previous) {
        (Some(deleted), _) => Some(deleted.clone()),
        (None, Some(_)) => store.get(&event.key, Some(Revision(event.revision.0 - 1)))?,
        (None, None) => None,
    };
    let (kind, object) = match (&event.entry, &event.deleted) {
        (Some(entry), _) => (Kind::Put, decoded(cache, entry)),
        (None, Some(last)) => (Kind::Delete, last_state(cache, last, event.revision)),
        (None, None) => return Ok(None),
    };
    let event = object.map(|object| Event {
        revision: event.revision,
        kind,
        object,
        previous: before.and_then(|entry| decoded(cache, &entry)),
        frames: Frames::default(),
    });
    Ok(event.map(Arc::new))
}

/// A deleted object is shown as it last was, with the revision of its deletion.
fn last_state(cache: &ResourceCache, last: &Entry, deleted: Revision) -> Option<Arc<Cached>> {
    decoded(
        cache,
        &Entry {
            mod_revision: deleted,
            ..last.clone()
        },
    )
}

fn decoded(cache: &ResourceCache, entry: &Entry) -> Option<Arc<Cached>> {
    match Cached::new(&cache.layout, entry) {
        Ok(cached) => Some(Arc::new(cached)),
        Err(error) => {
            report(&entry.key, &error);
            None
        }
    }
}

fn report(key: &[u8], error: &str) {
    tracing::error!(key = %String::from_utf8_lossy(key), error, "a stored object cannot be decoded; it is left out of lists and watches, delete it by name or restore it from a backup");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint;
    use std::time::Duration;
    use triad_kv::{Change, StoreOptions, Txn, TxnOutcome};

    async fn write(store: &Store, key: &'static str) -> Revision {
        let put = Change::Put {
            key: key.into(),
            value: "x".into(),
            ttl_seconds: None,
        };
        let txn = Txn {
            compares: Vec::new(),
            changes: vec![put],
        };
        match store.txn(txn).await.unwrap() {
            TxnOutcome::Committed { revision } => revision,
            TxnOutcome::Conflict { .. } => panic!("there was nothing to compare"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_beside_the_objects_keeps_no_reader_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path(), "a"))
            .await
            .unwrap();
        let cacher = Arc::new(Cacher::new(store.clone(), endpoint::layouts()));
        let feed = tokio::spawn(Feed::load(cacher.clone()).unwrap().run());
        for key in [
            "/registry/ranges/nodeports/1",
            "/triad/tokens/a",
            "/triad/tokens/b",
        ] {
            let written = write(&store, key).await;
            let caught_up = tokio::time::timeout(Duration::from_secs(60), cacher.wait_for(written));
            caught_up.await.expect(key);
            assert!(cacher.progress() >= written);
        }
        store.shutdown().await;
        let ended = tokio::time::timeout(Duration::from_secs(60), feed).await;
        assert!(matches!(ended.unwrap().unwrap(), Error::Closed));
    }
}
