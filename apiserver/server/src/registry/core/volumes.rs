//! Volumes and claims: both wait to be bound from the start (kubernetes pkg/registry/core/persistentvolume[claim]).

use crate::clock::Clock;
use crate::registry::Strategy;
use serde_json::{Value, json};

pub(in crate::registry) struct Claims;

impl Strategy for Claims {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
    }
}

pub(in crate::registry) struct Volumes;

impl Strategy for Volumes {
    fn prepare_for_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": Clock.now()});
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource != "status" {
            return;
        }
        let phase = |object: &Value| object.pointer("/status/phase").cloned();
        let time = |object: &Value| object.pointer("/status/lastPhaseTransitionTime").cloned();
        if phase(object) != phase(old) {
            if time(object).is_none() || time(object) == time(old) {
                object["status"]["lastPhaseTransitionTime"] = Clock.now().into();
            }
        } else if let (None, Some(kept)) = (time(object), time(old)) {
            object["status"]["lastPhaseTransitionTime"] = kept;
        }
    }
}
