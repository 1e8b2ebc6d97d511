//! Nobody grants what they do not hold: rules of roles and roles of bindings are compared with the writer's own, unless the
//! writer may `escalate` or `bind` (kubernetes pkg/registry/rbac, component-helpers/auth/rbac/validation).

use super::{Attributes, Authorizer, Decision};
use crate::user::{MASTERS, User};
use serde_json::Value;
use std::collections::BTreeMap;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::pod::texts;

const GROUP: &str = "rbac.authorization.k8s.io";

/// One right, as small as rules can be broken down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Resource {
        group: String,
        resource: String,
        name: String,
        verb: String,
    },
    Url {
        url: String,
        verb: String,
    },
}

impl Authorizer {
    /// Why a write of a role or binding goes too far; None when it does not.
    pub(crate) fn escalation(
        &self,
        user: &User,
        plural: &str,
        object: &Value,
        old: Option<&Value>,
    ) -> Option<String> {
        if user.in_group(MASTERS) {
            return None;
        }
        let namespace = meta::namespace(object);
        let may = |verb: &str, resource: &str, namespace: &str, name: &str| {
            let asked = Attributes {
                verb: verb.to_owned(),
                resource_request: true,
                group: GROUP.to_owned(),
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Attributes::default()
            };
            matches!(self.authorize(user, &asked), Decision::Allow(_))
        };
        let rules: Vec<Value> = match plural {
            "roles" | "clusterroles" => {
                let same = |field: &str| old.is_some_and(|old| old.get(field) == object.get(field));
                if (same("rules") && same("aggregationRule"))
                    || may("escalate", plural, namespace, meta::name(object))
                {
                    return None;
                }
                // Whoever aggregates decides about every rule there may ever be.
                if plural == "clusterroles"
                    && object.get("aggregationRule").is_some()
                    && !same("aggregationRule")
                {
                    let all = serde_json::json!([
                        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                        {"verbs": ["*"], "nonResourceURLs": ["*"]},
                    ]);
                    let missing = self.missing(user, namespace, all.as_array()?);
                    if !missing.is_empty() {
                        return Some(
                            "must have cluster-admin privileges to use an aggregationRule"
                                .to_owned(),
                        );
                    }
                }
                list(object, "rules").cloned().collect()
            }
            "rolebindings" | "clusterrolebindings" => {
                let same = |field: &str| old.is_some_and(|old| old.get(field) == object.get(field));
                let role = |field: &str| {
                    object
                        .pointer(&format!("/roleRef/{field}"))
                        .and_then(Value::as_str)
                        .unwrap_or("")
                };
                let cluster = role("kind") == "ClusterRole";
                let resource = if cluster { "clusterroles" } else { "roles" };
                if (same("roleRef") && same("subjects"))
                    || may("bind", resource, namespace, role("name"))
                {
                    return None;
                }
                let scope = if cluster { "" } else { namespace };
                let Some(role_object) = self.role(scope, role("name")) else {
                    return Some(format!(
                        "{resource}.{GROUP} {} not found",
                        quote(role("name"))
                    ));
                };
                list(&role_object, "rules").cloned().collect()
            }
            _ => return None,
        };
        let missing = self.missing(user, namespace, &rules);
        if missing.is_empty() {
            return None;
        }
        let groups: Vec<String> = user.groups.iter().map(|group| quote(group)).collect();
        Some(format!(
            "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            quote(&user.name),
            groups.join(" "),
            shown(&missing).join("\n")
        ))
    }

    /// The role or (without a namespace) cluster role of a name.
    fn role(&self, namespace: &str, name: &str) -> Option<Value> {
        let cache = if namespace.is_empty() {
            &self.rbac.sources[0]
        } else {
            &self.rbac.sources[1]
        };
        cache
            .get(&cache.layout.key(namespace, name))?
            .object(&cache.layout)
            .ok()
    }

