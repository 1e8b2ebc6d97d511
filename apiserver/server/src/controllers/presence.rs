//! Which servers serve: each keeps a key with a short life, and the endpoints of the `kubernetes` service are the servers whose
//! keys live (pkg/controlplane/reconcilers/lease.go). A server that stops takes its own away; one that dies is missed in time.

use super::client::{Client, Target};
use crate::api::Api;
use crate::bootstrap;
use crate::registry::{Registry, unavailable};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use triad_kv::{Change, Txn};
use triad_machinery::status::{Status, reason};

/// The keys, as upstream names them: one per address, holding Endpoints.
const KEYS: &str = "/registry/masterleases/";
/// The slice is written here, so nobody is to derive one.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// How long a server counts as living after it was last heard of (DefaultEndpointReconcilerTTL).
const LIFE_SECONDS: u32 = 15;
/// How often a server is heard of (DefaultEndpointReconcilerInterval).
const EVERY: Duration = Duration::from_secs(10);
/// How long a server that stops may take to say so.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// Whether this server has left for good (StopReconciling); held while it says that it is there, or that it is not.
#[derive(Default)]
pub(crate) struct Presence(tokio::sync::Mutex<bool>);

/// Says that this server serves, before it is ready: the endpoints are there with the service.
pub(crate) async fn announce(api: &Arc<Api>) -> Result<(), Status> {
    if !api.config.endpoint_reconciler {
        return Ok(());
    }
    if api.config.advertise_address.is_loopback() {
        tracing::warn!(address = %api.config.advertise_address, "the kubernetes service gets no endpoints: --advertise-address is a loopback address, which no pod can reach");
        return Ok(());
    }
    live_on(api).await?;
    reconcile(api, true).await
}

/// Goes on saying it for as long as the server runs.
pub(super) async fn run(api: Arc<Api>) {
    if address(&api).is_none() {
        return;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(status) = keep(&api).await {
            tracing::warn!(%status, "cannot keep this server among the endpoints of the kubernetes service; trying again");
        }
    }
}

async fn keep(api: &Arc<Api>) -> Result<(), Status> {
    let left = api.presence.0.lock().await;
    if *left {
        return Ok(());
    }
    live_on(api).await?;
    reconcile(api, false).await
}

/// Takes this server out of the endpoints before it stops to serve.
pub(crate) async fn leave(api: &Arc<Api>) {
    let Some(address) = address(api) else {
        return;
    };
    let gone = async {
        *api.presence.0.lock().await = true;
        let delete = Change::Delete {
            key: key(address).into(),
        };
        write(api, delete).await?;
        reconcile(api, false).await
    };
    match tokio::time::timeout(LEAVE_LIMIT, gone).await {
        Ok(Ok(())) => {}
        Ok(Err(status)) => {
            tracing::warn!(%status, "this server stays among the endpoints of the kubernetes service until it is missed");
        }
        Err(_) => {
            tracing::warn!(
                "this server stays among the endpoints of the kubernetes service until it is missed: the store did not answer in time"
            );
        }
    }
}

/// What the others are told to reach this server by, where they are told.
fn address(api: &Api) -> Option<IpAddr> {
    let address = api.config.advertise_address;
    (api.config.endpoint_reconciler && !address.is_loopback()).then_some(address)
}

fn key(address: IpAddr) -> String {
    format!("{KEYS}{address}")
}

async fn live_on(api: &Arc<Api>) -> Result<(), Status> {
    let (Some(endpoints), Some(address)) = (api.endpoints.registry("", "endpoints"), address(api))
    else {
        return Ok(());
    };
    let mut object = json!({"kind": "Endpoints", "apiVersion": "v1", "metadata": {},
        "subsets": [{"addresses": [{"ip": address.to_string()}]}]});
    let put = Change::Put {
        key: key(address).into(),
        value: endpoints.layout.encode(&mut object),
        ttl_seconds: Some(LIFE_SECONDS),
    };
    write(api, put).await
}

async fn write(api: &Api, change: Change) -> Result<(), Status> {
    let txn = Txn {
        compares: Vec::new(),
        changes: vec![change],
    };
    let done = api.store.txn(txn).await;
    done.map(drop).map_err(|e| unavailable(&e))
}

/// The servers that live, in the order of their keys.
fn living(api: &Api) -> Result<Vec<String>, Status> {
    let end = triad_kv::prefix_end(KEYS.as_bytes());
    let keys = api.store.range(KEYS.as_bytes(), &end, None, 0);
    let keys = keys.map_err(|e| unavailable(&e))?.entries;
    let addresses = keys
        .iter()
        .filter_map(|entry| std::str::from_utf8(&entry.key[KEYS.len()..]).ok());
    Ok(addresses.map(str::to_owned).collect())
}

/// Brings the endpoints in line. Ports only when a server starts: servers on different ports would never agree.
async fn reconcile(api: &Arc<Api>, ports: bool) -> Result<(), Status> {
    let addresses = living(api)?;
    if addresses.is_empty() {
        // The last server to go leaves its address behind, as upstream's does.
        return Ok(());
    }
    let (endpoints, slice) = wanted(api, &addresses);
    bring(api, "", "endpoints", endpoints, |stored, wanted| {
        let subsets = stored["subsets"].as_array().map_or(&[][..], Vec::as_slice);
        let [subset] = subsets else { return false };
        let as_wanted = &wanted["subsets"][0];
        same_set(&subset["addresses"], &as_wanted["addresses"])
            && (!ports || subset["ports"] == as_wanted["ports"])
            && stored["metadata"]["labels"][SKIP_MIRROR] == "true"
    })
    .await?;
    bring(
        api,
        "discovery.k8s.io",
        "endpointslices",
        slice,
        |stored, wanted| {
            let of = |object: &Value| -> Value {
                let endpoints = object["endpoints"].as_array().into_iter().flatten();
                endpoints.map(|e| e["addresses"].clone()).collect()
            };
            same_set(&of(stored), &of(wanted)) && (!ports || stored["ports"] == wanted["ports"])
        },
    )
    .await
}

