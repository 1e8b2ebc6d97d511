//! How the server's own controllers write: read, change, record who changed what, store unless someone came between. Used by
//! every controller that keeps conditions, and by those that keep specs.

use crate::api::Api;
use crate::cacher::CacheWatch;
use crate::endpoint::Endpoint;
use crate::handlers::create::in_context;
use crate::handlers::params::DeleteOptions;
use crate::registry::Registry;
use crate::registry::before::Part;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use triad_kv::Revision;
use triad_machinery::status::Status;
use triad_machinery::{managed_fields, meta};

/// How often a write is tried again when others write meanwhile.
const ATTEMPTS: u32 = 8;
/// How soon a watch that ended is opened again.
const RETRY: Duration = Duration::from_secs(1);

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
        let objects = snapshot.objects.values();
        let objects = objects.filter_map(|cached| cached.object(&self.registry.layout).ok());
        let objects = objects.map(|object| self.endpoint.served(object));
        (revision, objects.collect())
    }

    /// Returns when something changed after a revision, or when a watch cannot be had and it is time to look again.
    pub(super) async fn changed(&self, after: Revision) {
        let watch = CacheWatch::new(self.api.cacher.clone(), self.registry.cache.clone(), after);
        let failed = match watch {
            Ok(mut watch) => watch.next().await.is_err(),
            Err(_) => true,
        };
        if failed {
            tokio::time::sleep(RETRY).await;
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
    pub(super) async fn update(
        &self,
        name: &str,
        change: impl Fn(&mut Value) -> bool,
    ) -> Result<(), Status> {
        self.update_part(Part::Main, "", name, change).await
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
