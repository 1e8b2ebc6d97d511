//! Ownership: wire form, updates and applies on real kinds, conflicts, and properties over random objects.

mod applied;
mod applying;
mod names;
mod unchanged;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::schema;

struct Kind {
    type_id: TypeId,
    api_version: &'static str,
    kind: &'static str,
    reset: ResetFields,
}

impl Kind {
    fn new(api_version: &'static str, kind: &'static str) -> Self {
        let (group, version) = meta::group_version(api_version);
        let Some(type_id) = schema().kind(group, version, kind) else {
            panic!("no kind {kind}")
        };
        Self {
            type_id,
            api_version,
            kind,
            reset: ResetFields::default(),
        }
    }

    fn context<'a>(&'a self, manager: &'a str, now: &'a str) -> Context<'a> {
        Context {
            schema: schema(),
            type_id: self.type_id,
            api_version: self.api_version,
            kind: self.kind,
            manager,
            subresource: "",
            now,
            reset_fields: &self.reset,
            versions: &OneVersion,
            custom: None,
        }
    }

    fn object(&self, rest: Value) -> Value {
        let mut object =
            json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": "a"}});
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    }

    fn created(&self, manager: &str, rest: Value) -> Value {
        let mut object = self.object(rest);
        update(None, &mut object, &self.context(manager, T1));
        meta::set(&mut object, "uid", "u");
        object
    }

    fn updated(&self, live: &Value, manager: &str, rest: Value) -> Value {
        let mut object = self.object(rest);
        meta::set(&mut object, "uid", "u");
        update(Some(live), &mut object, &self.context(manager, T2));
        object
    }

    fn applied(
        &self,
        live: &Value,
        manager: &str,
        rest: Value,
        force: bool,
    ) -> Result<Value, ApplyError> {
        let mut object = apply(
            Some(live),
            &self.object(rest),
            &self.context(manager, T2),
            force,
        )?;
        meta::set(&mut object, "uid", "u");
        Ok(object)
    }
}

const T1: &str = "2026-01-01T00:00:00Z";
const T2: &str = "2026-01-02T00:00:00Z";

/// Managers with what they own and since when, one a line.
fn owners(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let line = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}",
            text("manager"),
            text("operation"),
            text("time").get(8..10).unwrap_or("-"),
            entry["fieldsV1"]
        )
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_creator_owns_all_but_the_identity() {
    let kind = Kind::new("apps/v1", "Deployment");
    let object = kind.created("m", json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
        "strategy": {"type": "Recreate"}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}}));
    assert_eq!(
        owners(&object),
        r#"m Update 01 {"f:spec":{"f:replicas":{},"f:selector":{},"f:strategy":{"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{}}}}}}}"#
    );
}

#[test]
fn an_update_takes_what_it_changes() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind.created("one", json!({"data": {"a": "1", "b": "1", "c": "1"}}));
    let object = kind.updated(&live, "two", json!({"data": {"a": "2", "b": "1"}}));
    assert_eq!(
        owners(&object),
        "one Update 01 {\"f:data\":{\".\":{},\"f:b\":{}}}\ntwo Update 02 {\"f:data\":{\"f:a\":{}}}"
    );
    let same = kind.updated(&object, "three", json!({"data": {"a": "2", "b": "1"}}));
    assert_eq!(
        same["metadata"]["managedFields"],
        object["metadata"]["managedFields"]
    );
}

#[test]
fn status_is_owned_through_its_subresource_alone() {
    let mut kind = Kind::new("v1", "Namespace");
    kind.reset = reset_fields("", "namespaces", "", true);
    let object = kind.created(
        "m",
        json!({"status": {"phase": "Active"}, "metadata": {"name": "a", "labels": {"x": "y"}}}),
    );
    assert_eq!(
        owners(&object),
        r#"m Update 01 {"f:metadata":{"f:labels":{".":{},"f:x":{}}}}"#
    );
    let set = FieldSet::of_fields(&[&["metadata", "labels"], &["spec", "x"], &["status", "y"]]);
    let kept = |group: &str, resource: &str, subresource: &str| {
        let kept = reset_fields(group, resource, subresource, true).keep(set.clone());
        kept.paths()
            .iter()
            .map(|path| path_text(path))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kept("apps", "deployments", ""),
        [".metadata.labels", ".spec.x"]
    );
    assert_eq!(kept("apps", "deployments", "status"), [".status.y"]);
    assert_eq!(
        kept("apps", "daemonsets", "status"),
        [".metadata.labels", ".status.y"]
    );
    assert_eq!(kept("", "pods", "resize").len(), 3);
    assert_eq!(
        custom_reset_fields("status", true)
            .keep(set.clone())
            .paths()
            .len(),
        1
    );
}

