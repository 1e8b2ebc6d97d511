//! Caches of custom resources: they are taken in while the feed runs, and let go when their definition goes. Only the feed takes
//! them in, between two batches, so that a cache begins exactly where its first event comes after.

use super::{Cacher, ResourceCache, feed};
use crate::storage::Layout;
use arc_swap::ArcSwap;
use imbl::OrdMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};
use triad_kv::{Error, Revision};

/// Wishes that may wait for the feed; who has another waits, too.
const QUEUE: usize = 16;

type Caches = Vec<Arc<ResourceCache>>;

/// New caches that somebody waits for.
pub(super) struct Wish {
    layouts: Vec<Layout>,
    answer: oneshot::Sender<Result<Caches, Error>>,
}

pub(super) struct Adopted {
    /// By their prefixes. There may be tens of thousands, and one more costs no copy of all.
    caches: ArcSwap<OrdMap<String, Arc<ResourceCache>>>,
    wishes: mpsc::Sender<Wish>,
    /// Taken by the feed.
    queue: Mutex<Option<mpsc::Receiver<Wish>>>,
}

impl Default for Adopted {
    fn default() -> Self {
        let (wishes, queue) = mpsc::channel(QUEUE);
        Adopted {
            caches: ArcSwap::default(),
            wishes,
            queue: Mutex::new(Some(queue)),
        }
    }
}

impl Adopted {
    /// All at one moment.
    pub(super) fn all(&self) -> OrdMap<String, Arc<ResourceCache>> {
        OrdMap::clone(&self.caches.load())
    }

    /// The cache that owns a key.
    pub(super) fn owner(&self, key: &str) -> Option<Arc<ResourceCache>> {
        let caches = self.caches.load();
        let (prefix, cache) = caches.get_prev(key)?;
        key.starts_with(prefix.as_str()).then(|| cache.clone())
    }

    pub(super) fn queue(&self) -> Option<mpsc::Receiver<Wish>> {
        self.queue.lock().take()
    }
}

impl Cacher {
    /// Caches of further resources, filled and level with the others; in the order of the layouts.
    pub(crate) async fn adopt(&self, layouts: Vec<Layout>) -> Result<Caches, Error> {
        let (answer, answered) = oneshot::channel();
        let wish = Wish { layouts, answer };
        if self.adopted.wishes.send(wish).await.is_err() {
            return Err(Error::Closed);
        }
        answered.await.unwrap_or(Err(Error::Closed))
    }

    /// Lets a cache go; its watches end.
    pub(crate) fn forget(&self, cache: &Arc<ResourceCache>) {
        let prefix = &cache.layout.prefix;
        self.adopted.caches.rcu(|all| {
            let mut all = OrdMap::clone(all);
            // A new one may have taken its place.
            if all
                .get(prefix)
                .is_some_and(|known| Arc::ptr_eq(known, cache))
            {
                all.remove(prefix);
            }
            all
        });
        cache.over.store(true, Ordering::Release);
        cache.sleepers.wake_all();
    }

    /// Fulfils a wish at the revision that all other caches are at. Called by the feed alone.
    pub(super) fn fulfil(&self, wish: Wish, at: Revision) {
        let fill = |layout: Layout| {
            let cache = Arc::new(ResourceCache::new(layout));
            let objects = feed::objects_at(&cache.layout, &self.store, at)?;
            cache.begin(at, objects);
            Ok(cache)
        };
        let filled: Result<Caches, Error> = wish.layouts.into_iter().map(fill).collect();
        if let Ok(new) = &filled {
            self.adopted.caches.rcu(|all| {
                let mut all = OrdMap::clone(all);
                let new = new.iter();
                all.extend(new.map(|cache| (cache.layout.prefix.clone(), cache.clone())));
                all
            });
        }
        // Whoever asked may have gone: then the caches go with the answer.
        if let Err(Ok(unwanted)) = wish.answer.send(filled) {
            unwanted.iter().for_each(|cache| self.forget(cache));
        }
    }
}
