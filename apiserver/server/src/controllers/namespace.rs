//! The namespace controller: empties a namespace that is being deleted, then lets it go
//! (kubernetes pkg/controller/namespace/deletion).

mod conditions;

use super::followed::Followed;
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::handlers::params::DeleteOptions;
use crate::registry::Registry;
use conditions::conditions;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::status::{OBJECT_MODIFIED, Status, reason};

const FINALIZER: &str = "kubernetes";
/// The place of namespaces among the sources.
const NAMESPACES: usize = 0;
/// Objects deleted at a time: enough to fill one write of the log.
const AT_ONCE: usize = 32;

pub(super) struct Namespaces {
    /// The namespaces, then everything that can be in one.
    followed: Followed,
    /// The namespaces that are on their way out.
    ending: Mutex<HashSet<Box<str>>>,
    api: Arc<Api>,
}

impl Namespaces {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let mut sources = vec![api.endpoints.registry("", "namespaces")?.clone()];
        let namespaced = |registry: &Registry| registry.resource().namespaced;
        let built_in = api.endpoints.built_in().iter();
        sources.extend(built_in.filter(|registry| namespaced(registry)).cloned());
        Some(Namespaces {
            followed: Followed::new(sources, namespaced),
            ending: Mutex::default(),
            api: api.clone(),
        })
    }
}

impl Controller for Namespaces {
    /// A namespace's name.
    type Key = Box<str>;

    fn name(&self) -> &'static str {
        "namespace"
    }

    fn followed(&self) -> Option<&Followed> {
        Some(&self.followed)
    }

    fn sources(&self) -> &[Arc<Registry>] {
        self.followed.built_in()
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Box<str>>) {
        let Some(object) = change.object() else {
            return;
        };
        let mut ending = self.ending.lock();
        if change.source == NAMESPACES {
            match change.after {
                Some(namespace) if namespace.lineage().deleting => {
                    ending.insert(namespace.name().into());
                    work.add(namespace.name().into());
                }
                _ => {
                    ending.remove(object.name());
                }
            }
        } else if ending.contains(object.namespace()) {
            // Something went, waits for less, or slipped in.
            work.add(object.namespace().into());
        }
    }

    async fn sync(&self, name: &Box<str>) -> Result<Vec<Box<str>>, Trouble> {
        let namespaces = &self.followed.built_in()[NAMESPACES];
        match namespaces.get("", name).await {
            Ok(stored) if !meta::deletion_timestamp(&stored.object).is_empty() => {
                let waits = finish(&self.api, namespaces, stored.object).await?;
                // No watch tells when another server has let go of something.
                if waits {
                    let why = "other servers have something in the namespace";
                    return Err(Trouble::Later(why.to_owned()));
                }
            }
            Ok(_) => {}
            Err(status) if status.is(reason::NOT_FOUND) => {}
            Err(status) => return Err(status.into()),
        }
        Ok(Vec::new())
    }
}

/// Empties one namespace and lets it go when it is empty. What is left in it changes before it can go on; whether it has to be asked
/// for, since other servers have it.
async fn finish(api: &Arc<Api>, namespaces: &Registry, namespace: Value) -> Result<bool, Status> {
    let name = meta::name(&namespace).to_owned();
    let ours = namespace
        .pointer("/spec/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|f| f == FINALIZER));
    if !ours {
        return Ok(false);
    }
    let mut outcome = Outcome {
        left: empty(api, &name).await?,
        ..Outcome::default()
    };
    empty_elsewhere(api, &name, &mut outcome).await;
    let Ok(stored) = namespaces.get("", &name).await else {
        return Ok(false);
    };
    let overtaken = || Status::conflict(namespaces.group_resource(), &name, OBJECT_MODIFIED);
    let mut changed = stored.object.clone();
    if outcome.is_done() {
        let rest: Vec<Value> = changed
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|f| *f != FINALIZER)
            .cloned()
            .collect();
        changed["spec"]["finalizers"] = json!(rest);
        changed["status"]["conditions"] = conditions(&outcome, namespaces);
        if rest.is_empty() && meta::finalizers(&changed).next().is_none() {
            let removed = namespaces.remove(&stored, Default::default()).await?;
            return removed.map(|_| false).ok_or_else(overtaken);
        }
    } else {
        let wanted = conditions(&outcome, namespaces);
        let shown = changed.pointer("/status/conditions");
        if shown.is_some_and(|shown| strip_times(shown) == strip_times(&wanted)) {
            return Ok(outcome.elsewhere);
        }
        changed["status"]["conditions"] = wanted;
    }
    let replaced = namespaces
        .replace(&stored, changed, Default::default(), false)
        .await?;
    let elsewhere = outcome.elsewhere;
    replaced.map(|_| elsewhere).ok_or_else(overtaken)
}

/// What came of emptying a namespace.
#[derive(Default)]
struct Outcome {
    left: Vec<Left>,
    /// Groups and versions of other servers of which nobody knows what they have.
    unknown: Vec<String>,
    /// What went wrong with those of which that is known.
    failed: Vec<String>,
    /// Other servers have, or may have, something still.
    elsewhere: bool,
}

impl Outcome {
    fn is_done(&self) -> bool {
        self.left.is_empty() && !self.elsewhere
    }
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
        .into_iter()
        .filter(|registry| registry.resource().namespaced)
        .collect();
    registries.sort_by_key(|registry| &*registry.resource().plural == "pods");
    api.cacher
        .barrier()
        .await
        .map_err(|e| crate::registry::unavailable(&e))?;
    for registry in &registries {
        let scope = registry.layout.scope(namespace);
        let names: Vec<String> = registry
            .cache
            .snapshot()
            .range(&scope, None)
            .map(|object| object.name().to_owned())
            .collect();
        let options = DeleteOptions {
            propagation_policy: Some("Background".to_owned()),
            ..Default::default()
        };
        futures_util::stream::iter(names)
            .map(|name| delete(registry, namespace, name, &options))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
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
            let name = if resource.group.is_empty() {
                format!("{}.", resource.plural)
            } else {
                format!("{}.{}", resource.plural, resource.group)
            };
            left.push(Left::new(name, &rest));
        }
    }
    Ok(left)
}

/// Deletes what other servers have in the namespace.
async fn empty_elsewhere(api: &Api, namespace: &str, outcome: &mut Outcome) {
    let contents = api.aggregation.in_namespaces();
    outcome.unknown = contents.unknown;
    for resource in &contents.resources {
        match api.aggregation.empty(resource, namespace).await {
            Ok(rest) if rest.is_empty() => {}
            Ok(rest) => {
                outcome.left.push(Left::new(resource.name(), &rest));
                outcome.elsewhere = true;
            }
            Err(why) => outcome.failed.push(why),
        }
    }
    outcome.elsewhere |= !(outcome.unknown.is_empty() && outcome.failed.is_empty());
}

impl Left {
    fn new(resource: String, rest: &[Value]) -> Self {
        let finalizers = rest.iter().flat_map(meta::finalizers);
        Left {
            resource,
            count: rest.len(),
            finalizers: finalizers.map(str::to_owned).collect(),
        }
    }
}

async fn delete(
    registry: &Registry,
    namespace: &str,
    name: String,
    options: &DeleteOptions,
) -> Result<(), Status> {
    match registry.delete(namespace, &name, options).await {
        Err(status) if !status.is(reason::NOT_FOUND) => Err(status),
        _ => Ok(()),
    }
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
