//! RBAC over the cached roles and bindings: what is compiled follows the caches' snapshots, by what differs between one and the next
//! (kubernetes plugin/pkg/auth/authorizer/rbac).

use super::rules::Compiled;
use super::{Attributes, Decision};
use crate::cacher::{Cached, Cacher, Objects, ResourceCache, Snapshot};
use crate::user::User;
use arc_swap::{ArcSwap, Guard};
use imbl::ordmap::DiffItem;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;

pub(super) struct Rbac {
    /// Cluster roles, roles, cluster role bindings, role bindings.
    pub(super) sources: [Arc<ResourceCache>; 4],
    current: ArcSwap<Current>,
    /// One at a time brings it up to date.
    following: Mutex<()>,
}

#[derive(Clone)]
struct Current {
    /// What is compiled.
    snapshots: [Arc<Snapshot>; 4],
    compiled: Compiled,
}

impl Rbac {
    pub(super) fn new(cacher: &Cacher) -> Option<Self> {
        let source = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        Some(Rbac {
            sources: [
                source("clusterroles")?,
                source("roles")?,
                source("clusterrolebindings")?,
                source("rolebindings")?,
            ],
            current: ArcSwap::from_pointee(Current {
                snapshots: Default::default(),
                compiled: Compiled::default(),
            }),
            following: Mutex::default(),
        })
    }

    pub(super) fn authorize(&self, user: &User, asked: &Attributes) -> Decision {
        let current = self.current();
        match current.compiled.allows(user, asked) {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(current.compiled.missing(user, asked)),
        }
    }

    pub(super) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Value> {
        self.current().compiled.rules_of(user, namespace)
    }

    /// Everything that the caches have, compiled.
    fn current(&self) -> Guard<Arc<Current>> {
        let current = self.current.load();
        if self.is_newest(&current) {
            return current;
        }
        let _one = self.following.lock();
        let current = self.current.load();
        if !self.is_newest(&current) {
            let mut next = Current::clone(&current);
            for (at, source) in self.sources.iter().enumerate() {
                let snapshot = source.snapshot();
                next.compiled.follow(
                    at,
                    source,
                    &current.snapshots[at].objects,
                    &snapshot.objects,
                );
                next.snapshots[at] = snapshot;
            }
            self.current.store(Arc::new(next));
        }
        self.current.load()
    }

    fn is_newest(&self, current: &Current) -> bool {
        let mut pairs = self.sources.iter().zip(&current.snapshots);
        pairs.all(|(source, compiled)| source.snapshot().revision == compiled.revision)
    }
}

impl Compiled {
    /// Takes over what differs in one of the sources.
    fn follow(&mut self, at: usize, source: &ResourceCache, old: &Objects, new: &Objects) {
        let read = |object: &Cached| object.object(&source.layout).ok();
        for change in old.diff(new) {
            let (old, new): (Option<Value>, Option<Value>) = match change {
                DiffItem::Add(_, new) => (None, read(new)),
                DiffItem::Update { old, new } => (read(old.1), read(new.1)),
                DiffItem::Remove(_, old) => (read(old), None),
            };
            match at {
                0 | 1 => self.role(old.as_ref(), new.as_ref()),
                _ => self.binding(old.as_ref(), new.as_ref()),
            }
        }
    }
}
