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

/// podCIDR is the first of podCIDRs, each given for the other (kubernetes pkg/apis/core/v1/conversion.go).
fn pair_ranges(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let one = spec.get("podCIDR").filter(|one| one.as_str() != Some(""));
    let first = spec.get("podCIDRs").and_then(|all| all.get(0));
    match (one.cloned(), first.cloned()) {
        (Some(one), first) if first.as_ref() != Some(&one) => {
            spec.insert("podCIDRs".to_owned(), Value::Array(vec![one]));
        }
        (None, Some(first)) => {
            spec.insert("podCIDR".to_owned(), first);
        }
        _ => {}
    }
}

impl Strategy for Nodes {
    fn normalise(&self, object: &mut Value) {
        pair_ranges(object);
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_range_stands_for_all() {
        let paired = |spec: Value| {
            let mut node = json!({ "spec": spec });
            pair_ranges(&mut node);
            node["spec"].take()
        };
        let both = json!({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]});
        assert_eq!(paired(json!({"podCIDR": "10.1.0.0/24"})), both);
        assert_eq!(paired(json!({"podCIDRs": ["10.1.0.0/24"]})), both);
        assert_eq!(
            paired(json!({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.2.0.0/24", "fd00::/64"]})),
            both
        );
        assert_eq!(paired(json!({})), json!({}));
    }
}
