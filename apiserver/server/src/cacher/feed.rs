//! The one task that keeps the caches level with the store: loads what is there, then follows every change in order.

use super::frames::Frames;
use super::{Cached, Cacher, Event, Kind, ResourceCache, Snapshot};
use crate::storage::ROOT;
use imbl::OrdMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_kv::{Error, Revision, Store};

/// Entries read from the store at a time while loading.
const LOAD_CHUNK: usize = 1000;

pub(crate) struct Feed {
    cacher: Arc<Cacher>,
    watch: triad_kv::Watch,
}

impl Feed {
    /// Fills the caches with the store's present state; returns the feed that must then run.
    pub(crate) fn load(cacher: Arc<Cacher>) -> Result<Self, Error> {
        let store = cacher.store.clone();
        let revision = store.revision();
        let watch = store.watch(ROOT.as_bytes(), revision)?;
        for cache in &cacher.resources {
            load_resource(cache, &store, revision)?;
        }
        cacher.progress.send_replace(revision);
        Ok(Feed { cacher, watch })
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

fn load_resource(cache: &ResourceCache, store: &Store, revision: Revision) -> Result<(), Error> {
    let prefix = cache.layout.prefix.as_bytes();
    let end = triad_kv::prefix_end(prefix);
    let mut start = prefix.to_vec();
    let mut objects = OrdMap::new();
    loop {
        let range = store.range(&start, &end, Some(revision), LOAD_CHUNK)?;
        for entry in &range.entries {
            match Cached::new(&cache.layout, entry) {
                Ok(cached) => {
                    objects.insert(cached.key.clone(), Arc::new(cached));
                }
                Err(error) => report(&entry.key, &error),
            }
        }
        match range.entries.last() {
            Some(last) if range.more => {
                start = last.key.to_vec();
                start.push(0);
            }
            _ => break,
        }
    }
    cache.ring.write().complete_after = revision;
    cache
        .snapshot
        .store(Arc::new(Snapshot { revision, objects }));
    Ok(())
}

/// Puts a batch into the caches: first the snapshot, then the ring, then the signal.
fn apply(cacher: &Cacher, batch: triad_kv::Batch) {
    let mut per_cache: BTreeMap<&str, (&Arc<ResourceCache>, Vec<triad_kv::Event>)> =
        BTreeMap::new();
    for event in batch.events {
        let Ok(key) = std::str::from_utf8(&event.key) else {
            continue;
        };
        if let Some(cache) = cacher.owner(key) {
            per_cache
                .entry(cache.layout.prefix.as_str())
                .or_insert_with(|| (cache, Vec::new()))
                .1
                .push(event);
        }
    }
    for (cache, events) in per_cache.into_values() {
        apply_to(cache, events);
    }
}

fn apply_to(cache: &ResourceCache, events: Vec<triad_kv::Event>) {
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
    {
        let mut ring = cache.ring.write();
        published.into_iter().for_each(|event| ring.push(event));
    }
    cache.sleepers.wake_all();
}

fn change(
    cache: &ResourceCache,
    objects: &mut OrdMap<Arc<str>, Arc<Cached>>,
    event: triad_kv::Event,
) -> Option<Event> {
    let key = std::str::from_utf8(&event.key).ok()?;
    let previous = objects.get(key).cloned();
    match event.entry {
        Some(entry) => {
            let object = decoded(cache, &entry)?;
            objects.insert(object.key.clone(), object.clone());
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
            let object = last_state(cache, &event.previous?, event.revision)?;
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

/// Builds an event from the store's own record, for watchers that stand before the ring.
pub(super) fn historic(cache: &ResourceCache, event: triad_kv::Event) -> Option<Arc<Event>> {
    let previous = event
        .previous
        .as_ref()
        .and_then(|entry| decoded(cache, entry));
    let event = match event.entry {
        Some(entry) => Event {
            revision: event.revision,
            kind: Kind::Put,
            object: decoded(cache, &entry)?,
            previous,
            frames: Frames::default(),
        },
        None => Event {
            revision: event.revision,
            kind: Kind::Delete,
            object: last_state(cache, &event.previous?, event.revision)?,
            previous,
            frames: Frames::default(),
        },
    };
    Some(Arc::new(event))
}

/// A deleted object is shown as it last was, with the revision of its deletion.
fn last_state(
    cache: &ResourceCache,
    last: &triad_kv::Entry,
    deleted: Revision,
) -> Option<Arc<Cached>> {
    decoded(
        cache,
        &triad_kv::Entry {
            mod_revision: deleted,
            ..last.clone()
        },
    )
}

fn decoded(cache: &ResourceCache, entry: &triad_kv::Entry) -> Option<Arc<Cached>> {
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
