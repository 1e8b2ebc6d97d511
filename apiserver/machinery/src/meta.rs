//! Cheap looks at `metadata` of an object tree: names, labels, owners, versions, times.
//! Never copies more than it returns and never fails: what is absent or of another type reads as nothing.

use serde_json::{Map, Value};

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerRef<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

/// The `metadata` map, if there is one.
pub fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The `metadata` map for writing; made when absent. `None` when the object is no map.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let root = object.as_object_mut()?;
    let metadata = root
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut()
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    metadata(object)
        .and_then(|m| m.get(key))
        .and_then(Value::as_str)
        .unwrap_or("")
}

pub fn api_version(object: &Value) -> &str {
    object
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or("")
}

pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or("")
}

/// Group and version of an `apiVersion`; the core group is empty.
pub fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

pub fn name(object: &Value) -> &str {
    text(object, "name")
}

pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

pub fn generate_name(object: &Value) -> &str {
    text(object, "generateName")
}

pub fn uid(object: &Value) -> &str {
    text(object, "uid")
}

pub fn resource_version(object: &Value) -> &str {
    text(object, "resourceVersion")
}

/// RFC 3339 in seconds, or empty.
pub fn creation_timestamp(object: &Value) -> &str {
    text(object, "creationTimestamp")
}

/// RFC 3339 in seconds, or empty when the object is not being deleted.
pub fn deletion_timestamp(object: &Value) -> &str {
    text(object, "deletionTimestamp")
}

pub fn generation(object: &Value) -> i64 {
    metadata(object)
        .and_then(|m| m.get("generation"))
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    metadata(object)?
        .get("deletionGracePeriodSeconds")?
        .as_i64()
}

/// Labels in the order of the object.
pub fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    pairs(object, "labels")
}

pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    metadata(object)?.get("labels")?.get(key)?.as_str()
}

pub fn annotations(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    pairs(object, "annotations")
}

pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    metadata(object)?.get("annotations")?.get(key)?.as_str()
}

fn pairs<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    metadata(object)
        .and_then(|m| m.get(key))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "finalizers").filter_map(Value::as_str)
}

pub fn owner_references(object: &Value) -> impl Iterator<Item = OwnerRef<'_>> {
    list(object, "ownerReferences").map(owner_ref)
}

/// The owner that manages the object, if one does.
pub fn controller(object: &Value) -> Option<OwnerRef<'_>> {
    owner_references(object).find(|owner| owner.controller)
}

fn list<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    metadata(object)
        .and_then(|m| m.get(key))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn owner_ref(entry: &Value) -> OwnerRef<'_> {
    let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or("");
    let flag = |key| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
    OwnerRef {
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
        controller: flag("controller"),
        block_owner_deletion: flag("blockOwnerDeletion"),
    }
}

/// Sets a field of `metadata`; an empty text removes it.
pub fn set(object: &mut Value, key: &str, text: &str) {
    let Some(metadata) = metadata_mut(object) else {
        return;
    };
    if text.is_empty() {
        metadata.shift_remove(key);
    } else {
        metadata.put(key, text.into());
    }
}

/// Follows map keys from the root; `None` when one is absent.
pub fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

/// Sets kind and apiVersion.
pub fn set_type(object: &mut Value, api_version: &str, kind: &str) {
    if let Some(root) = object.as_object_mut() {
        root.set("kind", kind.into());
        root.set("apiVersion", api_version.into());
    }
}

/// Takes kind and apiVersion away: items of lists have none.
pub fn clear_type(object: &mut Value) {
    if let Some(root) = object.as_object_mut() {
        root.shift_remove("kind");
        root.shift_remove("apiVersion");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_is_there() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "a", "namespace": "b", "generation": 3, "labels": {"x": "1", "y": 2},
            "finalizers": ["f"], "ownerReferences": [{"kind": "K", "name": "n", "controller": true}]}});
        assert_eq!(
            (name(&object), namespace(&object), uid(&object)),
            ("a", "b", "")
        );
        assert_eq!(generation(&object), 3);
        assert_eq!(labels(&object).collect::<Vec<_>>(), [("x", "1")]);
        assert_eq!(label(&object, "x"), Some("1"));
        assert_eq!(finalizers(&object).collect::<Vec<_>>(), ["f"]);
        assert_eq!(controller(&object).map(|o| o.name), Some("n"));
        assert_eq!(group_version(api_version(&object)), ("apps", "v1"));
        assert_eq!(group_version("v1"), ("", "v1"));
    }

    #[test]
    fn nothing_reads_as_nothing() {
        for object in [
            json!(null),
            json!([]),
            json!({"metadata": 3}),
            json!({"metadata": {"labels": []}}),
        ] {
            assert_eq!(name(&object), "");
            assert_eq!(labels(&object).count(), 0);
            assert!(controller(&object).is_none());
        }
    }

    #[test]
    fn sets_and_removes() {
        let mut object = json!({});
        set(&mut object, "uid", "u");
        assert_eq!(uid(&object), "u");
        set(&mut object, "uid", "");
        assert_eq!(object, json!({"metadata": {}}));
        assert_eq!(at(&object, &["metadata", "x"]), None);
    }
}
