//! The objects of a definition that is being deleted: they go first, and only when none is left does it go, too. All is worked out from
//! what is stored, so that whoever takes over after a crash goes on where it was.

use crate::api::Api;
use crate::cacher::CacheWatch;
use crate::handlers::params::DeleteOptions;
use crate::registry::{Registry, unavailable};
use futures_util::future::select_all;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::status::{Status, reason};

/// Objects deleted at a time: enough to fill one write of the log.
const AT_ONCE: usize = 32;

/// What is there of a kind after its objects were deleted.
pub(super) struct Found {
    pub(super) at: Revision,
    /// Finalizers keep these.
    pub(super) left: usize,
    /// Some were not even begun with.
    pub(super) untouched: bool,
}

/// Deletes all objects of a kind, on the member that leads.
pub(super) async fn remove(api: &Api, registry: &Registry) -> Result<Found, Status> {
    let barrier = || async {
        api.cacher
            .barrier()
            .await
            .map_err(|error| unavailable(&error))
    };
    barrier().await?;
    if api.store.health().leader {
        let objects: Vec<_> = registry.cache.snapshot().all().cloned().collect();
        let fresh = objects
            .into_iter()
            .filter(|object| !object.lineage().deleting);
        let options = DeleteOptions::default();
        iter(fresh)
            .map(|object| {
                delete(
                    registry,
                    object.namespace().into(),
                    object.name().into(),
                    &options,
                )
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        barrier().await?;
    }
    let (revision, snapshot) = api.cacher.view(&registry.cache);
    Ok(Found {
        at: revision,
        left: snapshot.objects.len(),
        untouched: snapshot.all().any(|object| !object.lineage().deleting),
    })
}

async fn delete(
    registry: &Registry,
    namespace: Box<str>,
    name: Box<str>,
    options: &DeleteOptions,
) -> Result<(), Status> {
    match registry.delete(&namespace, &name, options).await {
        Err(status) if !status.is(reason::NOT_FOUND) => Err(status),
        _ => Ok(()),
    }
}

/// Waits for a change to the objects of one of these, after its revision; for ever where there are none.
pub(super) async fn changed(api: &Api, kinds: Vec<(Arc<Registry>, Revision)>) {
    let watch = |(registry, after): (Arc<Registry>, Revision)| {
        CacheWatch::new(api.cacher.clone(), registry.cache.clone(), after).ok()
    };
    let watches = kinds.into_iter().filter_map(watch);
    let changes: Vec<_> = watches
        .map(|mut watch| Box::pin(async move { watch.next().await.is_ok() }))
        .collect();
    if changes.is_empty() {
        return std::future::pending().await;
    }
    select_all(changes).await;
}
