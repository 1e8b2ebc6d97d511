//! How the server's own controllers write: read, change, record who changed what, store unless someone came between. Used by
//! every controller that keeps conditions, and by those that keep specs.

use crate::api::Api;
use crate::cacher::Cached;
use crate::endpoint::Endpoint;
use crate::handlers::create::in_context;
use crate::handlers::params::DeleteOptions;
use crate::registry::Registry;
use crate::registry::before::Part;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::status::Status;
use triad_machinery::{managed_fields, meta};

/// How often a write is tried again when others write meanwhile.
const ATTEMPTS: u32 = 8;

/// One resource as a controller sees and writes it: in one version, under one name.
pub(crate) struct Resource {
    api: Arc<Api>,
    endpoint: Arc<Endpoint>,
    registry: Arc<Registry>,
    manager: &'static str,
}

impl Resource {
    /// None: --runtime-config has switched the resource off.
    pub(crate) fn new(
        api: &Arc<Api>,
        (group, version, plural): (&str, &str, &str),
        manager: &'static str,
    ) -> Option<Self> {
        let endpoint = api.endpoints.get(group, version, plural)?;
        let registry = endpoint.registry.clone()?;
        Some(Resource {
            api: api.clone(),
            endpoint,
            registry,
            manager,
        })
    }

    /// All objects as the cache has them, and the revision to wait from.
    pub(crate) fn list(&self) -> (Revision, Vec<Value>) {
        let (revision, snapshot) = self.api.cacher.view(&self.registry.cache);
        let objects = snapshot.all();
        let objects = objects.filter_map(|cached| cached.object(&self.registry.layout).ok());
        let objects = objects.map(|object| self.endpoint.served(object));
        (revision, objects.collect())
    }

    /// One object as the cache has it.
    pub(crate) fn cached(&self, name: &str) -> Option<Arc<Cached>> {
        let cache = &self.registry.cache;
        cache.get(&cache.layout.key("", name))
    }

    /// What such an object says; nothing, when it cannot be read.
    pub(crate) fn decoded(&self, cached: &Cached) -> Option<Value> {
        let object = cached.object(&self.registry.layout).ok()?;
        Some(self.endpoint.served(object))
    }

    /// The names of what changed after a revision, without one of all that there is, and the revision to go on from.
    pub(crate) fn changed_after(&self, after: Option<Revision>) -> (Revision, Vec<Box<str>>) {
        let cache = &self.registry.cache;
        // First: of what is up to here none is missing among the changes.
        let revision = self.api.cacher.progress();
        let changed = after.and_then(|after| cache.keys_after(after));
        let keys = changed.unwrap_or_else(|| cache.snapshot().objects.keys().cloned().collect());
        let name = |key: Arc<str>| key[cache.layout.prefix.len()..].into();
        (revision, keys.into_iter().map(name).collect())
    }

    /// Returns when the cache shows all that this member has written.
    pub(crate) async fn level(&self) {
        self.api.cacher.level(&self.registry.cache).await;
    }

    /// Returns when something changed after a revision, or when a watch cannot be had and it is time to look again.
    pub(crate) async fn changed(&self, after: Revision) {
        self.api.cacher.changed(&self.registry.cache, after).await;
    }

    /// The revision that the cache shows.
    pub(crate) fn revision(&self) -> Revision {
        self.registry.cache.snapshot().revision
    }

    /// Returns when one object is another than it was at a revision, or gone.
    pub(crate) async fn gone_or_other(&self, namespace: &str, name: &str, mut after: Revision) {
        let cache = &self.registry.cache;
        let key = cache.layout.key(namespace, name);
        let known = |at: Revision| cache.get(&key).is_some_and(|found| found.revision <= at);
        let begun = after;
        while known(begun) {
            self.api.cacher.changed(cache, after).await;
            after = self.revision();
        }
    }

    /// Changes an object's status; `change` says whether there is anything to write. An object that is gone is left alone.
    pub(crate) async fn update_status(
        &self,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value) -> bool,
    ) -> Result<(), Status> {
        self.update_part(Part::Sub("status"), namespace, name, change)
            .await
    }

    /// Changes an object itself, as `update_status` its status.
    pub(crate) async fn update(
        &self,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value) -> bool,
    ) -> Result<(), Status> {
        self.update_part(Part::Main, namespace, name, change).await
    }

    async fn update_part(
        &self,
        part: Part<'_>,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value) -> bool,
    ) -> Result<(), Status> {
        let subresource = match part {
            Part::Main => "",
            Part::Sub(name) => name,
        };
        self.write(part, namespace, name, |live| {
            let mut object = live.clone();
            if !change(&mut object) {
                return Ok(None);
            }
            in_context(&self.endpoint, self.manager, subresource, |context| {
                managed_fields::update(Some(live), &mut object, context);
            });
            Ok(Some(object))
        })
        .await
    }

    /// Deletes an object that nothing keeps.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Status> {
        match self
            .registry
            .delete("", name, &DeleteOptions::default())
            .await
        {
            Ok(_) => Ok(()),
            Err(status) if status.code == 404 => Ok(()),
            Err(status) => Err(status),
        }
    }

    /// Applies a configuration to an object's status, taking over what others own there.
    pub(super) async fn apply_status(&self, name: &str, config: &Value) -> Result<(), Status> {
        self.write(Part::Sub("status"), "", name, |live| {
            in_context(&self.endpoint, self.manager, "status", |context| {
                managed_fields::apply(Some(live), config, context, true)
            })
            .map(Some)
            .map_err(|error| error.to_status())
        })
        .await
    }

    async fn write(
        &self,
        part: Part<'_>,
        namespace: &str,
        name: &str,
        change: impl Fn(&Value) -> Result<Option<Value>, Status>,
    ) -> Result<(), Status> {
        for _ in 0..ATTEMPTS {
            let Some(old) = self.registry.get_local(namespace, name)? else {
                return Ok(());
            };
            let live = self.endpoint.served(old.object.clone());
            let Some(object) = change(&live)? else {
                return Ok(());
            };
            let mut object = self.endpoint.to_storage(object);
            self.registry.before_update(
                self.registry.resource(),
                part,
                &mut object,
                &old.object,
            )?;
            managed_fields::keep_times(&old.object, &mut object);
            let ends = !meta::deletion_timestamp(&object).is_empty()
                && meta::finalizers(&object).next().is_none();
            let written = if ends {
                self.registry
                    .remove(&old, Default::default())
                    .await?
                    .is_some()
            } else {
                self.registry
                    .replace(&old, object, Default::default(), false)
                    .await?
                    .is_some()
            };
            if written {
                return Ok(());
            }
        }
        Err(Status::conflict(
            self.registry.group_resource(),
            name,
            triad_machinery::status::OBJECT_MODIFIED,
        ))
    }
}
