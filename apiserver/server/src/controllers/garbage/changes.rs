//! What changes to objects mean for garbage collection (graph_builder.go, processGraphChanges).

use super::dependents::Id;
use super::owners::{Found, Standing};
use super::{GarbageCollector, Key};
use crate::cacher::{Cached, Lineage, Owner};
use crate::controllers::work::Work;
use std::sync::Arc;

impl GarbageCollector {
    pub(super) fn changed(
        &self,
        source: usize,
        before: Option<&Arc<Cached>>,
        after: &Arc<Cached>,
        work: &mut Work<Key>,
    ) {
        let was = before.map(|before| before.lineage());
        let now = after.lineage();
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
                    .standing(after.namespace(), owner, |registry, key| {
                        registry
                            .cache
                            .get(key)
                            .map(|cached| Found::of(cached.lineage()))
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

    pub(super) fn left(&self, source: usize, object: &Arc<Cached>, work: &mut Work<Key>) {
        let id = self.id(source, object);
        let lineage = object.lineage();
        self.dependents.lock().replace(&id, &lineage.owners, &[]);
        self.examine_dependents(&lineage.uid, work);
        for owner in &lineage.owners {
            self.wake_waiting(object.namespace(), owner, work);
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
                self.wake_waiting(object.namespace(), owner, work);
            }
        }
    }

    fn wake_waiting(&self, namespace: &str, owner: &Owner, work: &mut Work<Key>) {
        let Some((registry, key)) = self.kinds.locate(namespace, owner) else {
            return;
        };
        let waits = registry.cache.get(&key).is_some_and(|cached| {
            cached.lineage().uid == owner.uid && cached.lineage().deleting_dependents()
        });
        if let (true, Some(source)) = (waits, self.followed.number(&registry)) {
            work.add(Key::Examine(Id {
                source,
                key: key.into(),
            }));
        }
    }
}
