//! The ways in which somebody may act as another: as the node that one runs on, as any node, as a service account, as any other
//! user, and as anybody (apiserver pkg/endpoints/filters/impersonation/mode.go). All but the last want a second permission: to do
//! what is asked for while acting so.

use super::Acting;
use crate::filters::authorize::{Attributes, Authorizer, Decision};
use crate::user::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, User, extra_key_problems};
use triad_machinery::goformat::quote;
use triad_machinery::names;
use triad_machinery::status::{GroupResource, Status};

const AUTHENTICATION: &str = "authentication.k8s.io";
const ACCOUNT: &str = "system:serviceaccount:";
const NODE: &str = "system:node:";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// From so many values on all are asked for at once, before each.
const MANY: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Anybody,
}

pub(super) const MODES: [Mode; 5] = [
    Mode::AssociatedNode,
    Mode::ArbitraryNode,
    Mode::ServiceAccount,
    Mode::UserInfo,
    Mode::Anybody,
];

/// Who asks whom whether something is allowed.
struct Asking<'a> {
    authorizer: &'a Authorizer,
    caller: &'a User,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::AssociatedNode => "associated-node",
            Mode::ArbitraryNode => "arbitrary-node",
            Mode::ServiceAccount => "serviceaccount",
            Mode::UserInfo => "user-info",
            Mode::Anybody => "",
        }
    }

    fn verb(self) -> String {
        match self {
            Mode::Anybody => "impersonate".to_owned(),
            narrow => format!("impersonate:{}", narrow.name()),
        }
    }

    fn fits(self, caller: &User, wanted: &User) -> bool {
        let bare = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (node, account) = (node(&wanted.name), account(&wanted.name));
        match self {
            Mode::AssociatedNode => bare && node.is_some() && node == runs_on(caller),
            Mode::ArbitraryNode => bare && node.is_some(),
            Mode::ServiceAccount => bare && account.is_some(),
            Mode::UserInfo => node.is_none() && account.is_none(),
            Mode::Anybody => true,
        }
    }

    /// None where the mode is not for such a user.
    pub(super) async fn check(
        self,
        authorizer: &Authorizer,
        caller: &User,
        wanted: &User,
        asked: &Attributes,
    ) -> Option<Result<Acting, Status>> {
        if !self.fits(caller, wanted) {
            return None;
        }
        // What is allowed to an account on its node does not depend on what node that is.
        let mut general = caller.clone();
        if self == Mode::AssociatedNode {
            let keys = caller.extra.keys().cloned().collect();
            let key = "authentication.kubernetes.io/associated-node-keys";
            general.extra = [(key.to_owned(), keys)].into();
        }
        let asking = Asking {
            authorizer,
            caller: &general,
        };
        Some(self.allowed(&asking, wanted, asked).await)
    }

    async fn allowed(
        self,
        asking: &Asking<'_>,
        wanted: &User,
        asked: &Attributes,
    ) -> Result<Acting, Status> {
        if self != Mode::Anybody {
            let on = Attributes {
                verb: format!("impersonate-on:{}:{}", self.name(), asked.verb),
                ..asked.clone()
            };
            asking.check(&on).await?;
        }
        let mut user = wanted.clone();
        let parts = Parts {
            mode: self,
            verb: self.verb(),
            asking,
        };
        parts.name(&mut user).await?;
        parts.uid(&wanted.uid).await?;
        parts.groups(&wanted.groups).await?;
        parts.extra(wanted).await?;
        if user.name == ANONYMOUS {
            if !user.in_group(UNAUTHENTICATED) {
                user.groups.push(UNAUTHENTICATED.to_owned());
            }
        } else if !user.in_group(AUTHENTICATED) && !user.in_group(UNAUTHENTICATED) {
            user.groups.push(AUTHENTICATED.to_owned());
        }
        Ok(Acting {
            user,
            constraint: (self != Mode::Anybody).then(|| self.verb()),
        })
    }
}

impl Asking<'_> {
    async fn check(&self, asked: &Attributes) -> Result<(), Status> {
        match self.authorizer.decide(self.caller, asked).await {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) | Decision::NoOpinion(why) => Err(self.refusal(asked, &why)),
        }
    }

    fn refusal(&self, asked: &Attributes, why: &str) -> Status {
        let resource = GroupResource {
            group: &asked.group,
            resource: &asked.resource,
        };
        Status::forbidden(resource, &asked.name, asked.refusal(self.caller, why))
    }
}

