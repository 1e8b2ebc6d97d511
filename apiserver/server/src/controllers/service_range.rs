//! Keeps the ServiceCIDR object of the server's own range there and says that it is ready (kubernetes
//! pkg/controlplane/controller/defaultservicecidr). Part of the server itself.

use super::status::Resource;
use crate::api::Api;
use crate::bootstrap;
use crate::clock::Clock;
use crate::registry::conditions;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::meta;
use triad_machinery::status::Status;

const MANAGER: &str = "kubernetes-service-cidr-controller";
/// How often, as upstream.
const EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(api: Arc<Api>) {
    let place = ("networking.k8s.io", "v1", "servicecidrs");
    let Some(ranges) = Resource::new(&api, place, MANAGER) else {
        return;
    };
    loop {
        if let Err(status) = once(&api, &ranges).await {
            tracing::warn!(%status, "cannot bring the default ServiceCIDR in order; trying again later");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(api: &Arc<Api>, ranges: &Resource) -> Result<(), Status> {
    let own = bootstrap::service_range(api);
    bootstrap::ensure(api, own.clone()).await?;
    let (_, all) = ranges.list();
    let live = all
        .iter()
        .find(|range| meta::name(range) == meta::name(&own));
    match live {
        Some(live) if lacks_condition(live, &own) => {
            let config = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                "metadata": {"name": meta::name(&own)},
                "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": Clock.now(),
                    "message": "Kubernetes default Service CIDR is ready"}]}});
            ranges.apply_status(meta::name(&own), &config).await
        }
        _ => Ok(()),
    }
}

/// Whether nobody has said yet if the range is ready. One that says another range is someone else's matter.
fn lacks_condition(live: &Value, own: &Value) -> bool {
    let said = conditions::find(live, "Ready");
    meta::deletion_timestamp(live).is_empty()
        && live["spec"]["cidrs"] == own["spec"]["cidrs"]
        && said.is_none_or(|condition| condition["status"] == "Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_of_the_servers_own_gets_the_condition_once() {
        let range = |cidr: &str, conditions: Value| json!({"spec": {"cidrs": [cidr]}, "status": {"conditions": conditions}});
        let own = range("10.0.0.0/24", json!([]));
        assert!(lacks_condition(&own, &own));
        assert!(!lacks_condition(&range("10.0.1.0/24", json!([])), &own));
        for (status, lacks) in [("True", false), ("False", false), ("Unknown", true)] {
            let said = json!([{"type": "Ready", "status": status}]);
            assert_eq!(lacks_condition(&range("10.0.0.0/24", said), &own), lacks);
        }
    }
}