#[test]
fn emptied_lists_forget_and_bad_ones_are_ignored() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind.created("m", json!({"data": {"a": "1"}}));
    let with = |entries: Value| {
        let rest = json!({"metadata": {"name": "a", "managedFields": entries}, "data": {"a": "1"}});
        owners(&kind.updated(&live, "m", rest))
    };
    assert_eq!(with(json!([])), "");
    assert_eq!(with(json!([{}])), "");
    let before = owners(&live);
    assert_eq!(
        with(
            json!([{"manager": "x", "operation": "Zap", "apiVersion": "v1", "fieldsType": "FieldsV1"}])
        ),
        before
    );
    assert_eq!(
        with(
            json!([{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "V2"}])
        ),
        before
    );
}

#[test]
fn old_updaters_are_folded() {
    let kind = Kind::new("v1", "ConfigMap");
    let mut data = serde_json::Map::new();
    let mut object = kind.created("m-00", json!({"data": {"k-00": "x"}}));
    data.insert("k-00".into(), "x".into());
    for i in 1..14 {
        data.insert(format!("k-{i:02}"), "x".into());
        object = kind.updated(&object, &format!("m-{i:02}"), json!({"data": data}));
    }
    let owners = owners(&object);
    assert_eq!(owners.lines().count(), MAX_UPDATE_MANAGERS);
    assert!(owners.contains(r#"ancient-changes Update 02 {"f:data":{".":{},"f:k-00":{},"f:k-01":{},"f:k-02":{},"f:k-03":{},"f:k-04":{}}}"#), "{owners}");
}

#[test]
fn entries_of_another_version_are_seen_through_conversion() {
    let kind = Kind::new("networking.k8s.io/v1", "IPAddress");
    let parent =
        |name: &str| json!({"spec": {"parentRef": {"resource": "services", "name": name}}});
    let mut live = kind.created("old", parent("a"));
    live["metadata"]["managedFields"][0]["apiVersion"] = "networking.k8s.io/v1beta1".into();
    let mut new = kind.object(parent("b"));
    meta::set(&mut new, "uid", "u");
    let mut dropped = new.clone();
    update(Some(&live), &mut dropped, &kind.context("new", T2));
    assert_eq!(
        owners(&dropped),
        r#"new Update 02 {"f:spec":{"f:parentRef":{"f:name":{}}}}"#
    );
    let versions = SameFields(schema());
    update(
        Some(&live),
        &mut new,
        &Context {
            versions: &versions,
            ..kind.context("new", T2)
        },
    );
    assert_eq!(
        owners(&new),
        "old Update 01 {\"f:spec\":{\"f:parentRef\":{\".\":{},\"f:resource\":{}}}}\n\
         new Update 02 {\"f:spec\":{\"f:parentRef\":{\"f:name\":{}}}}"
    );
}

#[test]
fn unchanged_objects_keep_their_times() {
    let kind = Kind::new("v1", "ConfigMap");
    let old = kind.created("m", json!({"data": {"a": "1"}}));
    let mut new = old.clone();
    new["metadata"]["managedFields"][0]["time"] = T2.into();
    keep_times(&old, &mut new);
    assert_eq!(new, old);
    new["data"]["a"] = "2".into();
    new["metadata"]["managedFields"][0]["time"] = T2.into();
    keep_times(&old, &mut new);
    assert_eq!(new["metadata"]["managedFields"][0]["time"], T2);
}

fn any_step() -> impl Strategy<Value = PathElement> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Value::from),
        "[a-z<\"\\\\]{0,4}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    prop_oneof![
        "[a-zA-Z./:]{1,6}".prop_map(PathElement::field),
        prop::collection::btree_map("[a-z]{1,3}", scalar.clone(), 1..3)
            .prop_map(|m| PathElement::key(m.into_iter().map(|(k, v)| (k.into(), v)).collect())),
        scalar.prop_map(PathElement::Value),
        (0i64..5).prop_map(PathElement::Index),
    ]
}