fn same_set(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else {
        return false;
    };
    a.len() == b.len() && a.iter().all(|item| b.contains(item))
}

/// The endpoints of the `kubernetes` service, in both their forms.
fn wanted(api: &Api, addresses: &[String]) -> (Value, Value) {
    let port = i64::from(api.config.bind.port());
    let ports = json!([{"name": "https", "port": port, "protocol": "TCP"}]);
    let each = |of: fn(&String) -> Value| addresses.iter().map(of).collect::<Value>();
    let family = match addresses[0].parse() {
        Ok(IpAddr::V6(_)) => "IPv6",
        _ => "IPv4",
    };
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {SKIP_MIRROR: "true"}},
        "subsets": [{"addresses": each(|ip| json!({"ip": ip})), "ports": ports}]});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": each(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})), "ports": ports});
    (endpoints, slice)
}

/// Makes an object, or makes it as it is wanted.
async fn bring(
    api: &Arc<Api>,
    group: &str,
    plural: &str,
    wanted: Value,
    as_wanted: impl Fn(&Value, &Value) -> bool,
) -> Result<(), Status> {
    // A group that --runtime-config switched off gets nothing.
    let Some(registry) = api.endpoints.registry(group, plural) else {
        return Ok(());
    };
    let Some(stored) = registry.get_local("default", "kubernetes")? else {
        return bootstrap::ensure(api, wanted).await;
    };
    if as_wanted(&stored.object, &wanted) {
        return Ok(());
    }
    let object = changed(stored.object, &wanted);
    update(api, registry, &object).await
}

/// The stored object with what is wanted of it.
fn changed(mut object: Value, wanted: &Value) -> Value {
    for part in ["subsets", "addressType", "endpoints", "ports"] {
        if let Some(value) = wanted.get(part) {
            object[part] = value.clone();
        }
    }
    let labels = wanted["metadata"]["labels"].as_object();
    for (name, value) in labels.into_iter().flatten() {
        object["metadata"]["labels"][name] = value.clone();
    }
    object
}

async fn update(api: &Arc<Api>, registry: &Arc<Registry>, object: &Value) -> Result<(), Status> {
    let target = Target::new(registry, "default", "kubernetes");
    match Client::server(api).update(target, object).await {
        // Another server was faster, and wanted the same.
        Err(status) if status.is(reason::CONFLICT) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    fn addresses(server: &Server) -> (Value, Value) {
        let endpoints = server.get("endpoints", "default", "kubernetes").unwrap();
        let slice = server.get("endpointslices.discovery.k8s.io", "default", "kubernetes");
        let of = |list: &Value, field: &str| -> Value {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item[field].clone()).collect()
        };
        (
            of(&endpoints["subsets"][0]["addresses"], "ip"),
            of(&slice.unwrap()["endpoints"], "addresses"),
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_endpoints_are_the_servers_that_live() {
        let server = Server::start_with("none", &["--advertise-address=10.1.0.2"]).await;
        let both = |ips: &[&str]| {
            (
                json!(ips),
                ips.iter().map(|ip| json!([ip])).collect::<Value>(),
            )
        };
        assert_eq!(
            addresses(&server),
            both(&["10.1.0.2"]),
            "before it is ready"
        );

        let other = Change::Put {
            key: key("10.1.0.1".parse().unwrap()).into(),
            value: "another server's".into(),
            ttl_seconds: Some(1),
        };
        write(&server.api, other).await.unwrap();
        keep(&server.api).await.unwrap();
        assert_eq!(addresses(&server), both(&["10.1.0.1", "10.1.0.2"]));

        let before = server.get("endpoints", "default", "kubernetes");
        keep(&server.api).await.unwrap();
        assert_eq!(
            server.get("endpoints", "default", "kubernetes"),
            before,
            "nothing to do"
        );

        // It is not heard of again.
        server
            .eventually("its key ends", |s| living(&s.api).unwrap().len() == 1)
            .await;
        let spoiled =
            json!({"subsets": [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 1}]}]});
        server
            .patch("endpoints", "default", "kubernetes", spoiled)
            .await;
        keep(&server.api).await.unwrap();
        assert_eq!(addresses(&server), both(&["10.1.0.2"]));

        let other = Change::Put {
            key: key("10.1.0.3".parse().unwrap()).into(),
            value: "another server's".into(),
            ttl_seconds: None,
        };
        write(&server.api, other).await.unwrap();
        leave(&server.api).await;
        assert_eq!(
            addresses(&server),
            both(&["10.1.0.3"]),
            "a server that stops is gone at once"
        );
        keep(&server.api).await.unwrap();
        assert_eq!(addresses(&server), both(&["10.1.0.3"]), "and for good");
    }

    #[test]
    fn addresses_are_compared_as_a_set() {
        let set = |ips: &[&str]| ips.iter().map(|ip| json!({"ip": ip})).collect::<Value>();
        assert!(same_set(
            &set(&["10.1.0.1", "10.1.0.2"]),
            &set(&["10.1.0.2", "10.1.0.1"])
        ));
        assert!(!same_set(&set(&["10.1.0.1"]), &set(&["10.1.0.2"])));
        assert!(!same_set(
            &set(&["10.1.0.1"]),
            &set(&["10.1.0.1", "10.1.0.2"])
        ));
        assert!(!same_set(&Value::Null, &set(&[])));
    }
}
