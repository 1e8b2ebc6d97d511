//! A cacher to try things on, and changes as the store tells of them.

use super::{layout, stored};
use crate::cacher::{Cacher, Feed, ResourceCache};
use crate::endpoint::layouts;
use serde_json::json;
use std::sync::Arc;
use triad_kv::{Batch, Entry, Event, Revision, Store, StoreOptions};

/// A cacher over an empty store that nothing follows: changes are what a test applies.
pub(crate) struct Bed {
    pub(crate) cacher: Arc<Cacher>,
    _dir: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Bed {
    pub(crate) fn new(ring_bytes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = runtime.block_on(Store::open(StoreOptions::new(dir.path(), "a")));
        let cacher = Cacher::new(store.unwrap(), layouts()).with_ring_bytes(ring_bytes);
        Bed {
            cacher: Arc::new(cacher),
            _dir: dir,
            runtime,
        }
    }

    pub(crate) fn cache(&self, plural: &str) -> &Arc<ResourceCache> {
        let prefix = layout(plural).prefix;
        self.cacher.by_prefix(&prefix).expect("a resource")
    }
}

impl Bed {
    /// Has its caches follow its store, until the task ends.
    pub(crate) fn following(&self) -> tokio::task::JoinHandle<triad_kv::Error> {
        let _inside = self.runtime.enter();
        let feed = Feed::load(self.cacher.clone()).unwrap();
        self.runtime.spawn(feed.run())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.runtime.block_on(self.cacher.store().shutdown());
    }
}

pub(crate) fn entry(
    plural: &str,
    (namespace, name): (&str, &str),
    data: &str,
    revision: u64,
) -> Entry {
    let layout = layout(plural);
    let object = json!({"metadata": {"name": name, "namespace": namespace}, "data": {"k": data}});
    Entry {
        key: layout.key(namespace, name).into(),
        value: stored(&layout, &object, true),
        create_revision: Revision(revision),
        mod_revision: Revision(revision),
        version: 1,
        expires_at: None,
    }
}

pub(crate) fn event(entry: &Entry, present: bool, revision: u64) -> Event {
    let after = Entry {
        mod_revision: Revision(revision),
        ..entry.clone()
    };
    Event {
        key: entry.key.clone(),
        revision: Revision(revision),
        entry: present.then_some(after),
        deleted: (!present).then(|| entry.clone()),
        previous: Some(entry.mod_revision),
    }
}

pub(crate) fn batch(events: Vec<Event>) -> Batch {
    Batch {
        revision: events.last().map_or(Revision(0), |event| event.revision),
        events,
    }
}