fn any_data(least: usize) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let map = prop::collection::btree_map("[a-f]", "[1-3]", least..5);
    map.prop_map(|m| m.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
}

proptest! {
    #[test]
    fn sets_survive_the_wire(paths in prop::collection::vec(prop::collection::vec(any_step(), 1..4), 0..8)) {
        let mut set = FieldSet::default();
        paths.iter().for_each(|path| set.insert(path));
        let wire = set.to_value();
        let read = FieldSet::from_value(&wire);
        prop_assert_eq!(read.as_ref(), Ok(&set));
        prop_assert_eq!(read.map(|s| s.to_value().to_string()), Ok(wire.to_string()));
        for path in &paths {
            prop_assert!(set.has(path));
        }
    }

    #[test]
    fn applying_twice_changes_nothing(live in any_data(0), config in any_data(0)) {
        let kind = Kind::new("v1", "ConfigMap");
        let live = kind.created("up", json!({"data": live}));
        let once = kind.applied(&live, "me", json!({"data": config}), true).expect("applies");
        let twice = kind.applied(&once, "me", json!({"data": config}), false).expect("applies");
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn strangers_do_not_disturb_each_other(mine in any_data(1), theirs in any_data(1)) {
        let kind = Kind::new("v1", "ConfigMap");
        let theirs: serde_json::Map<String, Value> = theirs.into_iter().map(|(k, v)| (format!("x{k}"), v)).collect();
        let empty = kind.created("up", json!({"immutable": false}));
        let run = |first: (&str, &serde_json::Map<String, Value>), second: (&str, &serde_json::Map<String, Value>)| {
            let object = kind.applied(&empty, first.0, json!({"data": first.1}), false).expect("applies");
            let mut object = kind.applied(&object, second.0, json!({"data": second.1}), false).expect("applies");
            object.sort_all_objects();
            object
        };
        prop_assert_eq!(run(("a", &mine), ("b", &theirs)), run(("b", &theirs), ("a", &mine)));
        let both = run(("a", &mine), ("b", &theirs));
        let gone = kind.applied(&both, "a", json!({}), false).expect("applies");
        for (key, value) in &theirs {
            prop_assert_eq!(&gone["data"][key], value);
        }
    }
}

#[test]
fn the_filled_form_is_what_the_codec_writes() {
    let empty = Value::Object(serde_json::Map::new());
    let mut differ = Vec::new();
    for id in schema().type_ids().filter(|id| schema().has_type_meta(*id)) {
        let ours = crate::codec::json::filled(&empty, schema(), id);
        let theirs = crate::codec::json::to_json_value(&empty, id);
        if ours != theirs {
            differ.push(format!("{}\n {ours}\n {theirs}", schema().get(id).name));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Reads the vectors beside the repository and skips where they are absent.
#[test]
fn the_filled_form_of_whole_objects_is_what_the_codec_writes() {
    let root = "../../../shared/vectors/HEAD";
    let mut compared = 0;
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(text) = std::fs::read(entry.path()) else {
            continue;
        };
        let Ok(object) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        let (group, version) = meta::group_version(meta::api_version(&object));
        let Some(id) = schema().kind(group, version, meta::kind(&object)) else {
            continue;
        };
        let decoded = crate::codec::json::decode(&text, id, crate::codec::Strictness::Ignore)
            .expect("decodes");
        let theirs = crate::codec::json::to_json_value(&decoded.value, id);
        let mut ours = crate::codec::json::filled(&decoded.value, schema(), id);
        ours.sort_all_objects();
        let mut sorted = theirs;
        sorted.sort_all_objects();
        assert_eq!(ours.to_string(), sorted.to_string(), "{:?}", entry.path());
        compared += 1;
    }
    assert!(compared == 0 || compared > 100, "only {compared} vectors");
}

#[test]
fn an_emptied_list_is_seen_before_decoding() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind.created("m", json!({"data": {"a": "1"}}));
    let raw = json!({"metadata": {"name": "a", "uid": "u", "managedFields": []}});
    assert!(asks_to_forget(&raw) && !asks_to_forget(&live));
    // The normal form that decoding gives has no empty lists.
    let mut decoded = kind.object(json!({"metadata": {"name": "a", "uid": "u"}}));
    ask_to_forget(&mut decoded);
    update(Some(&live), &mut decoded, &kind.context("m", T2));
    assert_eq!(owners(&decoded), "");
}
