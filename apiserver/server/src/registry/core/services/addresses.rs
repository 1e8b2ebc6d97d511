//! Cluster addresses: taken by making the IPAddress object of that name, given back by deleting it (kubernetes
//! pkg/registry/core/service/ipallocator).

use super::band::Band;
use super::{families, invalid, lost, needs_address, text};
use crate::api::Api;
use crate::handlers::create::in_context;
use crate::registry::strategy::Extra;
use crate::registry::{conditions, unavailable};
use bytes::Bytes;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::IpAddr;
use triad_machinery::pod::texts;
use triad_machinery::status::{FieldError, Status};
use triad_machinery::{managed_fields, meta};

const GROUP: &str = "networking.k8s.io";
pub(super) const PREFIX: &str = "/registry/ipaddresses/";
const FULL: &str = "range is full";
const MANAGER: &str = "ipallocator.k8s.io";

/// The addresses that a service holds.
pub(super) fn of(service: &Value) -> Vec<String> {
    if !needs_address(service) {
        return Vec::new();
    }
    let mut all = texts(&service["spec"]["clusterIPs"]);
    let one = text(service, "clusterIP");
    if all.is_empty() && !one.is_empty() {
        all.push(one.to_owned());
    }
    all.retain(|address| address != "None" && !address.is_empty());
    all
}

pub(super) fn release(addresses: impl IntoIterator<Item = String>, extra: &mut Extra) {
    for address in addresses {
        extra.release(key(&address));
    }
}

fn key(address: &str) -> Bytes {
    Bytes::from(format!("{PREFIX}{address}"))
}

/// Takes the addresses that a service asks for or lacks, gives back those that it no longer has.
pub(super) fn allocate(
    api: &Api,
    object: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
    extra: &mut Extra,
) -> Result<(), Status> {
    let held = old.map(of).unwrap_or_default();
    if needs_address(object) && text(object, "clusterIP") != "None" {
        let mut all = texts(&object["spec"]["clusterIPs"]);
        for at in 0..texts(&object["spec"]["ipFamilies"]).len().max(all.len()) {
            let asked = all.get(at).cloned().unwrap_or_default();
            if held.contains(&asked) {
                continue;
            }
            let address = if asked.is_empty() {
                draw(api, object, dry_run)?
            } else {
                check(api, object, &asked, dry_run)?;
                asked
            };
            take(api, object, &address, dry_run, extra)?;
            all.truncate(at);
            all.push(address);
            if at == 0 {
                object["spec"]["clusterIP"] = all[0].as_str().into();
            }
            object["spec"]["clusterIPs"] = json!(all);
        }
    }
    release(lost(held, &of(object)), extra);
    Ok(())
}

fn refuse(object: &Value, why: String) -> Status {
    let mut shown = texts(&object["spec"]["clusterIPs"]);
    if shown.is_empty() {
        // A place is made for the address before it is looked for.
        shown.push(String::new());
    }
    invalid(
        object,
        FieldError::invalid("spec.clusterIPs", json!(shown), why),
    )
}

/// Puts the address's object into the transaction; it is validated like any.
fn take(
    api: &Api,
    object: &Value,
    address: &str,
    dry_run: bool,
    extra: &mut Extra,
) -> Result<(), Status> {
    if dry_run {
        return Ok(());
    }
    let registry = api
        .endpoints
        .registry(GROUP, "ipaddresses")
        .ok_or_else(|| Status::internal("the resource table has no ipaddresses"))?;
    let mut ip = ip_address(api, object, address);
    registry.fill_system_fields(&mut ip);
    registry
        .before_create(registry.resource(), &mut ip)
        .map_err(|status| refuse(object, format!("failed to allocate IP: {}", status.message)))?;
    extra.take(key(address), registry.layout.encode(&mut ip));
    Ok(())
}

/// The object that says who holds an address.
pub(super) fn ip_address(api: &Api, service: &Value, address: &str) -> Value {
    let mut ip = json!({"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "labels": {
            "ipaddress.kubernetes.io/ip-family": families::of(address), "ipaddress.kubernetes.io/managed-by": MANAGER}},
        "spec": {"parentRef": {"resource": "services", "namespace": meta::namespace(service), "name": meta::name(service)}}});
    if let Some(endpoint) = api.endpoints.get(GROUP, "v1", "ipaddresses") {
        in_context(&endpoint, "kube-apiserver", "", |context| {
            managed_fields::update(None, &mut ip, context);
        });
    }
    ip
}

/// Whether the object is one of these.
pub(super) fn is_managed(ip: &Value) -> bool {
    meta::labels(ip)
        .any(|(key, value)| key == "ipaddress.kubernetes.io/managed-by" && value == MANAGER)
}

fn is_free(api: &Api, address: &str) -> Result<bool, Status> {
    let entry = api.store.get(&key(address), None);
    Ok(entry.map_err(|error| unavailable(&error))?.is_none())
}

