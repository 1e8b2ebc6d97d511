//! The garbage collector: deletes what has lost its last owner, and lets go of owners that wait for their dependents
//! (kubernetes pkg/controller/garbagecollector).
//!
//! The caches tell where every object is, so the only thing kept here is who refers to a uid. Whether an owner is there
//! is asked of the store before anything is deleted, and every write bears the uid and version that it was decided on.

mod changes;
mod dependents;
mod kinds;
mod owners;
mod writes;

use super::client::{Client, Target};
use super::event::Recorder;
use super::followed::Followed;
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::cacher::{Cached, FOREGROUND, Lineage, ORPHAN};
use crate::registry::{Registry, Stored};
use dependents::{Dependents, Id};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use kinds::Kinds;
use parking_lot::Mutex;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::status::{Status, reason};

/// Dependents let go at a time by one orphaning.
const ORPHAN_AT_ONCE: usize = 16;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Whether the object should go, or its wait for dependents should end.
    Examine(Id),
    /// The same for one whose references were just written and do not lead to an owner: it may be told so.
    Verify(Id),
    /// An object whose dependents are to be let go before it goes.
    Orphan(Id),
}

pub(super) struct GarbageCollector {
    followed: Followed,
    kinds: Kinds,
    /// Locked for a moment at a time, never across a wait.
    dependents: Mutex<Dependents>,
    client: Client,
    recorder: Recorder,
}

impl GarbageCollector {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        // Events own nothing, are owned by nobody and are many.
        let wanted = |registry: &Registry| &*registry.resource().plural != "events";
        let built_in = api.endpoints.built_in().iter();
        let built_in = built_in
            .filter(|registry| wanted(registry))
            .cloned()
            .collect();
        Some(GarbageCollector {
            followed: Followed::new(built_in, wanted),
            kinds: Kinds(api.clone()),
            dependents: Mutex::default(),
            client: Client::new(api),
            recorder: Recorder::new(api, "garbage-collector-controller"),
        })
    }

    fn id(&self, source: usize, object: &Cached) -> Id {
        Id {
            source,
            key: object.key.clone(),
        }
    }

    fn cached(&self, id: &Id) -> Option<Arc<Cached>> {
        self.followed.get(id.source).cache.get(&id.key)
    }

    /// The object as it is in the store, None when it is gone.
    async fn read(&self, target: Target<'_>) -> Result<Option<Stored>, Status> {
        match target.registry.get(target.namespace, target.name).await {
            Ok(stored) => Ok(Some(stored)),
            Err(status) if status.is(reason::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }
}

impl Controller for GarbageCollector {
    type Key = Key;

    fn name(&self) -> &'static str {
        "garbagecollector"
    }

    fn followed(&self) -> Option<&Followed> {
        Some(&self.followed)
    }

    fn sources(&self) -> &[Arc<Registry>] {
        self.followed.built_in()
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Key>) {
        if let (Some(before), Some(after)) = (change.before, change.after)
            && before.lineage().uid != after.lineage().uid
        {
            // Deleted and made anew between two looks of the feed.
            self.left(change.source, before, work);
            self.changed(change.source, None, after, work);
            return;
        }
        match (change.before, change.after) {
            (before, Some(after)) => self.changed(change.source, before, after, work),
            (Some(before), None) => self.left(change.source, before, work),
            (None, None) => {}
        }
    }

    async fn sync(&self, key: &Key) -> Result<Vec<Key>, Trouble> {
        match key {
            Key::Examine(id) => self.examine(id, false).await,
            Key::Verify(id) => self.examine(id, true).await,
            Key::Orphan(id) => self.orphan(id).await,
        }
    }
}

