//! Who may do what: authorizers in the order of --authorization-mode or of a file, the first opinion counts; system:masters may
//! do all (apiserver pkg/authorization/union).

mod abac;
pub(crate) mod configuration;
mod escalation;
pub(crate) mod node;
mod rbac;
mod rules;
mod webhook;

use crate::cacher::Cacher;
use crate::egress;
use crate::filters::following::follow;
use crate::filters::request_info::RequestInfo;
use crate::user::{MASTERS, User};
use abac::Abac;
use anyhow::{Context as _, Result, anyhow};
use arc_swap::ArcSwap;
use configuration::Options;
use node::NodeAuthorizer;
use rbac::Rbac;
use std::sync::Arc;
use triad_machinery::selector::{FieldSelector, LabelSelector};

/// What is to be judged: a request's attributes, or those that a review asks about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) resource_request: bool,
    pub(crate) path: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What a list, watch or deletion of many is limited to; one that cannot be read limits nothing.
    pub(crate) field_selector: FieldSelector,
    pub(crate) label_selector: LabelSelector,
}

impl Attributes {
    pub(crate) fn of(info: &RequestInfo) -> Self {
        Attributes {
            verb: info.verb.clone(),
            resource_request: info.is_resource,
            path: info.path.clone(),
            group: info.group.clone(),
            version: info.version.clone(),
            resource: info.resource.clone(),
            subresource: info.subresource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            field_selector: FieldSelector::parse(&info.field_selector).unwrap_or_default(),
            label_selector: LabelSelector::parse(&info.label_selector).unwrap_or_default(),
        }
    }

    /// Whether nothing is asked for but objects with this value in a field.
    fn selects(&self, field: &str, value: &str) -> bool {
        let mut terms = self.field_selector.terms.iter();
        terms.any(|term| term.equal && term.field == field && term.value == value)
    }

    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// Upstream's words for what was refused, and why (apiserver pkg/endpoints/handlers/responsewriters/errors.go).
    pub(crate) fn refusal(&self, user: &User, why: &str) -> String {
        let name = triad_machinery::goformat::quote(&user.name);
        let what = if !self.resource_request {
            format!(
                "User {name} cannot {} path {}",
                self.verb,
                triad_machinery::goformat::quote(&self.path)
            )
        } else {
            let place = match self.namespace.as_str() {
                "" => "at the cluster scope".to_owned(),
                namespace => format!(
                    "in the namespace {}",
                    triad_machinery::goformat::quote(namespace)
                ),
            };
            format!(
                "User {name} cannot {} resource {} in API group {} {place}",
                self.verb,
                triad_machinery::goformat::quote(&self.full_resource()),
                triad_machinery::goformat::quote(&self.group)
            )
        };
        let what = harmless(&what);
        if why.is_empty() {
            what
        } else {
            format!("{what}: {why}")
        }
    }
}

/// Without what a browser could take for HTML.
fn harmless(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What an authorizer says, each with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow(String),
    Deny(String),
    NoOpinion(String),
}

#[derive(Clone)]
enum Mode {
    AlwaysAllow,
    AlwaysDeny,
    Abac(Arc<Abac>),
    Node(Arc<NodeAuthorizer>),
    Rbac,
    Webhook(Arc<webhook::Webhook>),
}

/// Authorizers in order, each with the name that it gives its reasons under.
type Modes = Vec<(String, Mode)>;

pub(crate) struct Authorizer {
    modes: ArcSwap<Modes>,
    options: Options,
    rbac: Rbac,
    node: Arc<NodeAuthorizer>,
    abac: Option<Arc<Abac>>,
    /// The types beside webhooks that there were at the start: a file must go on naming them.
    required: Vec<String>,
}

