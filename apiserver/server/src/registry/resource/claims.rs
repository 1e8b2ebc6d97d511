//! Resource claims: what a driver says of a device goes with the device's allocation (kubernetes
//! pkg/registry/resource/resourceclaim).

use crate::registry::Strategy;
use serde_json::Value;
use std::collections::HashSet;

pub(in crate::registry) struct Claims;

impl Strategy for Claims {
    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource != "status" {
            return;
        }
        let mut gone = allocated(old);
        for device in allocated(object) {
            gone.remove(&device);
        }
        if gone.is_empty() {
            return;
        }
        let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else {
            return;
        };
        let Some(devices) = status.get_mut("devices").and_then(Value::as_array_mut) else {
            return;
        };
        devices.retain(|device| !gone.contains(&identity(device)));
        if devices.is_empty() {
            status.shift_remove("devices");
        }
    }
}

/// Driver, pool, device and share.
fn identity(device: &Value) -> [String; 4] {
    ["driver", "pool", "device", "shareID"].map(|field| {
        device
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    })
}

fn allocated(claim: &Value) -> HashSet<[String; 4]> {
    let results = claim.pointer("/status/allocation/devices/results");
    let results = results.and_then(Value::as_array).into_iter().flatten();
    results.map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_that_is_given_back_loses_its_status() {
        let device = |name: &str| json!({"driver": "d", "pool": "p", "device": name});
        let claim = |allocated: &[&str], told: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| device(name)).collect::<Vec<_>>();
            json!({"status": {"allocation": {"devices": {"results": list(allocated)}}, "devices": list(told)}})
        };
        let old = claim(&["a", "b"], &["a", "b"]);
        let mut new = claim(&["b"], &["a", "b"]);
        Claims.prepare_for_subresource_update("status", &mut new, &old);
        assert_eq!(new, claim(&["b"], &["b"]));
    }
}
