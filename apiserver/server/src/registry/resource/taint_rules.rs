//! Device taint rules: another effect begins now, unless the client says when (kubernetes
//! pkg/registry/resource/devicetaintrule).

use crate::clock::Clock;
use crate::registry::Strategy;
use serde_json::Value;

pub(in crate::registry) struct TaintRules;

impl Strategy for TaintRules {
    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        let part = |object: &Value, field: &str| {
            let taint = object.pointer("/spec/taint")?;
            taint.get(field).cloned()
        };
        let changed = part(object, "effect") != part(old, "effect");
        if changed && part(object, "timeAdded") == part(old, "timeAdded") {
            object["spec"]["taint"]["timeAdded"] = Clock.now().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_effect_begins_now() {
        let rule = |effect: &str, time: &str| json!({"spec": {"taint": {"effect": effect, "timeAdded": time}}});
        let old = rule("NoSchedule", "2024-01-01T00:00:00Z");
        let mut new = rule("NoExecute", "2024-01-01T00:00:00Z");
        TaintRules.prepare_for_update(&mut new, &old);
        assert_ne!(new["spec"]["taint"]["timeAdded"], "2024-01-01T00:00:00Z");
        let mut told = rule("NoExecute", "2025-01-01T00:00:00Z");
        TaintRules.prepare_for_update(&mut told, &old);
        assert_eq!(told["spec"]["taint"]["timeAdded"], "2025-01-01T00:00:00Z");
    }
}
