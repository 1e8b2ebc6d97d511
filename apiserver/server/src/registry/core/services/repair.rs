//! What addresses and ports are in use is said twice: by the services, and by the keys that keep others off. This brings the
//! second in line with the first, at start and now and then (kubernetes pkg/registry/core/service/{ip,port}allocator/controller).
//!
//! Both are written in one transaction, so there is nothing to do but after someone deleted an IPAddress, or an import.

use super::{addresses, ports};
use crate::api::Api;
use crate::registry::{Registry, unavailable};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use triad_kv::{Change, Compare, Condition, Entry, Txn};
use triad_machinery::meta;
use triad_machinery::status::Status;

/// How often, as upstream.
const EVERY: Duration = Duration::from_secs(180);

/// Repairs for as long as the server runs.
pub(crate) async fn run(api: Arc<Api>) {
    loop {
        if let Err(status) = once(&api).await {
            tracing::warn!(%status, "cannot bring addresses and node ports in line with the services; trying again later");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(api: &Api) -> Result<(), Status> {
    let registry = |group: &str, plural: &str| {
        let registry = api.endpoints.registry(group, plural).cloned();
        registry.ok_or_else(|| Status::internal(format!("{plural} are not served")))
    };
    let services = registry("", "services")?;
    let ips = registry("networking.k8s.io", "ipaddresses")?;
    let all = read(&services, api)?;
    repair_addresses(api, &ips, &services, &all).await?;
    repair_ports(api, &services, &all).await
}

/// A service and the entry that must be unchanged while something is written on its behalf.
struct Stored {
    object: Value,
    entry: Entry,
}

fn read(registry: &Registry, api: &Api) -> Result<Vec<Stored>, Status> {
    let mut all = Vec::new();
    for entry in range(api, &registry.layout.prefix)? {
        match registry.layout.decode(&entry.value, entry.mod_revision) {
            Ok(object) => all.push(Stored { object, entry }),
            Err(error) => {
                tracing::error!(key = %String::from_utf8_lossy(&entry.key), error, "a stored object cannot be decoded")
            }
        }
    }
    Ok(all)
}

fn range(api: &Api, prefix: &str) -> Result<Vec<Entry>, Status> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    let range = api.store.range(prefix.as_bytes(), &end, None, 0);
    Ok(range.map_err(|error| unavailable(&error))?.entries)
}

/// Writes as long as what it rests on is still so; when it is not, the next round sees to it.
async fn write(api: &Api, compares: Vec<Compare>, change: Change) -> Result<(), Status> {
    let txn = Txn {
        compares,
        changes: vec![change],
    };
    let outcome = api.store.txn(txn).await;
    outcome.map(|_| ()).map_err(|error| unavailable(&error))
}

fn unchanged(entry: &Entry) -> Compare {
    Compare {
        key: entry.key.clone(),
        condition: Condition::ModRevision(entry.mod_revision),
    }
}

fn absent(key: &Bytes) -> Compare {
    Compare {
        key: key.clone(),
        condition: Condition::Absent,
    }
}

async fn repair_addresses(
    api: &Api,
    ips: &Registry,
    services: &Registry,
    all: &[Stored],
) -> Result<(), Status> {
    let ranges = addresses::ranges(api);
    let there = read(ips, api)?;
    let by_name: HashMap<&str, &Stored> = there
        .iter()
        .map(|ip| (meta::name(&ip.object), ip))
        .collect();
    let mut used: HashMap<String, &Stored> = HashMap::new();
    for service in all {
        for address in addresses::of(&service.object) {
            let (namespace, name) = (
                meta::namespace(&service.object),
                meta::name(&service.object),
            );
            let Ok(parsed) = address.parse::<IpAddr>() else {
                tracing::warn!(
                    namespace,
                    name,
                    address,
                    "a service's address is none; make the service anew"
                );
                continue;
            };
            if !ranges.iter().any(|range| addresses::holds(range, parsed)) {
                tracing::warn!(
                    namespace,
                    name,
                    address,
                    "a service's address is in no range; make the service anew"
                );
            }
            if let Some(other) = used.insert(address.clone(), service) {
                let first = meta::name(&other.object);
                tracing::warn!(
                    namespace,
                    name,
                    address,
                    first,
                    "two services have one address; make one of them anew"
                );
                used.insert(address, other);
                continue;
            }
            let wanted = addresses::ip_address(api, &service.object, &address);
            let found = by_name.get(address.as_str());
            if found.is_some_and(|ip| {
                ip.object.pointer("/spec/parentRef") == wanted.pointer("/spec/parentRef")
            }) {
                continue;
            }
            tracing::warn!(
                namespace,
                name,
                address,
                "a service's address is not marked as taken; repairing"
            );
            let mut object = wanted;
            ips.fill_system_fields(&mut object);
            ips.before_create(ips.resource(), &mut object)?;
            let key = Bytes::from(format!("{}{address}", addresses::PREFIX));
            let before = found.map_or_else(|| absent(&key), |ip| unchanged(&ip.entry));
            let change = Change::Put {
                key,
                value: ips.layout.encode(&mut object),
                ttl_seconds: None,
            };
            write(api, vec![unchanged(&service.entry), before], change).await?;
        }
    }
    for ip in there.iter().filter(|ip| addresses::is_managed(&ip.object)) {
        if used.contains_key(meta::name(&ip.object)) {
            continue;
        }
        tracing::warn!(
            address = meta::name(&ip.object),
            "an address is marked as taken that no service has; freeing it"
        );
        let parent = |field: &str| {
            let parent = ip
                .object
                .pointer("/spec/parentRef")
                .and_then(|parent| parent.get(field));
            parent.and_then(Value::as_str).unwrap_or("")
        };
        let key = services.layout.key(parent("namespace"), parent("name"));
        let same = |service: &&Stored| service.entry.key == key.as_bytes();
        let owner = all.iter().find(same).map_or_else(
            || absent(&Bytes::from(key.clone())),
            |owner| unchanged(&owner.entry),
        );
        let change = Change::Delete {
            key: ip.entry.key.clone(),
        };
        write(api, vec![unchanged(&ip.entry), owner], change).await?;
    }
    Ok(())
}

async fn repair_ports(api: &Api, services: &Registry, all: &[Stored]) -> Result<(), Status> {
    let there = range(api, ports::PREFIX)?;
    let marked: HashMap<&[u8], &Entry> =
        there.iter().map(|entry| (&entry.key[..], entry)).collect();
    let mut used: HashSet<Bytes> = HashSet::new();
    for service in all {
        for port in ports::of(&service.object) {
            let (namespace, name) = (
                meta::namespace(&service.object),
                meta::name(&service.object),
            );
            let key = ports::key(port);
            if !used.insert(key.clone()) {
                tracing::warn!(
                    namespace,
                    name,
                    port,
                    "two services have one node port; make one of them anew"
                );
                continue;
            }
            if marked.contains_key(&key[..]) {
                continue;
            }
            tracing::warn!(
                namespace,
                name,
                port,
                "a service's node port is not marked as taken; repairing"
            );
            let change = Change::Put {
                key: key.clone(),
                value: ports::owner(&service.object),
                ttl_seconds: None,
            };
            write(api, vec![unchanged(&service.entry), absent(&key)], change).await?;
        }
    }
    for entry in there.iter().filter(|entry| !used.contains(&entry.key)) {
        let owner = String::from_utf8_lossy(&entry.value);
        tracing::warn!(key = %String::from_utf8_lossy(&entry.key), %owner, "a node port is marked as taken that no service has; freeing it");
        let (namespace, name) = owner.split_once('/').unwrap_or(("", ""));
        let key = Bytes::from(services.layout.key(namespace, name));
        let same = |service: &&Stored| service.entry.key == key;
        let owner = all
            .iter()
            .find(same)
            .map_or_else(|| absent(&key), |owner| unchanged(&owner.entry));
        let change = Change::Delete {
            key: entry.key.clone(),
        };
        write(api, vec![unchanged(entry), owner], change).await?;
    }
    Ok(())
}