// What is done about it (garbagecollector.go, attemptToDeleteItem and attemptToOrphanWorker).
impl GarbageCollector {
    async fn examine(&self, id: &Id, verify: bool) -> Result<Vec<Key>, Trouble> {
        let registry = self.followed.get(id.source);
        let target = at(&registry, id);
        let Some(live) = self.read(target).await? else {
            return Ok(Vec::new());
        };
        let lineage = Lineage::of(&live.object);
        if lineage.deleting_dependents() {
            return self.finish_waiting(target, &live, &lineage).await;
        }
        // Being deleted is a one-way trip: its dependents are looked at when it has gone.
        if lineage.deleting || lineage.owners.is_empty() {
            return Ok(Vec::new());
        }
        let Some(sorted) = owners::sort(&self.kinds, target, &lineage)? else {
            tracing::warn!(kind = %target.registry.resource().kind, name = target.name, "a cluster-scoped object names an owner of a namespaced kind; it is not collected");
            return Ok(Vec::new());
        };
        if verify {
            self.report_foreign_owners(target, &lineage, &sorted.dangling)
                .await?;
        }
        if sorted.solid {
            if sorted.dangling.is_empty() && sorted.waiting.is_empty() {
                return Ok(Vec::new());
            }
            let gone: Vec<&str> = sorted
                .dangling
                .iter()
                .chain(&sorted.waiting)
                .copied()
                .collect();
            return self
                .drop_owners(target, &live, &gone)
                .await
                .map(|()| Vec::new());
        }
        let dependents = self.dependents_of(&lineage.uid);
        if !sorted.waiting.is_empty() && !dependents.is_empty() {
            // Two that wait for each other would wait for ever.
            if dependents
                .iter()
                .any(|(_, cached)| cached.lineage().deleting_dependents())
            {
                self.stop_blocking(target, &live).await?;
            }
            self.delete(target, &lineage, &live, "Foreground").await?;
            return Ok(Vec::new());
        }
        let has = |finalizer| meta::finalizers(&live.object).any(|f| f == finalizer);
        let policy = if has(ORPHAN) {
            "Orphan"
        } else if has(FOREGROUND) {
            "Foreground"
        } else {
            "Background"
        };
        self.delete(target, &lineage, &live, policy).await?;
        Ok(Vec::new())
    }

    /// An object that waits for its blocking dependents: goes when there are none, else they are looked at.
    async fn finish_waiting(
        &self,
        target: Target<'_>,
        live: &Stored,
        lineage: &Lineage,
    ) -> Result<Vec<Key>, Trouble> {
        let blocking: Vec<_> = self
            .dependents_of(&lineage.uid)
            .into_iter()
            .filter(|(_, cached)| {
                let mut owners = cached.lineage().owners.iter();
                owners.any(|owner| owner.uid == lineage.uid && owner.blocking)
            })
            .collect();
        if blocking.is_empty() {
            self.drop_finalizer(target, live, FOREGROUND).await?;
            return Ok(Vec::new());
        }
        let examined = blocking
            .into_iter()
            .filter(|(_, cached)| !cached.lineage().deleting_dependents());
        Ok(examined.map(|(id, _)| Key::Examine(id)).collect())
    }

    /// Lets all dependents go, then the object.
    async fn orphan(&self, id: &Id) -> Result<Vec<Key>, Trouble> {
        let registry = self.followed.get(id.source);
        let target = at(&registry, id);
        let Some(live) = self.read(target).await? else {
            return Ok(Vec::new());
        };
        let lineage = Lineage::of(&live.object);
        if !lineage.orphaning() {
            return Ok(Vec::new());
        }
        let uid = &*lineage.uid;
        futures_util::stream::iter(self.dependents_of(uid))
            .map(|(id, _)| async move {
                let registry = self.followed.get(id.source);
                let target = at(&registry, &id);
                match self.read(target).await? {
                    Some(dependent) => self.drop_owners(target, &dependent, &[uid]).await,
                    None => Ok(()),
                }
            })
            .buffer_unordered(ORPHAN_AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.drop_finalizer(target, &live, ORPHAN).await?;
        Ok(Vec::new())
    }

    /// Who refers to a uid now.
    fn dependents_of(&self, uid: &str) -> Vec<(Id, Arc<Cached>)> {
        let ids: Vec<Id> = self.dependents.lock().of(uid).cloned().collect();
        let refers = |cached: &Arc<Cached>| cached.lineage().owners.iter().any(|o| &*o.uid == uid);
        ids.into_iter()
            .filter_map(|id| self.cached(&id).filter(refers).map(|cached| (id, cached)))
            .collect()
    }
}

fn at<'a>(registry: &'a Arc<Registry>, id: &'a Id) -> Target<'a> {
    let path = id.key.strip_prefix(&registry.layout.prefix).unwrap_or("");
    let (namespace, name) = path.split_once('/').unwrap_or(("", path));
    Target::new(registry, namespace, name)
}
