//! StorageObjectInUseProtection: claims and volumes bear a finalizer from the start, so that none goes while in use.

use super::{Attributes, Operation, Plugin, Seen, Verdict};
use serde_json::{Value, json};
use triad_machinery::meta;

pub(super) struct StorageObjectInUseProtection;

impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        if attributes.operation != Operation::Create || !attributes.subresource.is_empty() {
            return Ok(());
        }
        let finalizer = match (&*attributes.resource.group, &*attributes.resource.plural) {
            ("", "persistentvolumeclaims") => "kubernetes.io/pvc-protection",
            ("", "persistentvolumes") => "kubernetes.io/pv-protection",
            ("storage.k8s.io", "volumeattributesclasses") => "kubernetes.io/vac-protection",
            _ => return Ok(()),
        };
        let mut finalizers: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.to_owned());
            object["metadata"]["finalizers"] = json!(finalizers);
        }
        Ok(())
    }
}
