//! DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or unreachable, unless they say otherwise.

use super::{Attributes, Operation, Plugin, Seen, Verdict};
use serde_json::{Value, json};

pub(super) struct DefaultTolerationSeconds {
    pub(super) not_ready: i64,
    pub(super) unreachable: i64,
}

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.is_whole("", "pods")
            || !matches!(attributes.operation, Operation::Create | Operation::Update)
        {
            return Ok(());
        }
        let tolerations = object
            .pointer("/spec/tolerations")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let covered = |key: &str| {
            tolerations.iter().any(|toleration| {
                let text =
                    |field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or("");
                (text("key") == key || text("key").is_empty())
                    && matches!(text("effect"), "NoExecute" | "")
            })
        };
        let added: Vec<Value> = [(NOT_READY, self.not_ready), (UNREACHABLE, self.unreachable)]
            .into_iter()
            .filter(|(key, _)| !covered(key))
            .map(|(key, seconds)| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}))
            .collect();
        if !added.is_empty() {
            object["spec"]["tolerations"] = tolerations.into_iter().chain(added).collect();
        }
        Ok(())
    }
}
