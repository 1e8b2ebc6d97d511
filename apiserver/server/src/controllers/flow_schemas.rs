//! Says on each flow schema whether the priority level that it names is there (apiserver
//! pkg/util/flowcontrol/apf_controller.go). Part of the server itself.

use super::status::Resource;
use crate::api::Api;
use crate::clock::Clock;
use crate::registry::conditions;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::goformat::quote;
use triad_machinery::meta;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Follows both resources for as long as the server runs.
pub(super) async fn run(api: Arc<Api>) {
    let schemas = Resource::new(&api, (GROUP, "v1", "flowschemas"), MANAGER);
    let levels = Resource::new(&api, (GROUP, "v1", "prioritylevelconfigurations"), MANAGER);
    let (Some(schemas), Some(levels)) = (schemas, levels) else {
        return;
    };
    loop {
        let (level_revision, there) = levels.list();
        let (revision, all) = schemas.list();
        let there: HashSet<String> = there
            .iter()
            .map(|level| meta::name(level).to_owned())
            .collect();
        let mut failed = false;
        for config in all.iter().filter_map(|schema| verdict(schema, &there)) {
            if let Err(status) = schemas.apply_status(meta::name(&config), &config).await {
                tracing::warn!(flow_schema = meta::name(&config), %status, "cannot write the condition; trying again");
                failed = true;
            }
        }
        tokio::select! {
            () = schemas.changed(revision) => {}
            () = levels.changed(level_revision) => {}
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

/// What to apply to a flow schema; nothing when it says so already.
fn verdict(schema: &Value, levels: &HashSet<String>) -> Option<Value> {
    let level = schema.pointer("/spec/priorityLevelConfiguration/name");
    let level = level.and_then(Value::as_str).unwrap_or("");
    let refers = format!(
        "This FlowSchema references the PriorityLevelConfiguration object named {}",
        quote(level)
    );
    let (status, reason, message) = if levels.contains(level) {
        ("False", "Found", format!("{refers} and it exists"))
    } else {
        (
            "True",
            "NotFound",
            format!("{refers} but there is no such object"),
        )
    };
    let said = conditions::find(schema, "Dangling").is_some_and(|condition| {
        condition["status"] == status
            && condition["reason"] == reason
            && condition["message"] == message.as_str()
    });
    if said {
        return None;
    }
    Some(
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "FlowSchema", "metadata": {"name": meta::name(schema)},
        "status": {"conditions": [{"type": "Dangling", "status": status, "lastTransitionTime": Clock.now(),
            "reason": reason, "message": message}]}}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_not_there_leaves_its_schemas_dangling() {
        let schema = json!({"metadata": {"name": "a"}, "spec": {"priorityLevelConfiguration": {"name": "low"}}});
        let condition = |levels: &HashSet<String>| {
            let config = verdict(&schema, levels)?;
            Some(config["status"]["conditions"][0].clone())
        };
        let dangling = condition(&HashSet::new()).expect("a verdict");
        assert_eq!(dangling["status"], "True");
        let there = HashSet::from(["low".to_owned()]);
        let found = condition(&there).expect("a verdict");
        assert_eq!(found["status"], "False");
        let mut told = schema.clone();
        told["status"] = json!({"conditions": [found]});
        assert_eq!(
            verdict(&told, &there),
            None,
            "what is said already is not written again"
        );
    }
}
