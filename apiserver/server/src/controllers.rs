//! The controllers that run inside the server; they act through the registry, like any client, and are fed from the
//! cacher's watches. Each is switched off by its name in --controllers.

mod account_tokens;
mod aggregation;
pub(crate) mod client;
pub(crate) mod definitions;
mod event;
mod flow_config;
mod flow_schemas;
mod followed;
mod garbage;
mod identity;
mod migration;
mod namespace;
pub(crate) mod presence;
mod quota;
mod root_ca;
mod run;
mod service_accounts;
mod service_range;
mod sources;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod token_usage;
mod work;

use crate::api::Api;
use crate::registry::Registry;
use run::{Trouble, run};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use triad_machinery::meta;
use triad_machinery::status::{Status, reason};

/// How soon the controllers follow the leadership.
const LOOK_AT_LEADER: Duration = Duration::from_millis(500);

/// The running controllers; dropping or aborting ends them.
pub(crate) struct Running(JoinSet<()>);

impl Running {
    pub(crate) fn abort(mut self) {
        self.0.abort_all();
    }
}

pub(crate) fn start(api: &Arc<Api>) -> Running {
    let mut tasks = JoinSet::new();
    // Parts of the API server itself, with no name to switch them off by.
    tasks.spawn(crate::bootstrap::keep(api.clone()));
    tasks.spawn(presence::run(api.clone()));
    tasks.spawn(identity::run(api.clone()));
    tasks.spawn(crate::registry::repair_services(api.clone()));
    tasks.spawn(flow_config::run(api.clone()));
    tasks.spawn(flow_schemas::run(api.clone()));
    tasks.spawn(crate::aggregation::follow(api.clone()));
    tasks.spawn(crate::aggregation::watch_over(api.clone()));
    tasks.spawn(crate::aggregation::follow_documents(api.clone()));
    tasks.spawn(crate::aggregation::trust::keep(api.clone()));
    tasks.spawn(definitions::run(api.clone()));
    tasks.spawn(crate::custom::follow(api.clone()));
    tasks.spawn(crate::custom::api_services::register(api.clone()));
    tasks.spawn(service_range::run(api.clone()));
    tasks.spawn(token_usage::run(api.clone()));
    tasks.spawn(crate::cluster::backup::on_schedule(api.clone()));
    tasks.spawn(crate::cluster::backup::archive(api.clone()));
    tasks.spawn(api.authorizer.clone().follow());
    let following = api.clone();
    tasks.spawn(async move { following.authenticator.follow().await });
    tasks.spawn(while_leading(api.clone()));
    Running(tasks)
}

/// Runs the controllers on the member that leads. Two that do so for a moment do each other no harm: every write bears
/// what it was decided on.
async fn while_leading(api: Arc<Api>) {
    let mut running = None;
    loop {
        if api.store.health().leader {
            running.get_or_insert_with(|| controllers(&api));
        } else if running.take().is_some() {
            tracing::info!("another member leads now: the controllers run there");
        }
        tokio::time::sleep(LOOK_AT_LEADER).await;
    }
}

/// The controllers that are switched on; dropping ends them.
fn controllers(api: &Arc<Api>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let on = |name| api.config.controllers.enabled(name);
    if on("namespace-controller") {
        tasks.spawn(run(api.clone(), namespace::Namespaces::new));
    }
    if on("garbage-collector-controller") {
        tasks.spawn(run(api.clone(), garbage::GarbageCollector::new));
    }
    if on("serviceaccount-controller") {
        tasks.spawn(run(api.clone(), service_accounts::DefaultAccounts::new));
    }
    if on("serviceaccount-token-controller") {
        tasks.spawn(run(api.clone(), account_tokens::AccountTokens::new));
    }
    if on("root-ca-certificate-publisher-controller") {
        tasks.spawn(run(api.clone(), root_ca::RootCertificates::new));
    }
    if on("clusterrole-aggregation-controller") {
        tasks.spawn(run(api.clone(), aggregation::Aggregation::new));
    }
    if on("storage-version-migrator-controller") {
        tasks.spawn(run(api.clone(), migration::Migrations::new));
    }
    if on("resourcequota-controller") {
        tasks.spawn(run(api.clone(), quota::Quotas::new));
    }
    tasks
}

/// Whether a namespace is there and not on its way out: only then is anything made in it.
fn active(namespaces: &Registry, name: &str) -> Result<bool, Status> {
    let Some(stored) = namespaces.get_local("", name)? else {
        return Ok(false);
    };
    let phase = stored.object.pointer("/status/phase");
    Ok(meta::deletion_timestamp(&stored.object).is_empty()
        && phase.and_then(Value::as_str) == Some("Active"))
}

/// A write into a namespace that ended meanwhile, or that another made first, has nothing left to do.
fn unless_ending(result: Result<(), Status>) -> Result<(), Trouble> {
    let Err(status) = result else {
        return Ok(());
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let ending = causes
        .into_iter()
        .any(|cause| cause.reason == "NamespaceTerminating");
    if ending || status.is(reason::ALREADY_EXISTS) || status.is(reason::NOT_FOUND) {
        Ok(())
    } else {
        Err(status.into())
    }
}