/// The ranges that addresses come from: the server's own, then those that were added as ServiceCIDR objects, unless
/// one is said not to be ready.
pub(super) fn ranges(api: &Api) -> Vec<IpNet> {
    let mut ranges = vec![api.config.service_cidr];
    let Some(registry) = api.endpoints.registry(GROUP, "servicecidrs") else {
        return ranges;
    };
    for cached in registry.cache.snapshot().all() {
        let Ok(object) = cached.object(&registry.layout) else {
            continue;
        };
        // Nobody may be there to say that it is.
        let ready = conditions::find(&object, "Ready").is_none_or(|said| said["status"] == "True");
        let usable = ready && meta::deletion_timestamp(&object).is_empty();
        for range in texts(&object["spec"]["cidrs"])
            .iter()
            .filter_map(|text| text.parse().ok())
        {
            if usable && !ranges.contains(&range) {
                ranges.push(range);
            }
        }
    }
    ranges
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The numbers of a range's first usable address and how many there are: neither the network's own address nor, in IPv4, the
/// broadcast address.
fn usable(range: &IpNet) -> (u128, u128) {
    let last = number(range.broadcast())
        - u128::from(range.addr().is_ipv4()).min(number(range.broadcast()));
    let first = number(range.network()).saturating_add(1);
    (first, (last + 1).saturating_sub(first))
}

/// Whether a service may have the address: in the range, and neither its first nor its broadcast address.
pub(super) fn holds(range: &IpNet, address: IpAddr) -> bool {
    let (first, size) = usable(range);
    let same_family = address.is_ipv4() == range.addr().is_ipv4();
    same_family
        && number(address)
            .checked_sub(first)
            .is_some_and(|at| at < size)
}

fn draw(api: &Api, object: &Value, dry_run: bool) -> Result<String, Status> {
    if dry_run {
        // Nothing is searched for; the range's own address stands for whichever it would be.
        return Ok(api.config.service_cidr.network().to_string());
    }
    for range in ranges(api) {
        let v4 = range.addr().is_ipv4();
        let (first, size) = usable(&range);
        let address = |at: u128| match v4 {
            true => IpAddr::V4(((first + at) as u32).into()),
            false => IpAddr::V6((first + at).into()),
        };
        let network = (number(range.broadcast()) - number(range.network())).saturating_add(1);
        let band = Band::of_addresses(size, network);
        if let Some(at) = band.find(|at| is_free(api, &address(at).to_string()))? {
            return Ok(address(at).to_string());
        }
    }
    Err(Status::internal(format!(
        "failed to allocate a serviceIP for Service {}: {FULL}",
        triad_machinery::goformat::quote(meta::name(object))
    )))
}

/// Refuses an address that was asked for and cannot be had.
fn check(api: &Api, object: &Value, asked: &str, dry_run: bool) -> Result<(), Status> {
    let fail = |why: String| {
        Err(refuse(
            object,
            format!("failed to allocate IP {asked}: {why}"),
        ))
    };
    let Ok(address) = asked.parse::<IpAddr>() else {
        return Err(Status::internal(format!(
            "failed to parse service IP {}",
            triad_machinery::goformat::quote(asked)
        )));
    };
    if !ranges(api).iter().any(|range| holds(range, address)) {
        return fail(if dry_run {
            format!(
                "the provided IP ({asked}) is not in the valid range. The range of valid IPs is {}",
                api.config.service_cidr
            )
        } else {
            "the provided network does not match the current range".to_owned()
        });
    }
    if !dry_run && !is_free(api, asked)? {
        return fail("provided IP is already allocated".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_and_broadcast_addresses_are_nobodys() {
        let holds = |range: &str, address: &str| {
            let range = range.parse().expect("a range");
            super::holds(&range, address.parse().expect("an address"))
        };
        assert!(!holds("10.0.0.0/24", "10.0.0.0"));
        assert!(holds("10.0.0.0/24", "10.0.0.1"));
        assert!(holds("10.0.0.0/24", "10.0.0.254"));
        assert!(!holds("10.0.0.0/24", "10.0.0.255"));
        assert!(!holds("10.0.0.0/24", "10.0.1.1"));
        assert!(!holds("10.0.0.0/24", "fd00::1"));
        assert!(!holds("fd00::/112", "fd00::"));
        assert!(holds("fd00::/112", "fd00::ffff"));
    }

    #[test]
    fn the_smallest_ranges_hold_nothing() {
        for range in [
            "10.0.0.1/32",
            "10.0.0.0/31",
            "0.0.0.0/32",
            "255.255.255.255/32",
        ] {
            let range: IpNet = range.parse().expect("a range");
            assert_eq!(usable(&range).1, 0, "{range}");
        }
        assert_eq!(usable(&"10.0.0.0/30".parse().expect("a range")).1, 2);
        assert_eq!(usable(&"fd00::/127".parse().expect("a range")).1, 1);
    }
}
