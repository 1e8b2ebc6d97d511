//! Daemon sets: the template's own generation, which this version keeps in an annotation (kubernetes pkg/registry/apps/daemonset).

use crate::registry::Strategy;
use serde_json::Value;
use triad_machinery::meta;

pub(in crate::registry) struct DaemonSets;

const GENERATION: &str = "deprecated.daemonset.template.generation";

fn set(object: &mut Value, generation: i64) {
    object["metadata"]["annotations"][GENERATION] = generation.to_string().into();
}

impl Strategy for DaemonSets {
    fn prepare_for_create(&self, object: &mut Value) {
        set(object, 1);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        let before = meta::annotation(old, GENERATION).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let template = |object: &Value| object.pointer("/spec/template").cloned();
        let changed = template(object) != template(old);
        set(object, before + i64::from(changed));
    }
}
