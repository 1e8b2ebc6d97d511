//! Keeps the priority levels and flow schemas that a server brings along: makes those that are gone anew, and brings back the
//! specs of those that are mandatory or that nobody has taken over (kubernetes pkg/registry/flowcontrol/ensurer). Part of the
//! server itself.

use super::status::Resource;
use crate::api::Api;
use crate::bootstrap::{self, FLOW_MANAGER};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::defaults::apply_defaults;
use triad_machinery::meta;
use triad_machinery::schema::schema;
use triad_machinery::status::Status;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// Levels and schemas that are never anyone else's.
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];
/// How often, as upstream.
const EVERY: Duration = Duration::from_secs(60);

/// Looks after both kinds for as long as the server runs.
pub(super) async fn run(api: Arc<Api>) {
    loop {
        if let Err(status) = once(&api).await {
            tracing::warn!(%status, "cannot bring the flow control's configuration in order; trying again later");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(api: &Arc<Api>) -> Result<(), Status> {
    for (plural, kind) in [
        ("prioritylevelconfigurations", "PriorityLevelConfiguration"),
        ("flowschemas", "FlowSchema"),
    ] {
        let Some(resource) = Resource::new(api, (GROUP, "v1", plural), FLOW_MANAGER) else {
            return Ok(());
        };
        let fixed = bootstrap::fixed()?;
        let ours: Vec<Value> = fixed
            .into_iter()
            .filter(|object| meta::kind(object) == kind)
            .map(defaulted)
            .collect();
        for wanted in &ours {
            bootstrap::ensure(api, wanted.clone()).await?;
            let revise = |live: &mut Value| revise(live, wanted);
            resource.update("", meta::name(wanted), revise).await?;
        }
        // What an older server brought along and this one does not.
        let (_, there) = resource.list();
        for object in there
            .iter()
            .filter(|object| auto_update(object) == Some(true))
        {
            if !ours
                .iter()
                .any(|wanted| meta::name(wanted) == meta::name(object))
            {
                resource.delete(meta::name(object)).await?;
            }
        }
    }
    Ok(())
}

fn defaulted(mut object: Value) -> Value {
    if let Some(ty) = schema().kind(GROUP, "v1", meta::kind(&object)) {
        apply_defaults(&mut object, ty);
    }
    object
}

/// Whether an object says that its spec is the server's.
fn auto_update(object: &Value) -> Option<bool> {
    match meta::annotation(object, AUTO_UPDATE)? {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Brings back the spec, where it is the server's, and the annotation that says whose it is; false: both are in order.
fn revise(live: &mut Value, wanted: &Value) -> bool {
    let name = meta::name(live).to_owned();
    let ours = MANDATORY.contains(&name.as_str())
        || auto_update(live).unwrap_or_else(|| meta::generation(live) == 1);
    let mut changed = false;
    let mut spec = wanted["spec"].clone();
    if let Some(kept) = live.pointer("/spec/exempt").filter(|_| name == "exempt") {
        // How much of the exempt level's seats others may borrow is everyone's to say.
        spec["exempt"] = kept.clone();
    }
    if ours && live["spec"] != spec {
        live["spec"] = spec;
        changed = true;
    }
    if auto_update(live) != Some(ours) {
        live["metadata"]["annotations"][AUTO_UPDATE] = ours.to_string().into();
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn level(name: &str, generation: i64, annotation: Option<&str>, shares: i64) -> Value {
        let mut level = json!({"kind": "PriorityLevelConfiguration", "metadata": {"name": name, "generation": generation},
            "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": shares}}});
        if let Some(value) = annotation {
            level["metadata"]["annotations"] = json!({AUTO_UPDATE: value});
        }
        level
    }

    #[test]
    fn a_spec_comes_back_unless_someone_took_it_over() {
        let shares = |mut live: Value| {
            let wanted = level(meta::name(&live), 1, Some("true"), 5);
            revise(&mut live, &wanted);
            live["spec"]["limited"]["nominalConcurrencyShares"].as_i64()
        };
        assert_eq!(shares(level("system", 2, Some("true"), 9)), Some(5));
        assert_eq!(shares(level("system", 2, Some("false"), 9)), Some(9));
        assert_eq!(shares(level("system", 2, None, 9)), Some(9));
        assert_eq!(shares(level("catch-all", 2, Some("false"), 9)), Some(5));
    }

    #[test]
    fn what_is_in_order_is_not_written() {
        let wanted = level("system", 1, Some("true"), 5);
        assert!(!revise(&mut wanted.clone(), &wanted));
        let mut bare = level("system", 3, None, 9);
        assert!(revise(&mut bare, &wanted));
        assert_eq!(meta::annotation(&bare, AUTO_UPDATE), Some("false"));
    }
}