impl Authorizer {
    pub(crate) fn new(cacher: &Cacher, options: Options) -> Result<Self> {
        let missing = || anyhow!("the resource table lacks a resource that authorizers look at");
        let abac = options.policy_file.as_deref().map(Abac::read).transpose();
        let mut authorizer = Authorizer {
            modes: ArcSwap::default(),
            rbac: Rbac::new(cacher).ok_or_else(missing)?,
            node: Arc::new(NodeAuthorizer::new(cacher).ok_or_else(missing)?),
            abac: abac.map_err(|why| anyhow!(why))?.map(Arc::new),
            required: Vec::new(),
            options,
        };
        let chosen = match &authorizer.options.config_file {
            None => configuration::of_flags(&authorizer.options),
            Some(file) => {
                let text = std::fs::read(file).with_context(|| {
                    format!("cannot read --authorization-config {}", file.display())
                })?;
                configuration::of_file(&text, &[])
            }
        };
        let chosen = chosen.map_err(|why| anyhow!(why))?;
        let kinds = chosen.iter().map(|one| one.kind.clone());
        authorizer.required = kinds.filter(|kind| kind != "Webhook").collect();
        let modes = authorizer.made(chosen).map_err(|why| anyhow!(why))?;
        authorizer.modes.store(Arc::new(modes));
        Ok(authorizer)
    }

    fn made(&self, chosen: Vec<configuration::Authorizer>) -> Result<Modes, String> {
        let mode = |one: configuration::Authorizer| {
            let refused = || {
                format!(
                    "authorizer type {} is not allowed if it was not enabled at initial server startup",
                    one.kind
                )
            };
            let mode = match (one.kind.as_str(), one.webhook) {
                ("AlwaysAllow", _) => Mode::AlwaysAllow,
                ("AlwaysDeny", _) => Mode::AlwaysDeny,
                ("Node", _) => Mode::Node(self.node.clone()),
                ("RBAC", _) => Mode::Rbac,
                ("ABAC", _) => Mode::Abac(
                    self.abac
                        .clone()
                        .ok_or("authorization-mode ABAC's authorization policy file not passed")?,
                ),
                ("Webhook", Some(settings)) => {
                    Mode::Webhook(Arc::new(webhook::Webhook::new(settings)))
                }
                _ => return Err(refused()),
            };
            Ok((one.name, mode))
        };
        chosen.into_iter().map(mode).collect()
    }

    /// Follows the file of authorizers, if there is one. What is wrong with a new text leaves those before in place.
    pub(crate) async fn follow(self: Arc<Self>) {
        let Some(file) = self.options.config_file.clone() else {
            return;
        };
        follow(&file, "authorization configuration", |text| {
            let chosen = configuration::of_file(text, &self.required)?;
            self.modes.store(Arc::new(self.made(chosen)?));
            Ok(())
        })
        .await;
    }

    /// What the authorizers say. Waits for webhooks.
    pub(crate) async fn decide(&self, user: &User, attributes: &Attributes) -> Decision {
        if user.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        let modes = self.modes.load_full();
        let mut reasons = Vec::new();
        for (name, mode) in modes.iter() {
            let decision = match mode {
                Mode::AlwaysAllow => Decision::Allow(String::new()),
                Mode::AlwaysDeny => Decision::NoOpinion("Everything is forbidden.".to_owned()),
                Mode::Abac(abac) => abac.authorize(user, attributes),
                Mode::Node(node) => node.authorize(user, attributes),
                Mode::Rbac => self.rbac.authorize(user, attributes),
                Mode::Webhook(webhook) => webhook.authorize(user, attributes).await,
            };
            match decision {
                Decision::NoOpinion(why) if why.is_empty() => {}
                Decision::NoOpinion(why) => reasons.push(format!("{name}: {why}")),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join("\n"))
    }

    /// The same where nobody can wait: only with a webhook among the authorizers anything is waited for, on a thread that is
    /// made for that.
    pub(crate) fn authorize(&self, user: &User, attributes: &Attributes) -> Decision {
        use futures_util::FutureExt as _;
        let asks = |(_, mode): &(String, Mode)| matches!(mode, Mode::Webhook(_));
        if self.modes.load().iter().any(asks) {
            return egress::wait(self.decide(user, attributes));
        }
        let decided = self.decide(user, attributes).now_or_never();
        decided.unwrap_or_else(|| Decision::NoOpinion(String::new()))
    }

    /// All rules of a user in a namespace, for SelfSubjectRulesReview and escalation checks.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Vec<serde_json::Value> {
        self.rbac.rules_of(user, namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_nothing_that_a_browser_would_run() {
        let asked = Attributes {
            verb: "get".into(),
            path: "/<script>&".into(),
            ..Attributes::default()
        };
        let user = User {
            name: "a<b".into(),
            ..User::default()
        };
        assert_eq!(
            asked.refusal(&user, "because"),
            "User \"a&lt;b\" cannot get path \"/&lt;script&gt;&amp;\": because"
        );
    }
}
