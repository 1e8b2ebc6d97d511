//! The life of a custom resource definition: its names are accepted unless another of the group has them, then it is
//! established once it is served; when it is deleted, first its objects go, then its finalizer (apiextensions-apiserver
//! pkg/controller/{status,establish,finalizer}). Part of the server itself.
//!
//! There may be tens of thousands: each round looks at those that changed or wait for something, never at all.

mod instances;
mod names;
mod steps;

use super::status::Resource;
use crate::api::Api;
use crate::registry::Registry;
use crate::registry::conditions;
use futures_util::stream::{StreamExt as _, iter};
use names::{Held, Names};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use steps::{Stage, is_ending, step, was_served};
use triad_kv::Revision;
use triad_machinery::meta;

const MANAGER: &str = "kube-apiserver";
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Definitions written at a time: enough to fill one write of the log.
const AT_ONCE: usize = 32;

/// Whether a definition says all that there is to say of it as long as it stays as it is.
pub(crate) fn is_settled(object: &Value) -> bool {
    let named = object.pointer("/spec/names") == object.pointer("/status/acceptedNames");
    named
        && !is_ending(object)
        && was_served(object)
        && !step(&mut object.clone(), &Names::default(), Stage::STANDING)
}

/// Follows definitions for as long as the server runs. Each round takes those that are due one step on; the write wakes the next.
pub(super) async fn run(api: Arc<Api>) {
    let place = ("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let Some(definitions) = Resource::new(&api, place, MANAGER) else {
        return;
    };
    let mut served = api.endpoints.customs.changes();
    let mut due = Due::default();
    let mut level = None;
    loop {
        served.mark_unchanged();
        // What was written in the round before is in the cache then: names given away count as held.
        definitions.level().await;
        let (revision, changed) = definitions.changed_after(level);
        level = Some(revision);
        for name in changed {
            due.refresh(&api, &definitions, &name);
        }
        let round = due.round(&api, &definitions).await;
        tokio::select! {
            () = definitions.changed(revision) => {}
            _ = served.changed() => {}
            () = instances::changed(&api, round.waiting) => {}
            () = tokio::time::sleep(RETRY), if round.failed => {}
        }
    }
}

/// Which definitions have to be looked at, and which names all of them hold.
#[derive(Default)]
struct Due {
    names: Names,
    open: BTreeSet<Box<str>>,
}

/// What the next round waits for, beside changes of definitions and of what is served.
#[derive(Default)]
struct Round {
    failed: bool,
    /// Kinds whose objects have to go, and when they were looked at.
    waiting: Vec<(Arc<Registry>, Revision)>,
}

impl Due {
    /// Takes note of a definition that changed.
    fn refresh(&mut self, api: &Api, definitions: &Resource, name: &str) {
        let Some(cached) = definitions.cached(name) else {
            self.open.remove(name);
            let freed = self.names.forget(name);
            return self.reopen(freed);
        };
        let kind = api.endpoints.customs.kind(name);
        // It was read already.
        if let Some(kind) = kind.filter(|kind| kind.settled && kind.revision == cached.revision) {
            let definition = &kind.definition;
            self.hold(name, &definition.group, Held::of_served(definition));
            self.open.remove(name);
        } else if let Some(object) = definitions.decoded(&cached) {
            let group = object["spec"]["group"].as_str().unwrap_or("");
            self.hold(name, group, Held::of(&object));
            self.open.insert(name.into());
        }
    }

    fn hold(&mut self, name: &str, group: &str, names: Held) {
        let freed = self.names.hold(name, group, names);
        self.reopen(freed.then(|| group.to_owned()));
    }

    /// Names became free in a group: another may have waited for them.
    fn reopen(&mut self, group: Option<String>) {
        if let Some(group) = group {
            let all = self.names.of_group(&group).map(Box::from);
            self.open.extend(all);
        }
    }

    /// Takes each that is due one step on.
    async fn round(&mut self, api: &Api, definitions: &Resource) -> Round {
        let mut round = Round::default();
        let mut writes = Vec::new();
        for name in self.open.clone() {
            let object = definitions
                .cached(&name)
                .and_then(|cached| definitions.decoded(&cached));
            let Some(mut object) = object else {
                self.open.remove(&name);
                continue;
            };
            let Some(stage) = stage(api, &object, &mut round).await else {
                continue;
            };
            if step(&mut object, &self.names, stage) {
                // The next one of the group does not get the same.
                let group = object["spec"]["group"].as_str().unwrap_or("");
                self.hold(&name, group, Held::of(&object));
                writes.push((name, stage));
            } else if !waits(&object) {
                self.open.remove(&name);
            }
        }
        for name in self.write(definitions, writes).await {
            self.refresh(api, definitions, &name);
            round.failed = true;
        }
        round
    }

    /// Writes what was stepped; those for which that failed.
    async fn write(&self, definitions: &Resource, writes: Vec<(Box<str>, Stage)>) -> Vec<Box<str>> {
        let write = |(name, stage): (Box<str>, Stage)| async move {
            let step = |object: &mut Value| step(object, &self.names, stage);
            match definitions.update_status("", &name, step).await {
                Ok(()) => None,
                Err(status) => {
                    tracing::warn!(definition = name, %status, "cannot write the definition's status; trying again");
                    Some(name)
                }
            }
        };
        let written = iter(writes).map(write).buffer_unordered(AT_ONCE);
        written.filter_map(std::future::ready).collect().await
    }
}

/// How far a definition is. Nothing: that will be told, or is looked at again soon.
async fn stage(api: &Api, object: &Value, round: &mut Round) -> Option<Stage> {
    let name = meta::name(object);
    let here = api.endpoints.customs.registry(name);
    if !is_ending(object) {
        let served = here.is_some();
        return Some(Stage::Standing { served });
    }
    let Some(registry) = here else {
        // Its objects cannot be seen here yet: the next change of what is served tells.
        return (!was_served(object)).then_some(Stage::Ending { left: 0 });
    };
    match instances::remove(api, &registry).await {
        Ok(found) => {
            let left = found.left;
            round
                .waiting
                .extend((left > 0).then_some((registry, found.at)));
            // Another member leads, and may cease to.
            round.failed |= found.untouched;
            Some(Stage::Ending { left })
        }
        Err(status) => {
            tracing::warn!(definition = name, %status, "cannot remove the definition's objects; trying again");
            round.failed = true;
            None
        }
    }
}

/// Whether a definition waits for something other than its own change: that it is served, or that its objects go.
fn waits(object: &Value) -> bool {
    is_ending(object) || conditions::is_true(object, "NamesAccepted") && !was_served(object)
}
