//! RBAC compiled: for each subject the bindings that name it, each with its role's rules.

use super::Attributes;
use crate::user::User;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::pod::texts;

#[derive(Default)]
pub(super) struct Compiled {
    users: HashMap<String, Grants>,
    groups: HashMap<String, Grants>,
}

/// What one subject is given: everywhere, and in each namespace.
#[derive(Default)]
struct Grants {
    everywhere: Vec<Grant>,
    within: HashMap<String, Vec<Grant>>,
}

impl Grants {
    fn add(&mut self, namespace: &str, grant: Grant) {
        match namespace {
            "" => self.everywhere.push(grant),
            within => self
                .within
                .entry(within.to_owned())
                .or_default()
                .push(grant),
        }
    }

    /// What counts in a namespace, or outside of all.
    fn at(&self, namespace: &str) -> impl Iterator<Item = &Grant> {
        let within = self.within.get(namespace).into_iter().flatten();
        self.everywhere.iter().chain(within)
    }
}

/// One binding's effect on one subject.
#[derive(Clone)]
struct Grant {
    reason: Arc<str>,
    rules: Arc<Vec<Rule>>,
    /// What the binding refers to is not there: a text, else empty.
    missing: Arc<str>,
}

pub(super) struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    urls: Vec<String>,
    source: Value,
}

/// What a binding gives to each of its subjects.
struct Effect<'a> {
    binding: &'a Value,
    role_kind: &'a str,
    role: &'a str,
    rules: Arc<Vec<Rule>>,
    missing: bool,
}

impl Effect<'_> {
    fn not_found(&self) -> String {
        if !self.missing {
            return String::new();
        }
        format!(
            "{}.rbac.authorization.k8s.io {:?} not found",
            self.role_kind.to_lowercase(),
            self.role
        )
    }
}

impl Compiled {
    /// From cluster roles, roles, cluster role bindings and role bindings, in this order.
    pub(super) fn new(
        [cluster_roles, roles, cluster_bindings, bindings]: &[Vec<Value>; 4],
    ) -> Self {
        let compiled_rules = |object: &Value| {
            Arc::new(
                object
                    .get("rules")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .map(Rule::new)
                    .collect::<Vec<_>>(),
            )
        };
        let mut by_role: HashMap<(&str, &str), Arc<Vec<Rule>>> = HashMap::new();
        for role in cluster_roles {
            by_role.insert(("", meta::name(role)), compiled_rules(role));
        }
        for role in roles {
            by_role.insert(
                (meta::namespace(role), meta::name(role)),
                compiled_rules(role),
            );
        }
        let mut compiled = Compiled::default();
        for binding in cluster_bindings.iter().chain(bindings) {
            let namespace = meta::namespace(binding);
            let role = |field: &str| {
                binding
                    .pointer(&format!("/roleRef/{field}"))
                    .and_then(Value::as_str)
                    .unwrap_or("")
            };
            let scope = if role("kind") == "Role" {
                namespace
            } else {
                ""
            };
            let found = by_role.get(&(scope, role("name")));
            let effect = Effect {
                binding,
                role_kind: role("kind"),
                role: role("name"),
                rules: found.cloned().unwrap_or_default(),
                missing: found.is_none(),
            };
            for subject in binding
                .get("subjects")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                compiled.add(subject, &effect);
            }
        }
        compiled
    }

    fn add(&mut self, subject: &Value, effect: &Effect<'_>) {
        let Effect {
            binding,
            role_kind,
            role,
            ..
        } = *effect;
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or("");
        let namespace = meta::namespace(binding).to_owned();
        let shown = match text("kind") {
            "ServiceAccount" => format!(
                "ServiceAccount {:?}",
                format!("{}/{}", text("name"), text("namespace"))
            ),
            kind => format!("{kind} {:?}", text("name")),
        };
        let reason = if namespace.is_empty() {
            format!(
                "RBAC: allowed by ClusterRoleBinding {:?} of {role_kind} {role:?} to {shown}",
                meta::name(binding)
            )
        } else {
            format!(
                "RBAC: allowed by RoleBinding {:?} of {role_kind} {role:?} to {shown}",
                format!("{}/{namespace}", meta::name(binding))
            )
        };
        let grant = Grant {
            reason: reason.into(),
            rules: effect.rules.clone(),
            missing: effect.not_found().into(),
        };
        let (subjects, name) = match text("kind") {
            "User" => (&mut self.users, text("name").to_owned()),
            "Group" => (&mut self.groups, text("name").to_owned()),
            "ServiceAccount" => {
                let home = Some(text("namespace")).filter(|home| !home.is_empty());
                let home = home.unwrap_or(&namespace);
                let name = format!("system:serviceaccount:{home}:{}", text("name"));
                (&mut self.users, name)
            }
            _ => return,
        };
        subjects.entry(name).or_default().add(&namespace, grant);
    }

    /// What a user and its groups are given in a namespace.
    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Grant> {
        let groups = user
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group));
        let subjects = self.users.get(&user.name).into_iter().chain(groups);
        subjects.flat_map(move |grants| grants.at(namespace))
    }

    /// The reason why the user may, if so.
    pub(super) fn allows(&self, user: &User, attributes: &Attributes) -> Option<String> {
        // A path is in no namespace, whatever is said of it.
        let namespace = match attributes.resource_request {
            true => attributes.namespace.as_str(),
            false => "",
        };
        self.grants(user, namespace)
            .find(|grant| grant.rules.iter().any(|rule| rule.allows(attributes)))
            .map(|grant| grant.reason.to_string())
    }

    /// Which roles were looked for in vain, as a reason.
    pub(super) fn missing(&self, user: &User, attributes: &Attributes) -> String {
        let mut texts: Vec<&str> = Vec::new();
        for grant in self.grants(user, &attributes.namespace) {
            if !grant.missing.is_empty() && !texts.contains(&&*grant.missing) {
                texts.push(&grant.missing);
            }
        }
        match texts[..] {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            ref more => format!("RBAC: [{}]", more.join(", ")),
        }
    }

    pub(super) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Value> {
        self.grants(user, namespace)
            .flat_map(|grant| grant.rules.iter().map(|rule| rule.source.clone()))
            .collect()
    }
}

impl Rule {
    pub(super) fn new(source: &Value) -> Self {
        let list = |field: &str| texts(&source[field]);
        Rule {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
            source: source.clone(),
        }
    }

    pub(super) fn allows(&self, attributes: &Attributes) -> bool {
        let has =
            |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        if !has(&self.verbs, &attributes.verb) {
            return false;
        }
        if !attributes.resource_request {
            return self.urls.iter().any(|url| {
                url == "*"
                    || *url == attributes.path
                    || url
                        .strip_suffix('*')
                        .is_some_and(|prefix| attributes.path.starts_with(prefix))
            });
        }
        has(&self.groups, &attributes.group)
            && self.covers(&attributes.resource, &attributes.subresource)
            && (self.names.is_empty() || self.names.contains(&attributes.name))
    }

    /// `pods`, `pods/log`, `*/scale` or `*`.
    fn covers(&self, resource: &str, subresource: &str) -> bool {
        self.resources
            .iter()
            .any(|item| match item.split_once('/') {
                _ if item == "*" => true,
                None => item == resource && subresource.is_empty(),
                Some(_) if subresource.is_empty() => false,
                Some(("*", sub)) => sub == subresource,
                Some((main, sub)) => main == resource && sub == subresource,
            })
    }
}

#[cfg(test)]
mod tests;
