//! Custom resource definitions: they know which versions were ever stored
//! (apiextensions-apiserver pkg/registry/customresourcedefinition).

use crate::registry::Strategy;
use serde_json::Value;

pub(in crate::registry) struct Definitions;

impl Strategy for Definitions {
    fn prepare_for_create(&self, object: &mut Value) {
        note_stored_version(object);
    }

    fn prepare_for_update(&self, object: &mut Value, _old: &Value) {
        note_stored_version(object);
    }
}

/// Adds the version that is written now to those that were ever stored.
fn note_stored_version(object: &mut Value) {
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let stored = versions
        .into_iter()
        .flatten()
        .find(|version| version.get("storage") == Some(&Value::Bool(true)))
        .map(|version| version.get("name").cloned().unwrap_or_else(|| "".into()));
    let Some(stored) = stored else { return };
    let known = object.pointer("/status/storedVersions");
    let mut known = known.and_then(Value::as_array).cloned().unwrap_or_default();
    if !known.contains(&stored) {
        known.push(stored);
        object["status"]["storedVersions"] = known.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_version_ever_stored_is_remembered() {
        let spec = |stored: &str| json!({"versions": [{"name": "v1", "storage": stored == "v1"}, {"name": "v2", "storage": stored == "v2"}]});
        let mut object = json!({"spec": spec("v1")});
        Definitions.prepare_for_create(&mut object);
        assert_eq!(object["status"]["storedVersions"], json!(["v1"]));
        let old = object.clone();
        object["spec"] = spec("v2");
        Definitions.prepare_for_update(&mut object, &old);
        assert_eq!(object["status"]["storedVersions"], json!(["v1", "v2"]));
    }
}
