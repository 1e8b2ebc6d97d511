//! The Lease by which others tell which API servers there are (KEP-1965): renewed while the server runs, removed an hour after it
//! is gone (pkg/controlplane/apiserver/server.go, pkg/controlplane/controller/apiserverleasegc).

use super::client::{Client, Target};
use crate::api::Api;
use crate::clock::Clock;
use crate::registry::Registry;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::duration::parse_time;
use triad_machinery::status::{Status, reason};

const NAMESPACE: &str = "kube-system";
/// The label, and what it says of this kind of server.
const LABEL: (&str, &str) = ("apiserver.kubernetes.io/identity", "kube-apiserver");
/// How long a server counts as there after its last renewal.
const LIFE_SECONDS: i64 = 3600;
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Renewals between two looks for leases of servers that are gone: an hour.
const LOOK_EVERY: u32 = 360;

/// Renews this server's lease, and removes those of servers that are gone.
pub(super) async fn run(api: Arc<Api>) {
    let Some(leases) = api
        .endpoints
        .registry("coordination.k8s.io", "leases")
        .cloned()
    else {
        return;
    };
    let name = name(&api.config.node_name);
    let holder = format!("{name}_{}", uuid::Uuid::new_v4());
    let client = Client::server(&api);
    for turn in 0_u32.. {
        if turn.is_multiple_of(LOOK_EVERY) {
            remove_expired(&client, &leases, Clock.unix_seconds()).await;
        }
        let renewed = renew(&client, &leases, &name, &holder, &api.config.node_name).await;
        if let Err(status) = renewed {
            tracing::warn!(%status, lease = name, "cannot renew this server's identity lease; trying again");
        }
        tokio::time::sleep(RENEW_EVERY).await;
    }
}

/// What a server is called: the same after every restart of the host.
fn name(host: &str) -> String {
    let hash = Sha256::digest(host);
    format!(
        "apiserver-{}",
        data_encoding::BASE32_NOPAD
            .encode(&hash[..16])
            .to_lowercase()
    )
}

async fn renew(
    client: &Client,
    leases: &Arc<Registry>,
    name: &str,
    holder: &str,
    host: &str,
) -> Result<(), Status> {
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": LIFE_SECONDS, "renewTime": Clock.now_micro()});
    let target = Target::new(leases, NAMESPACE, name);
    match client.patch(target, &json!({"spec": spec})).await {
        Err(status) if status.is(reason::NOT_FOUND) => {
            let labels = json!({LABEL.0: LABEL.1, "kubernetes.io/hostname": host});
            let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "spec": spec});
            client.create(leases, NAMESPACE, &lease).await
        }
        done => done,
    }
}

/// Removes the leases of servers that have not renewed theirs in time.
async fn remove_expired(client: &Client, leases: &Arc<Registry>, now: i64) {
    let snapshot = leases.cache.snapshot();
    let prefix = leases.layout.key(NAMESPACE, "");
    for lease in snapshot.range(&prefix, None) {
        let ours = lease.label(LABEL.0) == Some(LABEL.1);
        let expired = ours
            && lease
                .object(&leases.layout)
                .is_ok_and(|lease| is_expired(&lease["spec"], now));
        if !expired {
            continue;
        }
        let target = Target::new(leases, NAMESPACE, lease.name());
        let unchanged = json!({"preconditions": {"resourceVersion": lease.revision.0.to_string()}});
        match client.delete(target, unchanged).await {
            Ok(()) => {
                tracing::info!(lease = %lease.name(), "the identity lease of a server that is gone is removed")
            }
            Err(status) if status.is(reason::NOT_FOUND) || status.is(reason::CONFLICT) => {}
            Err(status) => {
                tracing::warn!(%status, lease = %lease.name(), "cannot remove the identity lease of a server that is gone")
            }
        }
    }
}

/// A lease that says nothing of its end is nobody's.
fn is_expired(spec: &Value, now: i64) -> bool {
    let renewed = spec["renewTime"].as_str().and_then(parse_time);
    let (Some((renewed, _)), Some(life)) = (renewed, spec["leaseDurationSeconds"].as_i64()) else {
        return true;
    };
    renewed.saturating_add(life) < now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[test]
    fn a_host_always_has_the_same_name() {
        assert_eq!(name("localhost"), "apiserver-jgla3zmib2ggq5buc4hwi5talm");
    }

    #[test]
    fn a_lease_ends_when_its_time_is_over() {
        let spec = json!({"renewTime": "1970-01-01T00:01:40.000000Z", "leaseDurationSeconds": 10});
        assert!(!is_expired(&spec, 110));
        assert!(is_expired(&spec, 111));
        assert!(is_expired(&json!({"leaseDurationSeconds": 10}), 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_server_has_a_lease_and_those_of_the_gone_are_removed() {
        const LEASES: &str = "leases.coordination.k8s.io";
        let server = Server::start("none").await;
        let own = name(&server.api.config.node_name);
        server
            .eventually("the server's lease is there", |s| {
                s.get(LEASES, NAMESPACE, &own).is_some()
            })
            .await;
        let lease = server.get(LEASES, NAMESPACE, &own).unwrap();
        assert_eq!(lease["metadata"]["labels"][LABEL.0], LABEL.1);
        assert_eq!(lease["spec"]["leaseDurationSeconds"], LIFE_SECONDS);
        let (long_ago, now) = ("2001-01-01T00:00:00.000000Z", Clock.now_micro());
        for (name, labels, renewed) in [
            ("apiserver-gone", json!({LABEL.0: LABEL.1}), long_ago),
            ("apiserver-there", json!({LABEL.0: LABEL.1}), &now),
            ("another", json!({}), long_ago),
        ] {
            let lease = json!({"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": LIFE_SECONDS, "renewTime": renewed}});
            server.create(LEASES, NAMESPACE, lease).await;
        }
        server.api.cacher.barrier().await.unwrap();
        let leases = server.registry(LEASES);
        remove_expired(&server.client, leases, Clock.unix_seconds()).await;
        let there = |name: &str| server.get(LEASES, NAMESPACE, name).is_some();
        assert!(!there("apiserver-gone"));
        assert!(there("apiserver-there") && there("another") && there(&own));
    }
}
