//! TaintNodesByCondition: a new node takes no pods until it is ready.

use super::{Attributes, Plugin, Seen, Verdict};
use serde_json::{Value, json};

pub(super) struct TaintNodesByCondition;

impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.creates("", "nodes") {
            return Ok(());
        }
        const KEY: &str = "node.kubernetes.io/not-ready";
        let mut taints = object
            .pointer("/spec/taints")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let there = |taint: &Value| {
            taint.get("key") == Some(&json!(KEY))
                && taint.get("effect") == Some(&json!("NoSchedule"))
        };
        if !taints.iter().any(there) {
            taints.push(json!({"key": KEY, "effect": "NoSchedule"}));
            object["spec"]["taints"] = taints.into();
        }
        Ok(())
    }
}
