//! The namespace controller: empties a namespace that is being deleted, then lets it go
//! (kubernetes pkg/controller/namespace/deletion).

use crate::api::Api;
use crate::cacher::CacheWatch;
use crate::handlers::params::DeleteOptions;
use crate::registry::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use triad_kv::Revision;
use triad_machinery::meta;
use triad_machinery::status::Status;

const FINALIZER: &str = "kubernetes";
/// Finalizers of the content are waited for this long between looks.
const RETRY: Duration = Duration::from_secs(1);

/// Watches namespaces for as long as the server runs.
pub(super) async fn run(api: Arc<Api>) {
    let Some(namespaces) = api.endpoints.registry("", "namespaces").cloned() else {
        return;
    };
    loop {
        let (revision, snapshot) = api.cacher.view(&namespaces.cache);
        let mut waiting = false;
        for cached in snapshot.objects.values() {
            let Ok(namespace) = cached.object(&namespaces.layout) else {
                continue;
            };
            if meta::deletion_timestamp(&namespace).is_empty() {
                continue;
            }
            match finish(&api, &namespaces, namespace).await {
                Ok(done) => waiting |= !done,
                Err(status) => {
                    tracing::warn!(namespace = &*cached.name, %status, "cannot empty the namespace; trying again");
                    waiting = true;
                }
            }
        }
        changed(&api, &namespaces, revision, waiting).await;
    }
}

/// Waits for a change to namespaces or, while some are waiting for finalizers, for the next look.
async fn changed(api: &Arc<Api>, namespaces: &Registry, after: Revision, waiting: bool) {
    let pause = if waiting {
        RETRY
    } else {
        Duration::from_secs(300)
    };
    match CacheWatch::new(api.cacher.clone(), namespaces.cache.clone(), after) {
        Ok(mut watch) => {
            let _ = tokio::time::timeout(pause, watch.next()).await;
        }
        Err(_) => tokio::time::sleep(RETRY).await,
    }
}

/// Empties one namespace; true when it is gone.
async fn finish(api: &Arc<Api>, namespaces: &Registry, namespace: Value) -> Result<bool, Status> {
    let name = meta::name(&namespace).to_owned();
    let ours = namespace
        .pointer("/spec/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|f| f == FINALIZER));
    if !ours {
        return Ok(false);
    }
    let left = empty(api, &name).await?;
    let Ok(stored) = namespaces.get("", &name).await else {
        return Ok(true);
    };
    let mut changed = stored.object.clone();
    if left.is_empty() {
        let rest: Vec<Value> = changed
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|f| *f != FINALIZER)
            .cloned()
            .collect();
        changed["spec"]["finalizers"] = json!(rest);
        changed["status"]["conditions"] = conditions(&left, namespaces);
        if rest.is_empty() && meta::finalizers(&changed).next().is_none() {
            return Ok(namespaces
                .remove(&stored, Default::default())
                .await?
                .is_some());
        }
        namespaces
            .replace(&stored, changed, Default::default(), false)
            .await?;
        return Ok(false);
    }
    let wanted = conditions(&left, namespaces);
    let same = |a: &Value, b: &Value| strip_times(a) == strip_times(b);
    if !same(
        changed
            .pointer("/status/conditions")
            .unwrap_or(&Value::Null),
        &wanted,
    ) {
        changed["status"]["conditions"] = wanted;
        namespaces
            .replace(&stored, changed, Default::default(), false)
            .await?;
    }
    Ok(false)
}

/// What is left of one resource in the namespace.
struct Left {
    resource: String,
    count: usize,
    finalizers: Vec<String>,
}

/// Deletes everything in the namespace; what still is there, and why.
async fn empty(api: &Arc<Api>, namespace: &str) -> Result<Vec<Left>, Status> {
    let mut left = Vec::new();
    // Pods go last: what owns them would only make them anew.
    let mut registries: Vec<_> = api
        .endpoints
        .registries()
        .iter()
        .filter(|registry| registry.resource().namespaced)
        .collect();
    registries.sort_by_key(|registry| &*registry.resource().plural == "pods");
    api.cacher
        .barrier()
        .await
        .map_err(|e| crate::registry::unavailable(&e))?;
    for registry in registries {
        let scope = registry.layout.scope(namespace);
        let names: Vec<String> = registry
            .cache
            .snapshot()
            .range(&scope, None)
            .map(|object| object.name.to_string())
            .collect();
        for name in names {
            match registry
                .delete(
                    namespace,
                    &name,
                    &DeleteOptions {
                        propagation_policy: Some("Background".to_owned()),
                        ..Default::default()
                    },
                )
                .await
            {
                Ok(_) => {}
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
    }
    api.cacher
        .barrier()
        .await
        .map_err(|e| crate::registry::unavailable(&e))?;
    for registry in api
        .endpoints
        .registries()
        .iter()
        .filter(|registry| registry.resource().namespaced)
    {
        let snapshot = registry.cache.snapshot();
        let scope = registry.layout.scope(namespace);
        let rest: Vec<Value> = snapshot
            .range(&scope, None)
            .filter_map(|object| object.object(&registry.layout).ok())
            .collect();
        if !rest.is_empty() {
            let resource = registry.resource();
            let finalizers = rest
                .iter()
                .flat_map(meta::finalizers)
                .map(str::to_owned)
                .collect();
            let name = if resource.group.is_empty() {
                format!("{}.", resource.plural)
            } else {
                format!("{}.{}", resource.plural, resource.group)
            };
            left.push(Left {
                resource: name,
                count: rest.len(),
                finalizers,
            });
        }
    }
    Ok(left)
}

/// The five conditions that say how far the deletion is.
fn conditions(left: &[Left], namespaces: &Registry) -> Value {
    let now = namespaces.clock.now();
    let condition = |kind: &str, status: bool, reason: &str, message: String| json!({"type": kind, "status": if status { "True" } else { "False" }, "lastTransitionTime": now, "reason": reason, "message": message});
    let remaining: Vec<String> = left
        .iter()
        .map(|l| format!("{} has {} resource instances", l.resource, l.count))
        .collect();
    let mut finalizers: Vec<(String, usize)> = Vec::new();
    for finalizer in left.iter().flat_map(|l| &l.finalizers) {
        match finalizers.iter_mut().find(|(name, _)| name == finalizer) {
            Some((_, count)) => *count += 1,
            None => finalizers.push((finalizer.clone(), 1)),
        }
    }
    finalizers.sort();
    let held: Vec<String> = finalizers
        .iter()
        .map(|(name, count)| format!("{name} in {count} resource instances"))
        .collect();
    json!([
        condition(
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned()
        ),
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned()
        ),
        condition(
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned()
        ),
        if remaining.is_empty() {
            condition(
                "NamespaceContentRemaining",
                false,
                "ContentRemoved",
                "All content successfully removed".to_owned(),
            )
        } else {
            condition(
                "NamespaceContentRemaining",
                true,
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", remaining.join(", ")),
            )
        },
        if held.is_empty() {
            condition(
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".to_owned(),
            )
        } else {
            condition(
                "NamespaceFinalizersRemaining",
                true,
                "SomeFinalizersRemain",
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    held.join(", ")
                ),
            )
        },
    ])
}

fn strip_times(conditions: &Value) -> Vec<Value> {
    let strip = |condition: &Value| {
        let mut condition = condition.clone();
        crate::registry::before::remove(&mut condition, "lastTransitionTime");
        condition
    };
    conditions
        .as_array()
        .into_iter()
        .flatten()
        .map(strip)
        .collect()
}
