//! A flow schema as requests are held against it (apiserver pkg/util/flowcontrol/rule.go).

use crate::filters::request_info::RequestInfo;
use crate::user::User;
use http::HeaderValue;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use triad_machinery::meta;

pub(super) struct Schema {
    pub(super) precedence: i64,
    pub(super) name: Arc<str>,
    pub(super) level: Arc<str>,
    pub(super) uid: HeaderValue,
    pub(super) level_uid: HeaderValue,
    distinguished_by: Distinguished,
    rules: Vec<Value>,
}

/// What tells the flows of one schema apart.
enum Distinguished {
    Nothing,
    User,
    Namespace,
}

impl Schema {
    /// None of an object that leads to no level.
    pub(super) fn new(
        object: &Value,
        level_uid: impl FnOnce(&str) -> Option<HeaderValue>,
    ) -> Option<Self> {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str);
        let level = text("/spec/priorityLevelConfiguration/name")?;
        let precedence = object.pointer("/spec/matchingPrecedence");
        let rules = object.pointer("/spec/rules").and_then(Value::as_array);
        Some(Schema {
            precedence: precedence.and_then(Value::as_i64).unwrap_or(1000),
            name: meta::name(object).into(),
            level: level.into(),
            uid: HeaderValue::from_str(meta::uid(object)).ok()?,
            level_uid: level_uid(level)?,
            distinguished_by: match text("/spec/distinguisherMethod/type") {
                Some("ByUser") => Distinguished::User,
                Some("ByNamespace") => Distinguished::Namespace,
                _ => Distinguished::Nothing,
            },
            rules: rules.cloned().unwrap_or_default(),
        })
    }

    /// Which flow of this schema's a request belongs to.
    pub(super) fn flow(&self, user: &User, info: &RequestInfo) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.name.hash(&mut hasher);
        match self.distinguished_by {
            Distinguished::Nothing => "",
            Distinguished::User => user.name.as_str(),
            Distinguished::Namespace => info.namespace.as_str(),
        }
        .hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn matches(&self, user: &User, info: &RequestInfo) -> bool {
        self.rules.iter().any(|rule| {
            let subjects = list(rule, "subjects").any(|subject| is_subject(user, subject));
            let rules = if info.is_resource {
                "resourceRules"
            } else {
                "nonResourceRules"
            };
            subjects
                && list(rule, rules).any(|rule| {
                    if info.is_resource {
                        covers_resource(rule, info)
                    } else {
                        covers_path(rule, info)
                    }
                })
        })
    }
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn has(value: &Value, field: &str, wanted: &str) -> bool {
    list(value, field).any(|item| item == "*" || item == wanted)
}

fn is_subject(user: &User, subject: &Value) -> bool {
    let text = |at: &str| subject.pointer(at).and_then(Value::as_str).unwrap_or("");
    match text("/kind") {
        "User" => matches!(text("/user/name"), "*") || text("/user/name") == user.name,
        "Group" => text("/group/name") == "*" || user.in_group(text("/group/name")),
        "ServiceAccount" => {
            let (namespace, name) = (
                text("/serviceAccount/namespace"),
                text("/serviceAccount/name"),
            );
            let account = user
                .name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'));
            account.is_some_and(|(ns, n)| ns == namespace && (name == "*" || n == name))
        }
        _ => false,
    }
}

fn covers_resource(rule: &Value, info: &RequestInfo) -> bool {
    let resource = if info.subresource.is_empty() {
        info.resource.clone()
    } else {
        format!("{}/{}", info.resource, info.subresource)
    };
    let scope = if info.namespace.is_empty() {
        rule.get("clusterScope") == Some(&Value::Bool(true))
    } else {
        has(rule, "namespaces", &info.namespace)
    };
    scope
        && has(rule, "verbs", &info.verb)
        && has(rule, "apiGroups", &info.group)
        && has(rule, "resources", &resource)
}

fn covers_path(rule: &Value, info: &RequestInfo) -> bool {
    let path = list(rule, "nonResourceURLs")
        .filter_map(Value::as_str)
        .any(|url| {
            url == "*"
                || url == info.path
                || url.strip_suffix("/*").is_some_and(|prefix| {
                    info.path.starts_with(prefix)
                        && info.path.as_bytes().get(prefix.len()) == Some(&b'/')
                })
        });
    path && has(rule, "verbs", &info.verb)
}
