//! Daemon sets: the count of template changes, kept in an annotation since the field is gone (kubernetes
//! pkg/registry/apps/daemonset, pkg/apis/apps/v1/conversion.go).

use crate::registry::Strategy;
use serde_json::Value;
use triad_machinery::meta;

const GENERATION: &str = "deprecated.daemonset.template.generation";

pub(in crate::registry) struct DaemonSets;

fn count(object: &Value) -> i64 {
    meta::annotation(object, GENERATION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn set(object: &mut Value, count: i64) {
    object["metadata"]["annotations"][GENERATION] = count.to_string().into();
}

impl Strategy for DaemonSets {
    fn normalise(&self, object: &mut Value) {
        let count = count(object);
        set(object, count);
    }

    fn hides_metadata(&self) -> bool {
        true
    }

    fn strip_for_metadata(&self, object: &mut Value) {
        let Some(metadata) = meta::metadata_mut(object) else {
            return;
        };
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.shift_remove(GENERATION);
            if annotations.is_empty() {
                metadata.shift_remove("annotations");
            }
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        set(object, count(object).max(1));
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        let template = |object: &Value| object.pointer("/spec/template").cloned();
        let changed = template(object) != template(old);
        set(object, count(old) + i64::from(changed));
    }

    fn prepare_for_subresource_update(&self, _subresource: &str, object: &mut Value, old: &Value) {
        set(object, count(old));
    }
}
