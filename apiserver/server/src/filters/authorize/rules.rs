//! RBAC compiled: for each subject the bindings that name it, and the rules of each role. It follows single changes, and a copy of it
//! shares with it what is the same.

use super::Attributes;
use crate::user::User;
use imbl::HashMap;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::pod::texts;

/// Names in a namespace as `NAMESPACE/NAME`, those of the cluster as `/NAME`.
type Key = Arc<str>;

#[derive(Clone, Default)]
pub(super) struct Compiled {
    roles: HashMap<Key, Arc<[Rule]>>,
    users: HashMap<Arc<str>, Grants>,
    groups: HashMap<Arc<str>, Grants>,
}

/// What one subject is given: in each namespace, and everywhere under the empty name.
type Grants = HashMap<Arc<str>, Vec<Grant>>;

/// One binding's effect on one subject.
#[derive(Clone)]
struct Grant {
    binding: Key,
    role: Key,
    reason: Arc<str>,
}

pub(super) struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    urls: Vec<String>,
    source: Value,
}

fn key(namespace: &str, name: &str) -> Key {
    format!("{namespace}/{name}").into()
}

fn key_of(object: &Value) -> Key {
    key(meta::namespace(object), meta::name(object))
}

impl Compiled {
    /// A role as it was and as it is, cluster roles among them.
    pub(super) fn role(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if let Some(role) = new {
            let rules = role.get("rules").and_then(Value::as_array);
            let rules = rules.into_iter().flatten().map(Rule::new).collect();
            self.roles.insert(key_of(role), rules);
        } else if let Some(role) = old {
            self.roles.remove(&key_of(role));
        }
    }

    /// A binding as it was and as it is, cluster role bindings among them.
    pub(super) fn binding(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if let Some(binding) = old {
            let (key, namespace) = (key_of(binding), meta::namespace(binding));
            for subject in subjects(binding) {
                self.remove(subject, namespace, &key);
            }
        }
        if let Some(binding) = new {
            let text = |field: &str| binding["roleRef"][field].as_str().unwrap_or("");
            let scope = match text("kind") {
                "Role" => meta::namespace(binding),
                _ => "",
            };
            let role = key(scope, text("name"));
            for subject in subjects(binding) {
                self.add(subject, binding, &role);
            }
        }
    }

    /// Everything that one subject is given.
    fn given(
        &mut self,
        subject: &Value,
        namespace: &str,
    ) -> Option<(&mut HashMap<Arc<str>, Grants>, String)> {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or("");
        match text("kind") {
            "User" => Some((&mut self.users, text("name").to_owned())),
            "Group" => Some((&mut self.groups, text("name").to_owned())),
            "ServiceAccount" => {
                let home = Some(text("namespace")).filter(|home| !home.is_empty());
                let home = home.unwrap_or(namespace);
                let name = format!("system:serviceaccount:{home}:{}", text("name"));
                Some((&mut self.users, name))
            }
            _ => None,
        }
    }

    fn remove(&mut self, subject: &Value, namespace: &str, binding: &Key) {
        let Some((all, name)) = self.given(subject, namespace) else {
            return;
        };
        // A binding may name it twice: then it is gone by now.
        let Some(grants) = all.get_mut(&*name) else {
            return;
        };
        if let Some(within) = grants.get_mut(namespace) {
            within.retain(|grant| grant.binding != *binding);
            if within.is_empty() {
                grants.remove(namespace);
            }
        }
        if grants.is_empty() {
            all.remove(&*name);
        }
    }

    fn add(&mut self, subject: &Value, binding: &Value, role: &Key) {
        let namespace = meta::namespace(binding);
        let Some((all, name)) = self.given(subject, namespace) else {
            return;
        };
        let grants = all.entry(name.into()).or_default();
        let within = grants.entry(namespace.into()).or_default();
        let grant = Grant {
            binding: key_of(binding),
            role: role.clone(),
            reason: reason(binding, subject).into(),
        };
        let at = within.partition_point(|other| other.binding <= grant.binding);
        within.insert(at, grant);
    }

    /// What a user and its groups are given in a namespace, and everywhere.
    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Grant> {
        let groups = user
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group.as_str()));
        let subjects = self.users.get(user.name.as_str()).into_iter().chain(groups);
        subjects.flat_map(move |grants| {
            let within = grants.get(namespace).filter(|_| !namespace.is_empty());
            let everywhere = grants.get("").into_iter().flatten();
            everywhere.chain(within.into_iter().flatten())
        })
    }

    fn rules(&self, grant: &Grant) -> &[Rule] {
        self.roles.get(&grant.role).map_or(&[], |rules| rules)
    }

    /// The reason why the user may, if so.
    pub(super) fn allows(&self, user: &User, attributes: &Attributes) -> Option<String> {
        // A path is in no namespace, whatever is said of it.
        let namespace = match attributes.resource_request {
            true => attributes.namespace.as_str(),
            false => "",
        };
        self.grants(user, namespace)
            .find(|grant| {
                let mut rules = self.rules(grant).iter();
                rules.any(|rule| rule.allows(attributes))
            })
            .map(|grant| grant.reason.to_string())
    }

    /// Which roles were looked for in vain, as a reason.
    pub(super) fn missing(&self, user: &User, attributes: &Attributes) -> String {
        let mut texts: Vec<String> = Vec::new();
        for grant in self.grants(user, &attributes.namespace) {
            if !self.roles.contains_key(&grant.role) {
                let text = not_found(&grant.role);
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
        match &texts[..] {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            more => format!("RBAC: [{}]", more.join(", ")),
        }
    }

    pub(super) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Value> {
        self.grants(user, namespace)
            .flat_map(|grant| self.rules(grant).iter().map(|rule| rule.source.clone()))
            .collect()
    }
}

fn subjects(binding: &Value) -> impl Iterator<Item = &Value> {
    let subjects = binding.get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten()
}

/// Why whoever is a binding's subject may.
fn reason(binding: &Value, subject: &Value) -> String {
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or("").to_owned();
    let (kind, name) = (text(subject, "kind"), text(subject, "name"));
    let shown = match kind.as_str() {
        "ServiceAccount" => format!("{:?}", format!("{name}/{}", text(subject, "namespace"))),
        _ => format!("{name:?}"),
    };
    let role = &binding["roleRef"];
    let role = format!("{} {:?}", text(role, "kind"), text(role, "name"));
    let bound = meta::name(binding);
    let by = match meta::namespace(binding) {
        "" => format!("ClusterRoleBinding {bound:?}"),
        namespace => format!("RoleBinding {:?}", format!("{bound}/{namespace}")),
    };
    format!("RBAC: allowed by {by} of {role} to {kind} {shown}")
}

fn not_found(role: &str) -> String {
    let (namespace, name) = role.split_once('/').unwrap_or(("", role));
    let kind = if namespace.is_empty() {
        "clusterrole"
    } else {
        "role"
    };
    format!("{kind}.rbac.authorization.k8s.io {name:?} not found")
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
