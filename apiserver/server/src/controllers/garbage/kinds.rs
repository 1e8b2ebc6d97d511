//! From the apiVersion and kind of an owner reference to where such objects lie: every version that is served counts.

use super::owners::{Found, Standing};
use crate::api::Api;
use crate::cacher::Owner;
use crate::registry::Registry;
use std::sync::Arc;
use triad_machinery::meta;

pub(super) struct Kinds(pub(super) Arc<Api>);

impl Kinds {
    /// The registry of an owner's kind; None for a kind that is not served.
    pub(super) fn registry(&self, owner: &Owner) -> Option<Arc<Registry>> {
        let (group, version) = meta::group_version(&owner.api_version);
        self.0.endpoints.of_kind(group, version, &owner.kind)
    }

    /// Where the owner of an object in `namespace` must lie: in the same namespace, or in none. None when there is no such
    /// place.
    pub(super) fn locate(&self, namespace: &str, owner: &Owner) -> Option<(Arc<Registry>, String)> {
        let registry = self.registry(owner)?;
        let namespaced = registry.resource().namespaced;
        if namespaced && namespace.is_empty() {
            return None;
        }
        let namespace = if namespaced { namespace } else { "" };
        let key = registry.layout.key(namespace, &owner.name);
        Some((registry, key))
    }

    /// How a reference stands, by what `read` finds at the owner's place.
    pub(super) fn standing(
        &self,
        namespace: &str,
        owner: &Owner,
        read: impl FnOnce(&Arc<Registry>, &str) -> Option<Found>,
    ) -> Standing {
        let Some(registry) = self.registry(owner) else {
            return Standing::UnknownKind;
        };
        if registry.resource().namespaced && namespace.is_empty() {
            return Standing::Impossible;
        }
        let Some((registry, key)) = self.locate(namespace, owner) else {
            return Standing::UnknownKind;
        };
        match read(&registry, &key) {
            Some(found) if found.uid == owner.uid && found.waiting => Standing::Waiting,
            Some(found) if found.uid == owner.uid => Standing::Solid,
            _ => Standing::Dangling,
        }
    }

    /// The namespace in which an object of the owner's kind, name and uid is, wherever that may be. Walks all objects of
    /// the kind: for references just written that lead nowhere.
    pub(super) fn namespace_of(&self, owner: &Owner) -> Option<String> {
        let registry = self.registry(owner)?;
        let snapshot = registry.cache.snapshot();
        let mut objects = snapshot.all();
        let found = objects.find(|object| object.lineage().uid == owner.uid)?;
        (!found.namespace().is_empty()).then(|| found.namespace().to_owned())
    }
}
