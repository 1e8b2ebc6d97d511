//! Namespaces: a phase, a finalizer of their own in spec, a label that bears their name
//! (kubernetes pkg/registry/core/namespace).

use crate::registry::Strategy;
use crate::registry::before::replace_from;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::FieldError;

const FINALIZER: &str = "kubernetes";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(in crate::registry) struct Namespaces;

fn finalizers(object: &Value) -> Vec<Value> {
    object
        .pointer("/spec/finalizers")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn label(object: &mut Value) {
    let name = meta::name(object).to_owned();
    if !name.is_empty() {
        object["metadata"]["labels"][NAME_LABEL] = name.into();
    }
}

impl Strategy for Namespaces {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Active"});
        let mut list = finalizers(object);
        if !list.iter().any(|f| f == FINALIZER) {
            list.push(FINALIZER.into());
        }
        object["spec"]["finalizers"] = list.into();
        label(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        // Finalizers change through the finalize subresource alone.
        replace_from(object, old, "spec");
        label(object);
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource == "finalize" {
            replace_from(object, old, "status");
        }
    }

    fn validate_subresource_update(
        &self,
        subresource: &str,
        object: &Value,
        _old: &Value,
    ) -> Vec<FieldError> {
        let phase = object
            .pointer("/status/phase")
            .and_then(Value::as_str)
            .unwrap_or("");
        let deleting = !meta::deletion_timestamp(object).is_empty();
        if subresource != "status" {
            return Vec::new();
        }
        match (deleting, phase) {
            (false, "Active" | "") | (true, "Terminating") => Vec::new(),
            (false, phase) => vec![FieldError::invalid(
                "status.Phase",
                phase,
                "may only be 'Active' if `deletionTimestamp` is empty",
            )],
            (true, phase) => vec![FieldError::invalid(
                "status.Phase",
                phase,
                "may only be 'Terminating' if `deletionTimestamp` is not empty",
            )],
        }
    }

    fn ends_by_itself(&self) -> bool {
        true
    }

    fn own_precondition(&self) -> Option<&'static str> {
        Some("Precondition failed")
    }

    fn held(&self, object: &Value) -> bool {
        !finalizers(object).is_empty()
    }

    fn begin_deletion(&self, object: &mut Value) {
        if self.held(object) {
            object["status"]["phase"] = "Terminating".into();
        }
    }
}
