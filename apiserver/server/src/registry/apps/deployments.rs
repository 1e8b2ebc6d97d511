//! Deployments: annotations count for generation, since the controller reads some (kubernetes pkg/registry/apps/deployment).

use crate::registry::Strategy;
use serde_json::Value;

pub(in crate::registry) struct Deployments;

impl Strategy for Deployments {
    fn counts_for_generation(&self, object: &Value, old: &Value) -> bool {
        let annotations = |object: &Value| object.pointer("/metadata/annotations").cloned();
        annotations(object) != annotations(old)
    }
}
