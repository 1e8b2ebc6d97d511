//! The resources that are served: one endpoint per group, version and resource, several of which may share one registry.

use crate::cacher::Cacher;
use crate::custom::{Customs, Face};
use crate::registry::{Registry, strategy};
use crate::storage::Layout;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::meta;
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::status::GroupResource;
use triad_machinery::validation::Settings;

pub(crate) struct Endpoint {
    pub(crate) resource: &'static Resource,
    pub(crate) ty: TypeId,
    /// None for resources that are computed, never stored (reviews, bindings).
    pub(crate) registry: Option<Arc<Registry>>,
    /// What a custom kind is in this version.
    pub(crate) custom: Option<Arc<Face>>,
}

impl Endpoint {
    pub(crate) fn group_resource(&self) -> GroupResource<'static> {
        GroupResource {
            group: &self.resource.group,
            resource: &self.resource.plural,
        }
    }

    /// Whether objects are served as they are stored.
    pub(crate) fn is_storage_version(&self) -> bool {
        if let Some(custom) = &self.custom {
            return custom.version.storage;
        }
        self.registry
            .as_ref()
            .is_some_and(|registry| std::ptr::eq(registry.layout.resource, self.resource))
    }

    pub(crate) fn list_kind(&self) -> String {
        match &self.custom {
            Some(custom) => custom.kind.definition.list_kind.clone(),
            None => self.resource.list_kind(),
        }
    }

    /// The Warning text of a deprecated version, as upstream words it.
    pub(crate) fn deprecation_warning(&self) -> Option<String> {
        if let Some(custom) = &self.custom {
            return custom.version.warning.clone();
        }
        let lifecycle = self
            .resource
            .lifecycle()
            .filter(|lifecycle| !lifecycle.deprecated.is_empty())?;
        let mut text = format!(
            "{} {} is deprecated in v{}+",
            self.resource.group_version(),
            self.resource.kind,
            lifecycle.deprecated
        );
        if !lifecycle.removed.is_empty() {
            text.push_str(&format!(", unavailable in v{}+", lifecycle.removed));
        }
        if let Some(replacement) = &lifecycle.replacement {
            let version =
                triad_machinery::scheme::group_version(&replacement.group, &replacement.version);
            text.push_str(&format!("; use {version} {}", replacement.kind));
        }
        Some(text)
    }

    /// An object of this version in the storage version.
    pub(crate) fn to_storage(&self, object: Value) -> Value {
        match &self.registry {
            // The registry of a custom kind is that of one version.
            Some(registry) if self.custom.is_none() && !self.is_storage_version() => {
                convert(object, self.resource, registry.layout.resource)
            }
            _ => object,
        }
    }

    /// A stored object in this version.
    pub(crate) fn served(&self, object: Value) -> Value {
        match &self.registry {
            Some(registry) if self.custom.is_none() && !self.is_storage_version() => {
                convert(object, registry.layout.resource, self.resource)
            }
            _ => object,
        }
    }
}

pub(crate) fn convert(mut object: Value, from: &Resource, to: &Resource) -> Value {
    if let (Some(source), Some(target)) = (from.type_id(), to.type_id()) {
        match triad_machinery::conversion::convert(object.clone(), source, target) {
            Ok(converted) => object = converted,
            Err(error) => {
                tracing::error!(%error, from = from.group_version(), to = to.group_version(), kind = &*to.kind, "an object cannot be converted")
            }
        }
    }
    meta::set_type(&mut object, &to.group_version(), &to.kind);
    object
}

/// All endpoints, by group, version and plural.
pub(crate) struct Endpoints {
    by_path: HashMap<(String, String, String), Arc<Endpoint>>,
    registries: Vec<Arc<Registry>>,
    pub(crate) customs: Arc<Customs>,
}

/// Where every stored resource lies, of all versions that may be served: one layout per key prefix.
pub(crate) fn layouts() -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    for resource in scheme().resources() {
        let Some(storage) = &resource.storage else {
            continue;
        };
        let prefix = format!("{}/", storage.key);
        let stored = scheme().stored(resource).unwrap_or(resource);
        if let (Some(ty), false) = (stored.type_id(), layouts.iter().any(|l| l.prefix == prefix)) {
            layouts.push(Layout::new(prefix, stored, ty));
        }
    }
    layouts
}

impl Endpoints {
    pub(crate) fn new(
        cacher: &Arc<Cacher>,
        served: impl Fn(&Resource) -> bool,
        max_object_bytes: usize,
        event_ttl: Duration,
        settings: Settings,
    ) -> Self {
        let mut registries: Vec<Arc<Registry>> = Vec::new();
        let mut by_path = HashMap::new();
        for resource in scheme()
            .resources()
            .iter()
            .filter(|resource| served(resource))
        {
            let Some(ty) = resource.type_id() else {
                continue;
            };
            let registry = resource.storage.as_ref().and_then(|storage| {
                let prefix = format!("{}/", storage.key);
                if let Some(registry) = registries
                    .iter()
                    .find(|registry| registry.layout.prefix == prefix)
                {
                    return Some(registry.clone());
                }
                let cache = cacher.by_prefix(&prefix)?.clone();
                let ttl = (&*resource.plural == "events")
                    .then(|| event_ttl.as_secs().clamp(1, u64::from(u32::MAX)) as u32);
                let registry = Arc::new(Registry::new(
                    cache,
                    strategy::for_resource(resource),
                    cacher,
                    max_object_bytes,
                    ttl,
                    settings,
                ));
                registries.push(registry.clone());
                Some(registry)
            });
            let key = (
                resource.group.to_string(),
                resource.version.to_string(),
                resource.plural.to_string(),
            );
            by_path.insert(
                key,
                Arc::new(Endpoint {
                    resource,
                    ty,
                    registry,
                    custom: None,
                }),
            );
        }
        Endpoints {
            by_path,
            registries,
            customs: Arc::new(Customs::new(max_object_bytes, settings)),
        }
    }

