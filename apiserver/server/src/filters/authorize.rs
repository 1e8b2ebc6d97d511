//! Who may do what: RBAC over the cached roles and bindings, in the order of --authorization-mode; system:masters may do all.
//!
//! Rules are compiled from the caches' snapshots and compiled again when one of them has moved on
//! (kubernetes plugin/pkg/auth/authorizer/rbac).

mod escalation;
mod rules;

use crate::cacher::{Cacher, ResourceCache};
use crate::filters::request_info::RequestInfo;
use crate::user::{MASTERS, User};
use arc_swap::ArcSwap;
use rules::Compiled;
use std::sync::Arc;
use triad_kv::Revision;

/// What is to be judged: a request's attributes, or those that a review asks about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) resource_request: bool,
    pub(crate) path: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Attributes {
    pub(crate) fn of(info: &RequestInfo) -> Self {
        Attributes {
            verb: info.verb.clone(),
            resource_request: info.is_resource,
            path: info.path.clone(),
            group: info.group.clone(),
            resource: info.resource.clone(),
            subresource: info.subresource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
        }
    }

    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// Upstream's words for what was refused (apiserver pkg/endpoints/handlers/responsewriters/errors.go).
    pub(crate) fn refusal(&self, user: &User) -> String {
        let name = triad_machinery::goformat::quote(&user.name);
        if !self.resource_request {
            return format!(
                "User {name} cannot {} path {}",
                self.verb,
                triad_machinery::goformat::quote(&self.path)
            );
        }
        let what = format!(
            "User {name} cannot {} resource \"{}\" in API group \"{}\"",
            self.verb,
            self.full_resource(),
            self.group
        );
        if self.namespace.is_empty() {
            format!("{what} at the cluster scope")
        } else {
            format!(
                "{what} in the namespace {}",
                triad_machinery::goformat::quote(&self.namespace)
            )
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow(String),
    Deny(String),
    NoOpinion,
}

pub(crate) struct Authorizer {
    modes: Vec<String>,
    sources: [Arc<ResourceCache>; 4],
    compiled: ArcSwap<(Revision, Compiled)>,
}

impl Authorizer {
    pub(crate) fn new(cacher: &Cacher, modes: Vec<String>) -> Option<Self> {
        let source = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        let sources = [
            source("clusterroles")?,
            source("roles")?,
            source("clusterrolebindings")?,
            source("rolebindings")?,
        ];
        Some(Authorizer {
            modes,
            sources,
            compiled: ArcSwap::from_pointee((Revision(0), Compiled::default())),
        })
    }

    pub(crate) fn authorize(&self, user: &User, attributes: &Attributes) -> Decision {
        if user.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        for mode in &self.modes {
            match mode.as_str() {
                "AlwaysAllow" => return Decision::Allow(String::new()),
                "AlwaysDeny" => return Decision::Deny(String::new()),
                "RBAC" => {
                    if let Some(reason) = self.rbac().1.allows(user, attributes) {
                        return Decision::Allow(reason);
                    }
                }
                // Node's own rules give nobody but nodes anything; without RBAC's node rules they have no opinion.
                _ => {}
            }
        }
        Decision::NoOpinion
    }

    /// All rules of a user in a namespace, for SelfSubjectRulesReview and escalation checks.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Vec<serde_json::Value> {
        self.rbac().1.rules_of(user, namespace)
    }

    fn rbac(&self) -> arc_swap::Guard<Arc<(Revision, Compiled)>> {
        let snapshots = self.sources.each_ref().map(|source| source.snapshot());
        let newest = snapshots
            .iter()
            .map(|snapshot| snapshot.revision)
            .max()
            .unwrap_or(Revision(0));
        if self.compiled.load().0 != newest {
            let objects = [0, 1, 2, 3].map(|at: usize| {
                snapshots[at]
                    .objects
                    .values()
                    .filter_map(|object| object.object(&self.sources[at].layout).ok())
                    .collect()
            });
            self.compiled
                .store(Arc::new((newest, Compiled::new(&objects))));
        }
        self.compiled.load()
    }
}
