//! Certificate signing requests: they bear who asked, and only approval and signing change them
//! (kubernetes pkg/registry/certificates/certificates).

use crate::registry::Strategy;
use crate::registry::before::replace_from;
use crate::user::User;
use serde_json::{Value, json};

pub(in crate::registry) struct SigningRequests;

impl Strategy for SigningRequests {
    fn attribute_to(&self, object: &mut Value, user: &User) {
        let spec = &mut object["spec"];
        spec["username"] = user.name.as_str().into();
        for (field, value) in [
            ("uid", json!(user.uid)),
            ("groups", json!(user.groups)),
            ("extra", json!(user.extra)),
        ] {
            let empty = value.as_str().is_some_and(str::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty);
            if empty {
                if let Some(map) = spec.as_object_mut() {
                    map.shift_remove(field);
                }
            } else {
                spec[field] = value;
            }
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        replace_from(object, old, "spec");
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        replace_from(object, old, "spec");
        let conditions = |object: &Value| object.pointer("/status/conditions").cloned();
        if subresource == "approval" {
            // Approval changes conditions alone; the certificate is the signer's.
            let changed = conditions(object);
            replace_from(object, old, "status");
            if let Some(changed) = changed {
                object["status"]["conditions"] = changed;
            }
        } else {
            // The approver's conditions come back as they were: times that an older client rounded are no change.
            keep_conditions(object, old, "Approved");
            keep_conditions(object, old, "Denied");
        }
        stamp(object, old);
    }
}

/// Takes the conditions of a type from the stored object where there are as many.
fn keep_conditions(object: &mut Value, old: &Value, kind: &str) {
    let of_kind = |condition: &&Value| condition.get("type").is_some_and(|t| t == kind);
    let list = |object: &Value| {
        let list = object.pointer("/status/conditions");
        list.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let kept: Vec<Value> = list(old).iter().filter(of_kind).cloned().collect();
    if list(object).iter().filter(of_kind).count() != kept.len() {
        return;
    }
    let new = object
        .pointer_mut("/status/conditions")
        .and_then(Value::as_array_mut);
    let places = new.into_iter().flatten().filter(|c| of_kind(&&**c));
    for (place, condition) in places.zip(kept) {
        *place = condition;
    }
}

/// Conditions bear when they were set and changed.
fn stamp(object: &mut Value, old: &Value) {
    let now = crate::clock::Clock.now();
    let before = old
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for condition in object
        .pointer_mut("/status/conditions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let same_type = before
            .iter()
            .find(|other| other.get("type") == condition.get("type"));
        if condition.get("lastUpdateTime").is_none_or(Value::is_null) {
            condition["lastUpdateTime"] = now.as_str().into();
        }
        if condition
            .get("lastTransitionTime")
            .is_none_or(Value::is_null)
        {
            let kept = same_type
                .filter(|other| other.get("status") == condition.get("status"))
                .and_then(|other| other.get("lastTransitionTime"));
            condition["lastTransitionTime"] = kept.cloned().unwrap_or_else(|| now.as_str().into());
        }
    }
}
