//! Custom resource definitions: they know which versions were ever stored, and do not go before their objects have gone
//! (apiextensions-apiserver pkg/registry/customresourcedefinition).

use crate::registry::Strategy;
use crate::registry::conditions::Condition;
use serde_json::{Value, json};
use triad_machinery::meta;

/// Held by the controller that removes the custom resources.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(in crate::registry) struct Definitions;

impl Strategy for Definitions {
    fn prepare_for_create(&self, object: &mut Value) {
        note_stored_version(object);
    }

    fn prepare_for_update(&self, object: &mut Value, _old: &Value) {
        note_stored_version(object);
    }

    fn begin_own_deletion(&self, object: &mut Value) -> bool {
        let mut finalizers: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
        if !finalizers.iter().any(|finalizer| finalizer == CLEANUP) {
            finalizers.push(CLEANUP.to_owned());
        }
        object["metadata"]["finalizers"] = json!(finalizers);
        let message =
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        Condition::new("Terminating", true, "InstanceDeletionPending", message).set(object);
        true
    }

    fn own_precondition(&self) -> Option<&'static str> {
        Some("precondition failed")
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

    #[test]
    fn a_deletion_waits_for_the_objects() {
        let mut object = json!({"metadata": {"name": "a", "finalizers": ["x.io/y"]}});
        assert!(Definitions.begin_own_deletion(&mut object));
        assert_eq!(object["metadata"]["finalizers"], json!(["x.io/y", CLEANUP]));
        assert_eq!(
            object["status"]["conditions"][0]["reason"],
            "InstanceDeletionPending"
        );
    }
}