    pub(crate) fn get(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Endpoint>> {
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        let built_in = self.by_path.get(&path).cloned();
        built_in.or_else(|| self.customs.get(&path))
    }

    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        self.by_path
            .keys()
            .any(|(g, v, _)| g == group && v == version)
    }

    pub(crate) fn serves_group(&self, group: &str) -> bool {
        self.by_path.keys().any(|(g, _, _)| g == group)
    }

    /// All that are served now, custom ones too.
    pub(crate) fn all(&self) -> Vec<Arc<Endpoint>> {
        let mut all: Vec<_> = self.by_path.values().cloned().collect();
        all.extend(self.customs.endpoints());
        all
    }

    /// Some endpoint that serves what a registry stores.
    pub(crate) fn of(&self, registry: &Arc<Registry>) -> Option<Arc<Endpoint>> {
        self.all().into_iter().find(|endpoint| {
            endpoint
                .registry
                .as_ref()
                .is_some_and(|served| Arc::ptr_eq(served, registry))
        })
    }

    /// The registry of a built-in resource, whatever version it is stored in.
    pub(crate) fn registry(&self, group: &str, plural: &str) -> Option<&Arc<Registry>> {
        self.registries.iter().find(|registry| {
            registry.layout.resource.group == group && registry.layout.resource.plural == plural
        })
    }

    /// One registry for each built-in kind that is stored and served.
    pub(crate) fn built_in(&self) -> &[Arc<Registry>] {
        &self.registries
    }

    /// The same of a kind, by one of the versions that it is served in, custom ones too.
    pub(crate) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Registry>> {
        let resource = scheme().resource_of_kind(group, version, kind);
        let endpoint = resource.and_then(|resource| self.get(group, version, &resource.plural));
        let built_in = endpoint.and_then(|endpoint| endpoint.registry.clone());
        built_in.or_else(|| self.customs.of_kind(group, version, kind))
    }

    /// One registry for each kind that is stored and served now, custom ones too.
    pub(crate) fn registries(&self) -> Vec<Arc<Registry>> {
        let mut all = self.registries.clone();
        all.extend(self.customs.registries());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use triad_kv::{Store, StoreOptions};
    use triad_machinery::codec::protobuf;

    const GROUP: &str = "admissionregistration.k8s.io";

    async fn endpoints(dir: &std::path::Path) -> (Store, Endpoints) {
        let mut options = StoreOptions::new(dir.join("store"), "test".to_owned());
        options.sync = false;
        let store = Store::open(options).await.expect("a store");
        let cacher = Arc::new(Cacher::new(store.clone(), layouts()));
        let settings = Settings {
            allow_privileged: false,
        };
        let hour = Duration::from_secs(3600);
        let endpoints = Endpoints::new(&cacher, |_| true, 1 << 20, hour, settings);
        (store, endpoints)
    }

    /// Stores an object through one version; its stored version and what another version reads.
    async fn through(
        (store, endpoints): &(Store, Endpoints),
        (group, plural): (&str, &str),
        object: Value,
        reads: &str,
    ) -> (String, Value) {
        let (_, written) = meta::group_version(meta::api_version(&object));
        let get = |version: &str| endpoints.get(group, version, plural).expect("a version");
        let (name, namespace) = (
            meta::name(&object).to_owned(),
            meta::namespace(&object).to_owned(),
        );
        let registry = get(written).registry.clone().expect("a registry");
        let mut stored = get(written).to_storage(object);
        registry.fill_system_fields(&mut stored);
        registry
            .before_create(registry.resource(), &mut stored)
            .expect("a valid object");
        let inserted = registry.insert(stored, Default::default(), false).await;
        inserted.expect("an insert");
        let key = registry.layout.key(&namespace, &name);
        let entry = store
            .get(key.as_bytes(), None)
            .expect("a read")
            .expect("an entry");
        let envelope = protobuf::open(&entry.value).expect("an envelope");
        let read = registry.get(&namespace, &name).await.expect("the object");
        (
            envelope.type_meta.api_version,
            get(reads).served(read.object),
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn versions_meet_in_the_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let server = endpoints(dir.path()).await;
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1alpha1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": "b"}, "spec": {"policyName": "p.example.com"}});
        let place = (GROUP, "mutatingadmissionpolicybindings");
        let (stored, read) = through(&server, place, binding, "v1beta1").await;
        assert_eq!(stored, "admissionregistration.k8s.io/v1");
        assert_eq!(read["apiVersion"], "admissionregistration.k8s.io/v1beta1");
        assert_eq!(read["spec"]["policyName"], "p.example.com");

        let claim = json!({"apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceClaim", "metadata": {"name": "c", "namespace": "n"},
            "spec": {"devices": {"requests": [{"name": "r", "deviceClassName": "gpu", "allocationMode": "All"}]}}});
        let place = ("resource.k8s.io", "resourceclaims");
        let (stored, read) = through(&server, place, claim, "v1beta2").await;
        assert_eq!(stored, "resource.k8s.io/v1");
        let exactly = json!({"deviceClassName": "gpu", "allocationMode": "All"});
        assert_eq!(read["spec"]["devices"]["requests"][0]["exactly"], exactly);
        server.0.shutdown().await;
    }
}
