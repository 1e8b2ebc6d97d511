//! RBAC over the cached roles and bindings: rules are compiled from the caches' snapshots, and compiled again when one of them
//! has moved on (kubernetes plugin/pkg/auth/authorizer/rbac).

use super::rules::Compiled;
use super::{Attributes, Decision};
use crate::cacher::{Cacher, ResourceCache};
use crate::user::User;
use arc_swap::ArcSwap;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;

pub(super) struct Rbac {
    /// Cluster roles, roles, cluster role bindings, role bindings.
    pub(super) sources: [Arc<ResourceCache>; 4],
    compiled: ArcSwap<(Revision, Compiled)>,
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
            compiled: ArcSwap::from_pointee((Revision(0), Compiled::default())),
        })
    }

    pub(super) fn authorize(&self, user: &User, asked: &Attributes) -> Decision {
        let compiled = self.compiled();
        match compiled.1.allows(user, asked) {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(compiled.1.missing(user, asked)),
        }
    }

    pub(super) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Value> {
        self.compiled().1.rules_of(user, namespace)
    }

    fn compiled(&self) -> arc_swap::Guard<Arc<(Revision, Compiled)>> {
        let snapshots = self.sources.each_ref().map(|source| source.snapshot());
        let newest = snapshots
            .iter()
            .map(|snapshot| snapshot.revision)
            .max()
            .unwrap_or(Revision(0));
        if self.compiled.load().0 != newest {
            let objects = [0, 1, 2, 3].map(|at: usize| {
                snapshots[at]
                    .objects
                    .values()
                    .filter_map(|object| object.object(&self.sources[at].layout).ok())
                    .collect()
            });
            self.compiled
                .store(Arc::new((newest, Compiled::new(&objects))));
        }
        self.compiled.load()
    }
}
