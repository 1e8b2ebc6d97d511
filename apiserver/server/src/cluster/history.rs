//! GET /triad/v1/history/RESOURCE?namespace=&name=: what the store still has of one object, deleted ones too. Whoever may use
//! this path sees every kind, so RBAC grants it to nobody but admins; what Secrets hold is left out unless it is asked for.

use super::admin::Refusal;
use crate::api::Api;
use crate::endpoint;
use crate::query::Query;
use crate::storage::{Layout, ROOT};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use triad_kv::{Entry, Version};
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};

/// Versions of one answer, the newest.
const MOST: usize = 1000;
/// What `kubectl apply` writes the whole object into, secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn answer(api: &Api, resource: &str, query: &Query) -> Result<Value, Refusal> {
    let name = query.get("name").unwrap_or_default();
    let namespace = query.get("namespace").unwrap_or_default();
    if name.is_empty() || [name, namespace].iter().any(|word| word.contains('/')) {
        return Err((400, "the query lacks the object's name".into()));
    }
    let place = Place::find(resource)?;
    let namespace = if place.namespaced() { namespace } else { "" };
    if place.namespaced() && namespace.is_empty() {
        return Err((
            400,
            format!("{resource} lie in namespaces: the query names none"),
        ));
    }
    let key = place.key(namespace, name);
    let versions = api.store.past(key.as_bytes(), MOST);
    let versions = versions.map_err(|error| (503, error.to_string()))?;
    if versions.is_empty() {
        return Err((
            404,
            format!(
                "nothing is retained of {key}: history begins at revision {}",
                api.store.compacted()
            ),
        ));
    }
    let mut redaction = Redaction::new(query.boolean("showSecrets") == Some(true));
    let mut told = Vec::new();
    let mut before: Option<Value> = None;
    for version in versions.iter().rev() {
        let object = version.entry.as_ref().map(|entry| place.decode(entry));
        let mut object = object.transpose().map_err(|why| (500, why))?;
        let change = Change::between(version, before.as_ref(), object.as_ref());
        before.clone_from(&object);
        if let Some(object) = &mut object {
            redaction.apply(object);
        }
        told.push(change.told(version, object));
    }
    Ok(json!({
        "key": key,
        "revision": api.store.revision().0,
        "compacted": api.store.compacted().0,
        "versions": told,
    }))
}

/// Where a resource's objects lie.
enum Place {
    BuiltIn(Box<Layout>),
    /// A custom resource: its plural and group.
    Custom(String, String),
}

impl Place {
    /// By kind, plural, singular or short name, with `.GROUP` behind it where that is not clear.
    fn find(word: &str) -> Result<Self, Refusal> {
        let (bare, group) = match word.split_once('.') {
            Some((bare, group)) => (bare, Some(group)),
            None => (word, None),
        };
        let means = |resource: &Resource| {
            let names = [&*resource.plural, &*resource.singular, &*resource.kind];
            let short = resource.short_names.iter().any(|short| **short == *bare);
            let named = names.iter().any(|name| name.eq_ignore_ascii_case(bare));
            (short || named) && group.is_none_or(|group| group == &*resource.group)
        };
        let found = scheme()
            .resources()
            .iter()
            .find(|resource| resource.storage.is_some() && means(resource));
        if let Some(storage) = found.and_then(|resource| resource.storage.as_ref()) {
            let prefix = format!("{}/", storage.key);
            let layouts = endpoint::layouts().into_iter();
            if let Some(layout) = { layouts }.find(|layout| layout.prefix == prefix) {
                return Ok(Self::BuiltIn(Box::new(layout)));
            }
        }
        match group {
            Some(group) if !bare.contains('/') => Ok(Self::Custom(bare.into(), group.into())),
            _ => Err((
                404,
                format!("there is no resource {word:?}: custom resources are named PLURAL.GROUP"),
            )),
        }
    }

    /// Whether a custom resource lies in a namespace is for its key to say.
    fn namespaced(&self) -> bool {
        match self {
            Self::BuiltIn(layout) => layout.resource.namespaced,
            Self::Custom(..) => true,
        }
    }

    fn key(&self, namespace: &str, name: &str) -> String {
        match self {
            Self::BuiltIn(layout) => layout.key(namespace, name),
            Self::Custom(plural, group) => format!("{ROOT}{group}/{plural}/{namespace}/{name}"),
        }
    }

    fn decode(&self, entry: &Entry) -> Result<Value, String> {
        match self {
            Self::BuiltIn(layout) => {
                let tree = layout.decode(&entry.value, entry.mod_revision)?;
                let text = layout.encode_json(&tree);
                let mut object: Value =
                    serde_json::from_slice(&text).map_err(|error| error.to_string())?;
                let resource = layout.resource;
                meta::set_type(&mut object, &resource.group_version(), &resource.kind);
                Ok(object)
            }
            Self::Custom(..) => {
                serde_json::from_slice(&entry.value).map_err(|error| error.to_string())
            }
        }
    }
}

/// What became different with a version, and by whom.
struct Change {
    verb: &'static str,
    /// Entries of managedFields that came with it.
    by: Vec<Value>,
    time: Option<String>,
}

impl Change {
    fn between(version: &Version, before: Option<&Value>, after: Option<&Value>) -> Self {
        let Some(after) = after else {
            return Self {
                verb: "deleted",
                by: Vec::new(),
                time: None,
            };
        };
        let made = version
            .entry
            .as_ref()
            .is_some_and(|entry| entry.version == 1);
        let known = made || before.is_some();
        let came = |field: &&Value| known && !managed(before).any(|old| old == *field);
        let mut by: Vec<Value> = managed(Some(after)).filter(came).map(who).collect();
        // Who lost a field to another is written differently too, but under the time it had.
        let acted = |by: &Value| !managed(before).any(|old| who(old) == *by);
        if by.iter().any(acted) {
            by.retain(acted);
        }
        let newest = by.iter().filter_map(|by| by["time"].as_str()).max();
        let created = Some(meta::creation_timestamp(after)).filter(|time| made && !time.is_empty());
        Self {
            verb: if made { "created" } else { "changed" },
            time: newest.or(created).map(str::to_owned),
            by,
        }
    }

