//! RBAC compiled: for each subject the bindings that name it, each with its role's rules.

use super::Attributes;
use crate::user::User;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use triad_machinery::meta;

#[derive(Default)]
pub(super) struct Compiled {
    users: HashMap<String, Vec<Grant>>,
    groups: HashMap<String, Vec<Grant>>,
}

/// One binding's effect on one subject.
#[derive(Clone)]
struct Grant {
    /// Empty: everywhere.
    namespace: String,
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
            namespace: namespace.clone(),
            reason: reason.into(),
            rules: effect.rules.clone(),
            missing: effect.not_found().into(),
        };
        match text("kind") {
            "User" => self
                .users
                .entry(text("name").to_owned())
                .or_default()
                .push(grant),
            "Group" => self
                .groups
                .entry(text("name").to_owned())
                .or_default()
                .push(grant),
            "ServiceAccount" => {
                let home = if text("namespace").is_empty() {
                    &namespace
                } else {
                    text("namespace")
                };
                self.users
                    .entry(format!("system:serviceaccount:{home}:{}", text("name")))
                    .or_default()
                    .push(grant);
            }
            _ => {}
        }
    }

    fn grants<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Grant> {
        let own = self.users.get(&user.name).into_iter().flatten();
        own.chain(
            user.groups
                .iter()
                .filter_map(|group| self.groups.get(group))
                .flatten(),
        )
    }

    /// The reason why the user may, if so.
    pub(super) fn allows(&self, user: &User, attributes: &Attributes) -> Option<String> {
        let in_scope = |grant: &&Grant| {
            grant.namespace.is_empty()
                || (attributes.resource_request && grant.namespace == attributes.namespace)
        };
        self.grants(user)
            .filter(in_scope)
            .find(|grant| grant.rules.iter().any(|rule| rule.allows(attributes)))
            .map(|grant| grant.reason.to_string())
    }

    /// Which roles were looked for in vain, as a reason.
    pub(super) fn missing(&self, user: &User, attributes: &Attributes) -> String {
        let in_scope =
            |grant: &&Grant| grant.namespace.is_empty() || grant.namespace == attributes.namespace;
        let mut texts: Vec<&str> = Vec::new();
        for grant in self.grants(user).filter(in_scope) {
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
        let in_scope = |grant: &&Grant| grant.namespace.is_empty() || grant.namespace == namespace;
        self.grants(user)
            .filter(in_scope)
            .flat_map(|grant| grant.rules.iter().map(|rule| rule.source.clone()))
            .collect()
    }
}

impl Rule {
    pub(super) fn new(source: &Value) -> Self {
        let list = |field: &str| {
            source
                .get(field)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
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
                Some(("*", sub)) => sub == subresource,
                Some((main, sub)) => main == resource && sub == subresource,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(name: &str, groups: &[&str]) -> User {
        User {
            name: name.to_owned(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            ..User::default()
        }
    }

    fn asks(
        verb: &str,
        resource: &str,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> Attributes {
        Attributes {
            verb: verb.into(),
            resource_request: true,
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Attributes::default()
        }
    }

    #[test]
    fn bindings_reach_as_far_as_they_should() {
        let view = json!({"kind": "ClusterRole", "metadata": {"name": "view"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "*/scale"]}, {"verbs": ["get"], "nonResourceURLs": ["/api/*"]}]});
        let one = json!({"kind": "Role", "metadata": {"name": "one", "namespace": "a"}, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["secrets"], "resourceNames": ["s"]}]});
        let everywhere = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "Group", "name": "g"}]});
        let here = json!({"metadata": {"name": "b", "namespace": "a"}, "roleRef": {"kind": "Role", "name": "one"}, "subjects": [{"kind": "ServiceAccount", "name": "sa"}]});
        let rbac = Compiled::new(&[vec![view], vec![one], vec![everywhere], vec![here]]);
        let member = user("x", &["g"]);
        assert!(
            rbac.allows(&member, &asks("get", "pods", "", "any", "p"))
                .is_some()
        );
        assert!(
            rbac.allows(&member, &asks("get", "deployments", "scale", "any", "p"))
                .is_some()
        );
        assert!(
            rbac.allows(&member, &asks("get", "pods", "log", "any", "p"))
                .is_none()
        );
        assert!(
            rbac.allows(&member, &asks("list", "pods", "", "any", ""))
                .is_none()
        );
        let path = |path: &str| Attributes {
            verb: "get".into(),
            path: path.into(),
            ..Attributes::default()
        };
        assert!(rbac.allows(&member, &path("/api/v1")).is_some());
        assert!(rbac.allows(&member, &path("/metrics")).is_none());
        let account = user("system:serviceaccount:a:sa", &[]);
        assert!(
            rbac.allows(&account, &asks("delete", "secrets", "", "a", "s"))
                .is_some()
        );
        assert!(
            rbac.allows(&account, &asks("delete", "secrets", "", "a", "t"))
                .is_none()
        );
        assert!(
            rbac.allows(&account, &asks("delete", "secrets", "", "b", "s"))
                .is_none()
        );
    }
}
