//! The API services of custom kinds: one for each group and version that is served, made and taken away with them
//! (kube-aggregator pkg/controllers/autoregister, kubernetes pkg/controlplane/controller/crdregistration).

use super::Kind;
use crate::api::Api;
use crate::bootstrap;
use crate::controllers::status::Resource;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::meta;
use triad_machinery::status::Status;

/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Custom kinds come behind the built-in ones.
const GROUP_PRIORITY: i64 = 1000;
const VERSION_PRIORITY: i64 = 100;
const AUTOMANAGED: (&str, &str) = ("kube-aggregator.kubernetes.io/automanaged", "true");

/// Keeps API services level with the kinds for as long as the server runs.
pub(crate) async fn register(api: Arc<Api>) {
    let place = ("apiregistration.k8s.io", "v1", "apiservices");
    let Some(services) = Resource::new(&api, place, "kube-apiserver") else {
        return;
    };
    let mut changes = api.endpoints.customs.changes();
    loop {
        changes.mark_unchanged();
        let failed = round(&api, &services).await.is_err_and(|status| {
            tracing::warn!(%status, "cannot bring the API services of custom resources in order; trying again");
            true
        });
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

async fn round(api: &Arc<Api>, services: &Resource) -> Result<(), Status> {
    let kinds = api.endpoints.customs.kinds();
    let wanted: BTreeSet<(String, String)> = kinds.iter().flat_map(|kind| versions(kind)).collect();
    let names: BTreeSet<String> = wanted
        .iter()
        .map(|(group, version)| name(group, version))
        .collect();
    let (_, all) = services.list();
    let there: BTreeSet<&str> = all.iter().map(meta::name).collect();
    for (group, version) in wanted
        .iter()
        .filter(|(group, version)| !there.contains(&*name(group, version)))
    {
        bootstrap::ensure(api, service(group, version)).await?;
    }
    let ours = |object: &&Value| meta::labels(object).any(|label| label == AUTOMANAGED);
    for object in all
        .iter()
        .filter(ours)
        .filter(|object| !names.contains(meta::name(object)))
    {
        services.delete(meta::name(object)).await?;
    }
    Ok(())
}

fn versions(kind: &Kind) -> Vec<(String, String)> {
    let definition = &kind.definition;
    let served = definition.served().into_iter();
    served
        .map(|version| (definition.group.clone(), version.name.clone()))
        .collect()
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