    fn told(self, version: &Version, object: Option<Value>) -> Value {
        json!({
            "revision": version.revision.0,
            "change": self.verb,
            "time": self.time,
            "after": version.after.and_then(moment),
            "by": version.by.and_then(moment),
            "managers": self.by,
            "object": object,
        })
    }
}

fn managed(object: Option<&Value>) -> impl Iterator<Item = &Value> {
    let fields = object.and_then(|object| meta::at(object, &["metadata", "managedFields"]));
    fields.and_then(Value::as_array).into_iter().flatten()
}

fn who(field: &Value) -> Value {
    let mut who = Map::new();
    for name in ["manager", "operation", "subresource", "time"] {
        if let Some(value) = field.get(name) {
            who.insert(name.into(), value.clone());
        }
    }
    Value::Object(who)
}

fn moment(seconds: u64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    at.format(&Rfc3339).ok()
}

/// Leaves out what Secrets hold. Equal values get equal numbers, so that it can be seen whether one changed.
struct Redaction {
    show: bool,
    known: HashMap<String, usize>,
}

impl Redaction {
    fn new(show: bool) -> Self {
        Self {
            show,
            known: HashMap::new(),
        }
    }

    fn apply(&mut self, object: &mut Value) {
        if self.show || meta::kind(object) != "Secret" {
            return;
        }
        for field in ["data", "stringData"] {
            if let Some(Value::Object(values)) = object.get_mut(field) {
                values.values_mut().for_each(|value| self.hide(value));
            }
        }
        let annotations = meta::metadata_mut(object).and_then(|m| m.get_mut("annotations"));
        if let Some(applied) = annotations.and_then(|a| a.get_mut(LAST_APPLIED)) {
            self.hide(applied);
        }
    }

    fn hide(&mut self, value: &mut Value) {
        let next = self.known.len() + 1;
        let number = *self.known.entry(value.to_string()).or_insert(next);
        *value = format!("(left out: value {number})").into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_found_by_any_of_its_names() {
        let words = [
            "Deployment",
            "deploy",
            "deployments",
            "deployments.apps",
            "Deployment.apps",
        ];
        for word in words {
            let Ok(place) = Place::find(word) else {
                panic!("{word}");
            };
            assert_eq!(place.key("n", "x"), "/registry/deployments/n/x", "{word}");
        }
        let key = |word| Place::find(word).ok().map(|place| place.key("n", "x"));
        assert_eq!(
            key("services").as_deref(),
            Some("/registry/services/specs/n/x")
        );
        assert_eq!(
            key("things.example.com").as_deref(),
            Some("/registry/example.com/things/n/x")
        );
        assert!(key("nothing").is_none() && key("tokenreview").is_none());
    }

    #[test]
    fn who_acted_is_told_and_not_who_lost_a_field() {
        let field = |manager: &str, time: &str, owns: &str| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": {owns: {}}});
        let object = |fields: Value| json!({"metadata": {"managedFields": fields}});
        let version = |number: u64| Version {
            revision: triad_kv::Revision(9),
            entry: Some(Entry {
                key: "k".into(),
                value: "v".into(),
                create_revision: triad_kv::Revision(1),
                mod_revision: triad_kv::Revision(9),
                version: number,
                expires_at: None,
            }),
            after: None,
            by: None,
        };
        let managers = |number, before: Option<&Value>, after: &Value| {
            let change = Change::between(&version(number), before, Some(after));
            let names = change.by.iter().map(|by| by["manager"].to_string());
            (change.time, names.collect::<Vec<_>>())
        };
        let first = object(json!([field("a", "T1", "both")]));
        let second = object(json!([field("a", "T1", "one"), field("b", "T2", "other")]));
        let (time, names) = managers(2, Some(&first), &second);
        assert_eq!(
            (time.as_deref(), names),
            (Some("T2"), vec!["\"b\"".to_owned()])
        );
        // Two updates within a second: its fields alone are different.
        let third = object(json!([field("a", "T1", "one"), field("b", "T2", "more")]));
        assert_eq!(managers(3, Some(&second), &third).1, ["\"b\""]);
        // What was before the first retained version is not known.
        assert!(managers(2, None, &second).1.is_empty());
        assert_eq!(managers(1, None, &first).1, ["\"a\""]);
    }

    #[test]
    fn secrets_are_left_out_and_still_tell_a_change() {
        let mut redaction = Redaction::new(false);
        let mut hidden = |data: Value| {
            let applied = json!({LAST_APPLIED: data.to_string(), "a": "b"});
            let mut secret =
                json!({"kind": "Secret", "metadata": {"annotations": applied}, "data": data});
            redaction.apply(&mut secret);
            secret.to_string()
        };
        let first = hidden(json!({"password": "aHVudGVy"}));
        let second = hidden(json!({"password": "c2VjcmV0"}));
        assert!(!first.contains("aHVudGVy") && !second.contains("c2VjcmV0"));
        assert_ne!(first, second);
        assert_eq!(first, hidden(json!({"password": "aHVudGVy"})));
        assert!(first.contains("\"a\":\"b\""));
        let mut map = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        redaction.apply(&mut map);
        assert_eq!(map["data"]["a"], "b");
    }
}