    fn missing(&self, user: &User, namespace: &str, rules: &[Value]) -> Vec<Right> {
        let held = self.rules_of(user, namespace);
        let mut missing: Vec<Right> = rules
            .iter()
            .flat_map(rights)
            .filter(|right| !held.iter().any(|rule| covers(rule, right)))
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A rule as single rights. Without resource names the name is empty: all of them.
fn rights(rule: &Value) -> Vec<Right> {
    let mut rights = Vec::new();
    let names = match texts(&rule["resourceNames"]) {
        names if names.is_empty() => vec![String::new()],
        names => names,
    };
    for verb in texts(&rule["verbs"]) {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for name in &names {
                    rights.push(Right::Resource {
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                        verb: verb.clone(),
                    });
                }
            }
        }
        for url in texts(&rule["nonResourceURLs"]) {
            rights.push(Right::Url {
                url,
                verb: verb.clone(),
            });
        }
    }
    rights
}

fn covers(rule: &Value, right: &Right) -> bool {
    let has =
        |field: &str, wanted: &str| list(rule, field).any(|item| item == "*" || item == wanted);
    match right {
        Right::Resource {
            group,
            resource,
            name,
            verb,
        } => {
            let subresource = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            let names = texts(&rule["resourceNames"]);
            has("verbs", verb)
                && has("apiGroups", group)
                && (has("resources", resource)
                    || subresource.is_some_and(|any| has("resources", &any)))
                && (names.is_empty() || (!name.is_empty() && names.contains(name)))
        }
        Right::Url { url, verb } => {
            let paths = list(rule, "nonResourceURLs").filter_map(Value::as_str);
            has("verbs", verb)
                && paths.into_iter().any(|path| {
                    path == "*"
                        || path == url
                        || path
                            .strip_suffix('*')
                            .is_some_and(|head| url.starts_with(head))
                })
        }
    }
}

/// Rights as upstream shows rules, verbs of one resource together.
fn shown(missing: &[Right]) -> Vec<String> {
    let mut grouped: BTreeMap<(String, String, String, bool), Vec<String>> = BTreeMap::new();
    for right in missing {
        let (key, verb) = match right {
            Right::Resource {
                group,
                resource,
                name,
                verb,
            } => ((group.clone(), resource.clone(), name.clone(), true), verb),
            Right::Url { url, verb } => ((url.clone(), String::new(), String::new(), false), verb),
        };
        grouped.entry(key).or_default().push(quote(verb));
    }
    let mut lines: Vec<String> = grouped
        .into_iter()
        .map(|((first, resource, name, of_resource), verbs)| {
            let verbs = verbs.join(" ");
            if !of_resource {
                return format!("{{NonResourceURLs:[{}], Verbs:[{verbs}]}}", quote(&first));
            }
            let names = if name.is_empty() {
                String::new()
            } else {
                format!(", ResourceNames:[{}]", quote(&name))
            };
            format!(
                "{{APIGroups:[{}], Resources:[{}]{names}, Verbs:[{verbs}]}}",
                quote(&first),
                quote(&resource)
            )
        })
        .collect();
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn missing(held: &Value, wanted: &Value) -> Vec<String> {
        let rights: Vec<Right> = rights(wanted)
            .into_iter()
            .filter(|right| !covers(held, right))
            .collect();
        shown(&rights)
    }

    #[test]
    fn what_is_held_is_covered() {
        let held = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "*/scale"], "resourceNames": ["a"]});
        let named = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "deployments/scale"], "resourceNames": ["a"]});
        assert!(missing(&held, &named).is_empty());
        let wider = json!({"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods"]});
        assert_eq!(
            missing(&held, &wider),
            [r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "delete"]}"#]
        );
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert!(missing(&all, &wider).is_empty());
        assert!(!missing(&held, &all).is_empty());
        let urls = json!({"verbs": ["get"], "nonResourceURLs": ["/api/*"]});
        assert!(
            missing(
                &urls,
                &json!({"verbs": ["get"], "nonResourceURLs": ["/api/v1"]})
            )
            .is_empty()
        );
        assert_eq!(
            missing(
                &urls,
                &json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]})
            ),
            [r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#]
        );
    }
}
