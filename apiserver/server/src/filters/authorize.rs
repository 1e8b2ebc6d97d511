//! Who may do what: authorizers in the order of --authorization-mode, the first opinion counts; system:masters may do all
//! (apiserver pkg/authorization/union).

mod escalation;
pub(crate) mod node;
mod rbac;
mod rules;

use crate::cacher::Cacher;
use crate::filters::request_info::RequestInfo;
use crate::user::{MASTERS, User};
use node::NodeAuthorizer;
use rbac::Rbac;
use triad_machinery::selector::{FieldSelector, LabelSelector};

/// What is to be judged: a request's attributes, or those that a review asks about.
#[derive(Clone, Debug, Default)]
#[allow(dead_code)]
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
#[allow(dead_code)]
pub(crate) enum Decision {
    Allow(String),
    Deny(String),
    NoOpinion(String),
}

enum Mode {
    AlwaysAllow,
    AlwaysDeny,
    Node(Box<NodeAuthorizer>),
    Rbac,
}

pub(crate) struct Authorizer {
    /// In order, each with the name that it gives its reasons under.
    modes: Vec<(String, Mode)>,
    rbac: Rbac,
}

impl Authorizer {
    /// None where the table of resources lacks one that the authorizers look at.
    pub(crate) fn new(cacher: &Cacher, modes: Vec<String>) -> Option<Self> {
        let mode = |name: &String| {
            Some(match name.as_str() {
                "AlwaysAllow" => Some(Mode::AlwaysAllow),
                "AlwaysDeny" => Some(Mode::AlwaysDeny),
                "Node" => Some(Mode::Node(Box::new(NodeAuthorizer::new(cacher)?))),
                "RBAC" => Some(Mode::Rbac),
                _ => None,
            })
        };
        let mut chosen = Vec::new();
        for name in &modes {
            chosen.extend(mode(name)?.map(|mode| (name.to_lowercase(), mode)));
        }
        Some(Authorizer {
            modes: chosen,
            rbac: Rbac::new(cacher)?,
        })
    }

    pub(crate) fn authorize(&self, user: &User, attributes: &Attributes) -> Decision {
        if user.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        for (name, mode) in &self.modes {
            let decision = match mode {
                Mode::AlwaysAllow => Decision::Allow(String::new()),
                Mode::AlwaysDeny => Decision::NoOpinion("Everything is forbidden.".to_owned()),
                Mode::Node(node) => node.authorize(user, attributes),
                Mode::Rbac => self.rbac.authorize(user, attributes),
            };
            match decision {
                Decision::NoOpinion(why) if why.is_empty() => {}
                Decision::NoOpinion(why) => reasons.push(format!("{name}: {why}")),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join("\n"))
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
