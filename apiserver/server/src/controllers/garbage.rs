//! The garbage collector: deletes what has lost its last owner, and lets go of owners that wait for their dependents
//! (kubernetes pkg/controller/garbagecollector).
//!
//! The caches tell where every object is, so the only thing kept here is who refers to a uid. Whether an owner is there
//! is asked of the store before anything is deleted, and every write bears the uid and version that it was decided on.

mod dependents;
mod kinds;
mod owners;

use super::client::{Client, Target};
use super::event::{Record, Recorder};
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::cacher::{Cached, FOREGROUND, Lineage, ORPHAN, Owner};
use crate::registry::{Registry, Stored};
use dependents::{Dependents, Id};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use kinds::Kinds;
use owners::{Found, Standing};
use parking_lot::Mutex;
use serde_json::{Value, json};
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
    registries: Vec<Arc<Registry>>,
    kinds: Kinds,
    /// Locked for a moment at a time, never across a wait.
    dependents: Mutex<Dependents>,
    client: Client,
    recorder: Recorder,
}

impl GarbageCollector {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        // Events own nothing, are owned by nobody and are many.
        let registries = api
            .endpoints
            .registries()
            .iter()
            .filter(|registry| &*registry.resource().plural != "events")
            .cloned()
            .collect();
        Some(GarbageCollector {
            registries,
            kinds: Kinds::new(&api.endpoints),
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
        self.registries[id.source].cache.get(&id.key)
    }

    fn target<'a>(&'a self, id: &'a Id) -> Target<'a> {
        let registry = &self.registries[id.source];
        let path = id.key.strip_prefix(&registry.layout.prefix).unwrap_or("");
        let (namespace, name) = path.split_once('/').unwrap_or(("", path));
        Target::new(registry, namespace, name)
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

    fn sources(&self) -> &[Arc<Registry>] {
        &self.registries
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Key>) {
        if let (Some(before), Some(after)) = (change.before, change.after)
            && before.lineage.uid != after.lineage.uid
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

// What changes mean (graph_builder.go, processGraphChanges).
impl GarbageCollector {
    fn changed(
        &self,
        source: usize,
        before: Option<&Arc<Cached>>,
        after: &Arc<Cached>,
        work: &mut Work<Key>,
    ) {
        let was = before.map(|before| &before.lineage);
        let now = &after.lineage;
        if was.map_or(!now.owners.is_empty(), |was| was.owners != now.owners) {
            let id = self.id(source, after);
            self.dependents
                .lock()
                .replace(&id, was.map_or(&[], |was| &was.owners), &now.owners);
            if let Some(was) = was {
                self.unblock(after, was, now, work);
            }
            let solid = |owner| {
                self.kinds
                    .standing(&after.namespace, owner, |registry, key| {
                        registry
                            .cache
                            .get(key)
                            .map(|cached| Found::of(&cached.lineage))
                    })
                    == Standing::Solid
            };
            if !now.owners.iter().all(solid) {
                work.add(Key::Verify(id));
            }
        }
        if now.orphaning() && !was.is_some_and(Lineage::orphaning) {
            work.add(Key::Orphan(self.id(source, after)));
        } else if now.deleting_dependents() && !was.is_some_and(Lineage::deleting_dependents) {
            self.examine_dependents(&now.uid, work);
            work.add(Key::Examine(self.id(source, after)));
        }
    }

    fn left(&self, source: usize, object: &Arc<Cached>, work: &mut Work<Key>) {
        let id = self.id(source, object);
        let lineage = &object.lineage;
        self.dependents.lock().replace(&id, &lineage.owners, &[]);
        self.examine_dependents(&lineage.uid, work);
        for owner in &lineage.owners {
            self.wake_waiting(&object.namespace, owner, work);
        }
    }

    fn examine_dependents(&self, uid: &str, work: &mut Work<Key>) {
        for id in self.dependents.lock().of(uid) {
            work.add(Key::Examine(id.clone()));
        }
    }

    /// A reference that blocked its owner's deletion is gone or blocks no longer: the owner may go on.
    fn unblock(&self, object: &Cached, was: &Lineage, now: &Lineage, work: &mut Work<Key>) {
        for owner in was.owners.iter().filter(|owner| owner.blocking) {
            let blocks = now
                .owners
                .iter()
                .any(|still| still.uid == owner.uid && still.blocking);
            if !blocks {
                self.wake_waiting(&object.namespace, owner, work);
            }
        }
    }

    fn wake_waiting(&self, namespace: &str, owner: &Owner, work: &mut Work<Key>) {
        let Some((registry, key)) = self.kinds.locate(namespace, owner) else {
            return;
        };
        let waits = registry.cache.get(&key).is_some_and(|cached| {
            cached.lineage.uid == owner.uid && cached.lineage.deleting_dependents()
        });
        let source = self
            .registries
            .iter()
            .position(|r| Arc::ptr_eq(r, registry));
        if let (true, Some(source)) = (waits, source) {
            work.add(Key::Examine(Id {
                source,
                key: key.into(),
            }));
        }
    }
}

// What is done about it (garbagecollector.go, attemptToDeleteItem and attemptToOrphanWorker).
impl GarbageCollector {
    async fn examine(&self, id: &Id, verify: bool) -> Result<Vec<Key>, Trouble> {
        let target = self.target(id);
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
                .any(|(_, cached)| cached.lineage.deleting_dependents())
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
                let mut owners = cached.lineage.owners.iter();
                owners.any(|owner| owner.uid == lineage.uid && owner.blocking)
            })
            .collect();
        if blocking.is_empty() {
            self.drop_finalizer(target, live, FOREGROUND).await?;
            return Ok(Vec::new());
        }
        let examined = blocking
            .into_iter()
            .filter(|(_, cached)| !cached.lineage.deleting_dependents());
        Ok(examined.map(|(id, _)| Key::Examine(id)).collect())
    }

    /// Lets all dependents go, then the object.
    async fn orphan(&self, id: &Id) -> Result<Vec<Key>, Trouble> {
        let target = self.target(id);
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
                let target = self.target(&id);
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
        let refers = |cached: &Arc<Cached>| cached.lineage.owners.iter().any(|o| &*o.uid == uid);
        ids.into_iter()
            .filter_map(|id| self.cached(&id).filter(refers).map(|cached| (id, cached)))
            .collect()
    }

    /// Deletes what was judged. When something else about the object changed meanwhile, its owners alone decide.
    async fn delete(
        &self,
        target: Target<'_>,
        lineage: &Lineage,
        live: &Stored,
        policy: &str,
    ) -> Result<(), Trouble> {
        let mut options = json!({"propagationPolicy": policy, "preconditions": {"uid": &*lineage.uid, "resourceVersion": meta::resource_version(&live.object)}});
        for _ in 0..2 {
            match self.client.delete(target, options.clone()).await {
                Err(status) if status.is(reason::CONFLICT) => match self.read(target).await? {
                    Some(now) if Lineage::of(&now.object).owners == lineage.owners => {
                        options["preconditions"] = json!({"uid": &*lineage.uid});
                    }
                    Some(_) => return Err(status.into()),
                    None => return Ok(()),
                },
                other => return gone_is_fine(other),
            }
        }
        Err(Trouble::Later("the object keeps changing".to_owned()))
    }

    async fn drop_owners(
        &self,
        target: Target<'_>,
        live: &Stored,
        uids: &[&str],
    ) -> Result<(), Trouble> {
        self.rewrite(target, live, "ownerReferences", |owners| {
            owners.retain(|owner| {
                let uid = owner.get("uid").and_then(Value::as_str).unwrap_or("");
                !uids.contains(&uid)
            });
        })
        .await
    }

    async fn stop_blocking(&self, target: Target<'_>, live: &Stored) -> Result<(), Trouble> {
        self.rewrite(target, live, "ownerReferences", |owners| {
            for owner in owners {
                if owner.get("blockOwnerDeletion").is_some() {
                    owner["blockOwnerDeletion"] = false.into();
                }
            }
        })
        .await
    }

    async fn drop_finalizer(
        &self,
        target: Target<'_>,
        live: &Stored,
        finalizer: &str,
    ) -> Result<(), Trouble> {
        self.rewrite(target, live, "finalizers", |finalizers| {
            finalizers.retain(|f| f != finalizer);
        })
        .await
    }

    /// Changes a list in metadata, if the change makes a difference, at the version it was read at.
    async fn rewrite(
        &self,
        target: Target<'_>,
        live: &Stored,
        field: &str,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<(), Trouble> {
        let list = live.object.pointer(&format!("/metadata/{field}"));
        let Some(list) = list.and_then(Value::as_array) else {
            return Ok(());
        };
        let mut changed = list.clone();
        change(&mut changed);
        if changed == *list {
            return Ok(());
        }
        let mut metadata = json!({"uid": meta::uid(&live.object), "resourceVersion": meta::resource_version(&live.object)});
        metadata[field] = changed.into();
        gone_is_fine(
            self.client
                .patch(target, &json!({"metadata": metadata}))
                .await,
        )
    }

    /// Tells of references to an object that is there, but in another namespace: they count as broken.
    async fn report_foreign_owners(
        &self,
        target: Target<'_>,
        lineage: &Lineage,
        dangling: &[&str],
    ) -> Result<(), Trouble> {
        let resource = target.registry.resource();
        let broken = |owner: &&Owner| dangling.contains(&&*owner.uid);
        for owner in lineage.owners.iter().filter(broken) {
            let namespace = self.kinds.namespace_of(owner);
            if namespace.is_none_or(|namespace| namespace == target.namespace) {
                continue;
            }
            let message = format!(
                "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace {:?}",
                owner.api_version,
                owner.kind,
                target.namespace,
                owner.name,
                owner.uid,
                target.namespace
            );
            let record = Record {
                kind: &resource.kind,
                api_version: &resource.group_version(),
                namespace: target.namespace,
                name: target.name,
                uid: &lineage.uid,
                reason: "OwnerRefInvalidNamespace",
                message: &message,
            };
            self.recorder.warn(&record).await?;
        }
        Ok(())
    }
}

fn gone_is_fine(result: Result<(), Status>) -> Result<(), Trouble> {
    match result {
        Err(status) if !status.is(reason::NOT_FOUND) => Err(status.into()),
        _ => Ok(()),
    }
}
