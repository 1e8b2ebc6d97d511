//! The API services of custom kinds: one for each group and version that is served, made and taken away with them
//! (kube-aggregator pkg/controllers/autoregister, kubernetes pkg/controlplane/controller/crdregistration).

use super::following::is_level;
use super::{GroupVersion, Members};
use crate::api::Api;
use crate::bootstrap;
use crate::cacher::Cached;
use crate::controllers::status::Resource;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::status::Status;

/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Custom kinds come behind the built-in ones.
pub(crate) const GROUP_PRIORITY: i64 = 1000;
pub(crate) const VERSION_PRIORITY: i64 = 100;
const AUTOMANAGED: (&str, &str) = ("kube-aggregator.kubernetes.io/automanaged", "true");

/// Keeps API services level with the kinds for as long as the server runs: what is missing is made, what says something else is mended,
/// what is served no longer goes. Nobody else's are touched.
pub(crate) async fn register(api: Arc<Api>) {
    let place = ("apiregistration.k8s.io", "v1", "apiservices");
    let Some(services) = Resource::new(&api, place, "kube-apiserver") else {
        return;
    };
    let mut changes = api.endpoints.customs.changes();
    let (mut due, mut level, mut served) = (BTreeSet::new(), None, OrdMap::new());
    loop {
        changes.mark_unchanged();
        let before = std::mem::replace(&mut served, api.endpoints.customs.groups());
        due.extend(before.diff(&served).filter_map(|item| match item {
            DiffItem::Add((group, version), _) | DiffItem::Remove((group, version), _) => {
                Some(name(group, version))
            }
            DiffItem::Update { .. } => None,
        }));
        let (revision, changed) = services.changed_after(level);
        level = Some(revision);
        due.extend(changed.into_iter().map(String::from));
        due = sync_all(&api, &services, &served, due).await;
        let failed = !due.is_empty();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = services.changed(revision) => {}
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

/// Those that have to be looked at again.
async fn sync_all(
    api: &Arc<Api>,
    services: &Resource,
    served: &OrdMap<GroupVersion, Members>,
    due: BTreeSet<String>,
) -> BTreeSet<String> {
    let mut failed = BTreeSet::new();
    for name in due {
        match sync(api, services, served, &name).await {
            Ok(true) => {}
            Ok(false) => _ = failed.insert(name),
            Err(status) => {
                tracing::warn!(api_service = name, %status, "cannot bring the API service of custom resources in order; trying again");
                failed.insert(name);
            }
        }
    }
    failed
}

/// Brings one in order (autoregister_controller.go, checkAPIService). False: it is too early to tell.
async fn sync(
    api: &Arc<Api>,
    services: &Resource,
    served: &OrdMap<GroupVersion, Members>,
    name: &str,
) -> Result<bool, Status> {
    let (version, group) = name.split_once('.').unwrap_or((name, ""));
    let wanted = served.contains_key(&(Arc::from(group), Arc::from(version)));
    let Some(cached) = services.cached(name) else {
        if wanted {
            bootstrap::ensure(api, service(group, version)).await?;
        }
        return Ok(true);
    };
    let (label, value) = AUTOMANAGED;
    if cached.label(label) != Some(value) {
        return Ok(true);
    }
    if wanted {
        mend(services, &cached, name, &service(group, version)["spec"]).await?;
    } else if is_level(api) {
        services.delete(name).await?;
    } else {
        // Another member made it for a definition that is not served here yet.
        return Ok(false);
    }
    Ok(true)
}

async fn mend(
    services: &Resource,
    cached: &Cached,
    name: &str,
    spec: &Value,
) -> Result<(), Status> {
    let differs = |object: &Value| object["spec"] != *spec;
    if !services
        .decoded(cached)
        .is_some_and(|object| differs(&object))
    {
        return Ok(());
    }
    let mend = |object: &mut Value| {
        let differs = differs(object);
        object["spec"] = spec.clone();
        differs
    };
    services.update("", name, mend).await
}

fn name(group: &str, version: &str) -> String {
    format!("{version}.{group}")
}

fn service(group: &str, version: &str) -> Value {
    json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name(group, version), "labels": {AUTOMANAGED.0: AUTOMANAGED.1}},
        "spec": {"group": group, "version": version, "groupPriorityMinimum": GROUP_PRIORITY, "versionPriority": VERSION_PRIORITY},
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available", "lastTransitionTime": crate::clock::Clock.now()}]}})
}
