//! Flow control: which flow schema a request falls under, by the schemas in the store (KEP-1040). Queues and limits are
//! not part of this version; every answer says how it was classified.

use crate::cacher::{Cacher, ResourceCache};
use crate::filters::request_info::RequestInfo;
use crate::user::User;
use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::meta;

pub(crate) struct FlowControl {
    schemas: Arc<ResourceCache>,
    levels: Arc<ResourceCache>,
    compiled: ArcSwap<(Revision, Vec<Schema>)>,
}

struct Schema {
    precedence: i64,
    name: String,
    flow_uid: HeaderValue,
    level_uid: HeaderValue,
    rules: Vec<Value>,
}

impl FlowControl {
    pub(crate) fn new(cacher: &Cacher) -> Option<Self> {
        let cache = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        Some(FlowControl {
            schemas: cache("flowschemas")?,
            levels: cache("prioritylevelconfigurations")?,
            compiled: ArcSwap::from_pointee((Revision(0), Vec::new())),
        })
    }

    /// Sets the headers that name the request's flow schema and priority level.
    pub(crate) fn classify(&self, user: &User, info: &RequestInfo, headers: &mut HeaderMap) {
        let compiled = self.compiled();
        if let Some(schema) = compiled.1.iter().find(|schema| schema.matches(user, info)) {
            headers.insert("x-kubernetes-pf-flowschema-uid", schema.flow_uid.clone());
            headers.insert(
                "x-kubernetes-pf-prioritylevel-uid",
                schema.level_uid.clone(),
            );
        }
    }

    fn compiled(&self) -> Arc<(Revision, Vec<Schema>)> {
        let (schemas, levels) = (self.schemas.snapshot(), self.levels.snapshot());
        let newest = schemas.revision.max(levels.revision);
        let compiled = self.compiled.load_full();
        if compiled.0 == newest {
            return compiled;
        }
        let level_uid = |name: &str| {
            let level = self
                .levels
                .get(&self.levels.layout.key("", name))?
                .object(&self.levels.layout)
                .ok()?;
            HeaderValue::from_str(meta::uid(&level)).ok()
        };
        let mut list: Vec<Schema> = schemas
            .objects
            .values()
            .filter_map(|cached| {
                let object = cached.object(&self.schemas.layout).ok()?;
                Some(Schema {
                    precedence: object
                        .pointer("/spec/matchingPrecedence")
                        .and_then(Value::as_i64)
                        .unwrap_or(1000),
                    name: meta::name(&object).to_owned(),
                    flow_uid: HeaderValue::from_str(meta::uid(&object)).ok()?,
                    level_uid: level_uid(
                        object
                            .pointer("/spec/priorityLevelConfiguration/name")?
                            .as_str()?,
                    )?,
                    rules: object
                        .pointer("/spec/rules")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default(),
                })
            })
            .collect();
        list.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        let compiled = Arc::new((newest, list));
        self.compiled.store(compiled.clone());
        compiled
    }
}

impl Schema {
    fn matches(&self, user: &User, info: &RequestInfo) -> bool {
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
