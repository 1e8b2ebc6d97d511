//! Cluster roles with an aggregationRule hold the rules of those that its selectors match (kubernetes pkg/controller/
//! clusterroleaggregation).

use super::client::{Client, Target};
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::registry::Registry;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::selector::LabelSelector;
use triad_machinery::status::Status;

const GROUP: &str = "rbac.authorization.k8s.io";
const MANAGER: &str = "clusterrole-aggregation-controller";

pub(super) struct Aggregation {
    roles: [Arc<Registry>; 1],
    client: Client,
    /// The roles that have an aggregationRule. Any change to any role may concern each of them: there are few.
    aggregated: Mutex<BTreeSet<Box<str>>>,
}

impl Aggregation {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        Some(Aggregation {
            roles: [api.endpoints.registry(GROUP, "clusterroles")?.clone()],
            client: Client::new(api),
            aggregated: Mutex::default(),
        })
    }

    /// The rules of every role that one of the selectors matches, in the order of selectors and names, each once.
    fn rules(&self, role: &Value) -> Result<Vec<Value>, Status> {
        let [roles] = &self.roles;
        let selectors = role.pointer("/aggregationRule/clusterRoleSelectors");
        let snapshot = roles.cache.snapshot();
        let mut rules: Vec<Value> = Vec::new();
        for selector in selectors.and_then(Value::as_array).into_iter().flatten() {
            let selector =
                LabelSelector::from_object(selector).map_err(|error| Status::internal(error.0))?;
            for other in snapshot.all() {
                if other.name() == meta::name(role) || !selector.matches(|label| other.label(label))
                {
                    continue;
                }
                let other = other.object(&roles.layout).map_err(Status::internal)?;
                for rule in list(&other, "rules") {
                    if !rules.contains(rule) {
                        rules.push(rule.clone());
                    }
                }
            }
        }
        Ok(rules)
    }
}

impl Controller for Aggregation {
    /// A cluster role's name.
    type Key = Box<str>;

    fn name(&self) -> &'static str {
        "clusterrole-aggregation"
    }

    fn sources(&self) -> &[Arc<Registry>] {
        &self.roles
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Box<str>>) {
        let [roles] = &self.roles;
        let Some(object) = change.object() else {
            return;
        };
        let aggregates = change
            .after
            .and_then(|role| role.object(&roles.layout).ok())
            .is_some_and(|role| role.get("aggregationRule").is_some());
        let mut aggregated = self.aggregated.lock();
        if aggregates {
            aggregated.insert(object.name().into());
        } else {
            aggregated.remove(object.name());
        }
        aggregated.iter().for_each(|name| work.add(name.clone()));
    }

    async fn sync(&self, name: &Box<str>) -> Result<Vec<Box<str>>, Trouble> {
        let [roles] = &self.roles;
        let Some(role) = roles.get_local("", name)? else {
            return Ok(Vec::new());
        };
        if role.object.get("aggregationRule").is_none() {
            return Ok(Vec::new());
        }
        let rules = self.rules(&role.object)?;
        if rules == list(&role.object, "rules") {
            return Ok(Vec::new());
        }
        let wanted = json!({"apiVersion": roles.resource().group_version(), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
        self.client
            .apply(Target::new(roles, "", name), MANAGER, &wanted)
            .await?;
        Ok(Vec::new())
    }
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
