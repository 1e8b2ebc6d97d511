//! The caches that plugins look things up in.

use super::known;
use crate::cacher::{Cacher, ResourceCache};
use crate::custom::Customs;
use crate::registry::Registry;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::scheme::Resource;

pub(crate) struct Lookup {
    pub(super) store: triad_kv::Store,
    pub(super) known: known::Known,
    pub(crate) namespaces: Arc<ResourceCache>,
    pub(crate) pods: Arc<ResourceCache>,
    pub(crate) limit_ranges: Arc<ResourceCache>,
    pub(crate) storage_classes: Arc<ResourceCache>,
    pub(crate) service_accounts: Arc<ResourceCache>,
    pub(crate) priority_classes: Arc<ResourceCache>,
    pub(crate) runtime_classes: Arc<ResourceCache>,
    pub(crate) nodes: Arc<ResourceCache>,
    pub(crate) claims: Arc<ResourceCache>,
    pub(crate) volumes: Arc<ResourceCache>,
    pub(crate) csi_drivers: Arc<ResourceCache>,
    pub(crate) ingress_classes: Arc<ResourceCache>,
    pub(crate) validating_policies: Arc<ResourceCache>,
    pub(crate) validating_bindings: Arc<ResourceCache>,
    pub(crate) mutating_policies: Arc<ResourceCache>,
    pub(crate) mutating_bindings: Arc<ResourceCache>,
    pub(crate) validating_webhooks: Arc<ResourceCache>,
    pub(crate) mutating_webhooks: Arc<ResourceCache>,
    pub(crate) services: Arc<ResourceCache>,
    cacher: Arc<Cacher>,
    customs: Arc<Customs>,
}

impl Lookup {
    pub(crate) fn new(cacher: &Arc<Cacher>, customs: &Arc<Customs>) -> Option<Self> {
        let cache = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        Some(Lookup {
            store: cacher.store().clone(),
            known: known::Known::default(),
            namespaces: cache("namespaces")?,
            pods: cache("pods")?,
            limit_ranges: cache("limitranges")?,
            storage_classes: cache("storageclasses")?,
            service_accounts: cache("serviceaccounts")?,
            priority_classes: cache("priorityclasses")?,
            runtime_classes: cache("runtimeclasses")?,
            nodes: cache("minions")?,
            claims: cache("persistentvolumeclaims")?,
            volumes: cache("persistentvolumes")?,
            csi_drivers: cache("csidrivers")?,
            ingress_classes: cache("ingressclasses")?,
            validating_policies: cache("validatingadmissionpolicies")?,
            validating_bindings: cache("validatingadmissionpolicybindings")?,
            mutating_policies: cache("mutatingadmissionpolicies")?,
            mutating_bindings: cache("mutatingadmissionpolicybindings")?,
            validating_webhooks: cache("validatingwebhookconfigurations")?,
            mutating_webhooks: cache("mutatingwebhookconfigurations")?,
            services: cache("services/specs")?,
            cacher: cacher.clone(),
            customs: customs.clone(),
        })
    }
}

impl Lookup {
    /// Where a resource's objects are, whatever version it is asked for in.
    pub(super) fn of(&self, resource: &Resource) -> Option<&Arc<ResourceCache>> {
        let storage = resource.storage.as_ref()?;
        self.cacher.by_prefix(&format!("{}/", storage.key))
    }

    /// The registry of a custom kind in a version that it is served in, once it is established.
    pub(super) fn of_custom(
        &self,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Option<Arc<Registry>> {
        self.customs.in_version(group, version, kind)
    }

    /// An object by namespace and name. The cache may be a moment behind an object just made: the store decides before
    /// anything counts as absent.
    pub(super) fn find(&self, cache: &ResourceCache, namespace: &str, name: &str) -> Option<Value> {
        let key = cache.layout.key(namespace, name);
        if let Some(cached) = cache.get(&key) {
            return self.known.object(cache, &cached);
        }
        let entry = self.store.get(key.as_bytes(), None).ok()??;
        cache.layout.decode(&entry.value, entry.mod_revision).ok()
    }
}
