//! The resourcequota controller: says what the objects of a namespace use of its quotas (kubernetes
//! pkg/controller/resourcequota). Admission adds what comes; here is counted what a quota finds when it is made, what goes and
//! what changes by itself.

use super::client::{Client, Target};
use super::followed::Followed;
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::cacher::Cached;
use crate::clock::Clock;
use crate::registry::{Registry, unavailable};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use triad_machinery::usage::{Amounts, Measure, Moment};

/// The place of quotas among the sources.
const QUOTAS: usize = 0;

/// A quota by namespace and name.
type Key = (Box<str>, Box<str>);

pub(super) struct Quotas {
    /// The quotas, then everything that can be counted.
    followed: Followed,
    /// The quotas of each namespace that has any.
    known: Mutex<HashMap<Box<str>, BTreeSet<Box<str>>>>,
    client: Client,
    api: Arc<Api>,
}

impl Quotas {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let quotas = api.endpoints.registry("", "resourcequotas")?.clone();
        let mut sources = vec![quotas.clone()];
        let counted = |registry: &Registry| {
            let resource = registry.resource();
            resource.namespaced && !matches!(&*resource.plural, "events" | "resourcequotas")
        };
        let built_in = api.endpoints.built_in().iter();
        sources.extend(built_in.filter(|registry| counted(registry)).cloned());
        Some(Quotas {
            followed: Followed::new(sources, counted),
            known: Mutex::default(),
            client: Client::new(api),
            api: api.clone(),
        })
    }

    fn object(&self, source: usize, cached: &Cached) -> Value {
        decoded(&self.followed.get(source), cached)
    }

    fn quota_changed(&self, change: &Change<'_>, work: &mut Work<Key>) {
        let Some(cached) = change.object() else {
            return;
        };
        let mut known = self.known.lock();
        let Some(after) = change.after else {
            if let Some(names) = known.get_mut(cached.namespace()) {
                names.remove(cached.name());
                if names.is_empty() {
                    known.remove(cached.namespace());
                }
            }
            return;
        };
        let names = known.entry(cached.namespace().into()).or_default();
        names.insert(cached.name().into());
        let now = self.object(QUOTAS, after);
        let was = change.before.map(|before| self.object(QUOTAS, before));
        if was.is_none_or(|was| concerns(&was, &now)) {
            work.add((cached.namespace().into(), cached.name().into()));
        }
    }

    /// Looks at the quotas of a namespace when something there went, or changed what it uses.
    fn object_changed(&self, change: &Change<'_>, work: &mut Work<Key>) {
        let known = self.known.lock();
        let Some(object) = change.object() else {
            return;
        };
        let Some(names) = known.get(object.namespace()) else {
            return;
        };
        let registry = self.followed.get(change.source);
        let measure = measure(&registry);
        let used = |cached| measure.usage(&decoded(&registry, cached), now());
        let matters = match (change.before, change.after) {
            (Some(before), Some(after)) => measure.varies() && used(before) != used(after),
            (before, _) => before.is_some(),
        };
        for name in names.iter().filter(|_| matters) {
            work.add((object.namespace().into(), name.clone()));
        }
    }

    /// What the objects of a namespace use, by the names that the quota limits.
    fn used(&self, namespace: &str, spec: &Value, hard: &Amounts) -> Amounts {
        let mut used = Amounts::default();
        for registry in self.followed.all() {
            let measure = measure(&registry);
            let limits: Vec<&str> = hard.names().filter(|name| measure.covers(name)).collect();
            if limits.is_empty() {
                continue;
            }
            used = used.plus(&Amounts::zeros(limits.iter().copied()));
            let scope = registry.layout.scope(namespace);
            for cached in registry.cache.snapshot().range(&scope, None) {
                let object = decoded(&registry, cached);
                if measure.in_scope(spec, &object) {
                    used = used.plus(&measure.usage(&object, now()).only_named(&limits));
                }
            }
        }
        used
    }
}

impl Controller for Quotas {
    type Key = Key;

    fn name(&self) -> &'static str {
        "resourcequota"
    }

    fn followed(&self) -> Option<&Followed> {
        Some(&self.followed)
    }

    fn sources(&self) -> &[Arc<Registry>] {
        self.followed.built_in()
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Key>) {
        if change.source == QUOTAS {
            self.quota_changed(change, work);
        }
        self.object_changed(change, work);
    }

    async fn sync(&self, key: &Key) -> Result<Vec<Key>, Trouble> {
        let (namespace, name) = key;
        let quotas = &self.followed.built_in()[QUOTAS];
        // While this is counted, nothing comes that admission would have to add; what came before is in the caches.
        let _alone = self.api.admission.turns.alone(namespace).await;
        let level = self.api.cacher.barrier().await;
        level.map_err(|error| unavailable(&error))?;
        let Some(stored) = quotas.get_local(namespace, name)? else {
            return Ok(Vec::new());
        };
        let mut quota = stored.object;
        let spec = quota.get("spec").cloned().unwrap_or_default();
        let hard = Amounts::parse(spec.get("hard"));
        let shown_hard = Amounts::parse(quota.pointer("/status/hard"));
        let shown_used = Amounts::parse(quota.pointer("/status/used"));
        let mut used = shown_used.clone().only(|name| hard.has(name));
        let found = self.used(namespace, &spec, &hard);
        for name in found.names() {
            if let Some(amount) = found.get(name) {
                used.set(name, amount.clone());
            }
        }
        if hard == shown_hard && used == shown_used {
            return Ok(Vec::new());
        }
        quota["status"]["hard"] = hard.to_value();
        quota["status"]["used"] = used.to_value();
        let target = Target::new(quotas, namespace, name).status();
        self.client.update(target, &quota).await?;
        Ok(Vec::new())
    }
}

/// How the objects of a kind are counted.
fn measure(registry: &Registry) -> Measure {
    let resource = registry.resource();
    Measure::of(&resource.group, &resource.plural)
}

fn decoded(registry: &Registry, cached: &Cached) -> Value {
    cached.object(&registry.layout).unwrap_or_default()
}

/// Whether a change to a quota asks for a count: other limits, or usage that was lowered by someone. Admission only adds.
fn concerns(before: &Value, after: &Value) -> bool {
    let amounts = |quota: &Value, at| Amounts::parse(quota.pointer(at));
    let used = amounts(after, "/status/used");
    before.get("spec") != after.get("spec")
        || amounts(after, "/spec/hard") != amounts(after, "/status/hard")
        || !amounts(before, "/status/used")
            .beyond(&used)
            .without_zeros()
            .is_empty()
}

fn now() -> Moment {
    Moment {
        unix_seconds: Clock.unix_seconds(),
    }
}