/// Asks for each part of a user.
struct Parts<'a> {
    mode: Mode,
    verb: String,
    asking: &'a Asking<'a>,
}

impl Parts<'_> {
    fn narrow(&self) -> bool {
        self.mode != Mode::Anybody
    }

    fn part(&self, resource: &str, name: &str) -> Attributes {
        let core = !self.narrow() && ["users", "groups", "serviceaccounts"].contains(&resource);
        let (group, version) = if core {
            ("", "v1")
        } else {
            (AUTHENTICATION, "v1")
        };
        Attributes {
            verb: self.verb.clone(),
            resource_request: true,
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
    }

    async fn name(&self, user: &mut User) -> Result<(), Status> {
        let mut part = self.part("users", &user.name);
        if let (true, Some(node)) = (self.narrow(), node(&user.name)) {
            let any = self.mode == Mode::AssociatedNode;
            part = self.part("nodes", if any { "*" } else { node });
            user.groups = vec!["system:nodes".to_owned()];
        }
        if let Some((namespace, name)) = account(&user.name) {
            part = self.part("serviceaccounts", name);
            part.namespace = namespace.to_owned();
            if user.groups.is_empty() {
                user.groups = vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                ];
            }
        }
        self.asking.check(&part).await
    }

    async fn uid(&self, uid: &str) -> Result<(), Status> {
        if uid.is_empty() {
            return Ok(());
        }
        self.asking.check(&self.part("uids", uid)).await
    }

    async fn groups(&self, groups: &[String]) -> Result<(), Status> {
        let has = |name: &str| groups.iter().any(|group| group == name);
        let refuse = |name: &str, what: &str| {
            let why = format!("impersonating the {what} group is not allowed");
            Err(self.asking.refusal(&self.part("groups", name), &why))
        };
        if self.narrow() && has("") {
            return refuse("", "empty string");
        }
        if self.narrow() && has(MASTERS) {
            return refuse(MASTERS, MASTERS);
        }
        let all = self.part("groups", "*");
        if self.narrow() && groups.len() >= MANY && self.asking.check(&all).await.is_ok() {
            return Ok(());
        }
        for group in groups {
            self.asking.check(&self.part("groups", group)).await?;
        }
        Ok(())
    }

    async fn extra(&self, user: &User) -> Result<(), Status> {
        let of = |key: &str, value: &str| Attributes {
            subresource: key.to_owned(),
            ..self.part("userextras", value)
        };
        if let (true, Some(why)) = (self.narrow(), wrong_extra(user)) {
            return Err(self.asking.refusal(&of("", ""), &why));
        }
        let count: usize = user.extra.values().map(Vec::len).sum();
        if self.narrow() && count >= MANY && self.asking.check(&of("*", "*")).await.is_ok() {
            return Ok(());
        }
        for (key, values) in &user.extra {
            for value in values {
                self.asking.check(&of(key, value)).await?;
            }
        }
        Ok(())
    }
}

/// Why nobody may have such an extra who acts in a narrower way.
fn wrong_extra(user: &User) -> Option<String> {
    let wrong = |(key, values): (&String, &Vec<String>)| {
        if key.is_empty() {
            return Some("impersonating the empty string key in extra is not allowed".to_owned());
        }
        let problems = extra_key_problems(key, "extra.key");
        if !problems.is_empty() {
            let why = Status::aggregate(&problems);
            return Some(format!(
                "impersonating an invalid key in extra is not allowed: {why}"
            ));
        }
        if *key != key.to_lowercase() {
            let key = quote(key);
            return Some(format!(
                "impersonating a non-lowercase key in extra is not allowed: {key}"
            ));
        }
        let empty = values.iter().any(String::is_empty);
        empty.then(|| "impersonating the empty string value in extra is not allowed".to_owned())
    };
    user.extra.iter().find_map(wrong)
}

/// Namespace and name of a service account.
fn account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix(ACCOUNT)?.split_once(':')?;
    let fine =
        names::dns1123_label(namespace).is_empty() && names::dns1123_subdomain(name).is_empty();
    fine.then_some((namespace, name))
}

fn node(name: &str) -> Option<&str> {
    let name = name.strip_prefix(NODE)?;
    names::dns1123_subdomain(name).is_empty().then_some(name)
}

/// The node that a service account's pod runs on.
fn runs_on(caller: &User) -> Option<&str> {
    account(&caller.name)?;
    match caller.extra.get(NODE_NAME)?.as_slice() {
        [node] => Some(node),
        _ => None,
    }
}
