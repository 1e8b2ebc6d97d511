//! Nodes: they register with their status; configuration from the API is gone, its fields are dropped
//! (kubernetes pkg/registry/core/node).

use crate::registry::Strategy;
use serde_json::Value;

pub(in crate::registry) struct Nodes;

fn drop_config(object: &mut Value) {
    for (part, field) in [("spec", "configSource"), ("status", "config")] {
        if let Some(part) = object.get_mut(part).and_then(Value::as_object_mut) {
            part.shift_remove(field);
        }
    }
}

impl Strategy for Nodes {
    fn keeps_status_on_create(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, object: &mut Value) {
        drop_config(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        if old.pointer("/spec/configSource").is_none() {
            drop_config(object);
        }
    }
}
