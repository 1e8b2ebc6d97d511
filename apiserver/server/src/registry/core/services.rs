//! Services: cluster addresses and node ports, taken in the same transaction that stores the service
//! (kubernetes pkg/registry/core/service).
//!
//! An address in use is an IPAddress object of that name, a node port in use is a key of its own; both go with the service.

use crate::api::Api;
use crate::registry::Strategy;
use crate::registry::strategy::Extra;
use bytes::Bytes;
use ipnet::IpNet;
use rand::Rng as _;
use serde_json::{Value, json};
use std::net::IpAddr;
use triad_kv::{Change, Compare, Condition};
use triad_machinery::meta;
use triad_machinery::scheme::scheme;
use triad_machinery::status::{FieldError, GroupKind, Status};

const PORTS: &str = "/registry/ranges/nodeports/";
const ADDRESSES: &str = "/registry/ipaddresses/";
/// Draws before an address or port range counts as full.
const DRAWS: u32 = 512;

#[derive(Default)]
pub(in crate::registry) struct Services;

fn text<'a>(object: &'a Value, at: &str) -> &'a str {
    object.pointer(at).and_then(Value::as_str).unwrap_or("")
}

/// Whether this kind of service has a cluster address.
fn has_address(object: &Value) -> bool {
    text(object, "/spec/type") != "ExternalName" && text(object, "/spec/clusterIP") != "None"
}

fn addresses(object: &Value) -> Vec<String> {
    if !has_address(object) {
        return Vec::new();
    }
    let list = object.pointer("/spec/clusterIPs").and_then(Value::as_array);
    let mut all: Vec<String> = list
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if all.is_empty() && !text(object, "/spec/clusterIP").is_empty() {
        all.push(text(object, "/spec/clusterIP").to_owned());
    }
    all
}

fn node_ports(object: &Value) -> Vec<i64> {
    let ports = object
        .pointer("/spec/ports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut all: Vec<i64> = ports
        .filter_map(|port| port.get("nodePort")?.as_i64())
        .filter(|port| *port != 0)
        .collect();
    all.extend(
        object
            .pointer("/spec/healthCheckNodePort")
            .and_then(Value::as_i64)
            .filter(|port| *port != 0),
    );
    all.sort_unstable();
    all.dedup();
    all
}

impl Strategy for Services {
    fn prepare_for_create(&self, object: &mut Value) {
        families(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        // What was allocated stays unless the client says otherwise.
        if has_address(object) && has_address(old) {
            for field in ["clusterIP", "clusterIPs"] {
                if object.pointer(&format!("/spec/{field}")).is_none()
                    && let Some(kept) = old.pointer(&format!("/spec/{field}"))
                {
                    object["spec"][field] = kept.clone();
                }
            }
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if let (None, Some(kept), true) = (
                object.pointer(&format!("/spec/{field}")),
                old.pointer(&format!("/spec/{field}")),
                text(object, "/spec/type") != "ExternalName",
            ) {
                object["spec"][field] = kept.clone();
            }
        }
        keep_node_ports(object, old);
        if text(object, "/spec/type") == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.shift_remove(field);
                }
            }
        } else {
            families(object);
        }
    }

    fn allocate(
        &self,
        api: &Api,
        object: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Extra, Status> {
        let mut extra = Extra::default();
        let held = old.map(addresses).unwrap_or_default();
        if has_address(object) && addresses(object).is_empty() {
            let cidr = &api.config.service_cidr;
            let drawn = if dry_run {
                cidr.network()
            } else {
                draw_address(api, cidr)?
            };
            object["spec"]["clusterIP"] = drawn.to_string().into();
            object["spec"]["clusterIPs"] = json!([drawn.to_string()]);
        }
        let wanted = addresses(object);
        for address in wanted.iter().filter(|address| !held.contains(address)) {
            check_address(api, object, address)?;
            let key = Bytes::from(format!("{ADDRESSES}{address}"));
            extra.compares.push(Compare {
                key: key.clone(),
                condition: Condition::Absent,
            });
            extra.changes.push(Change::Put {
                key,
                value: ip_address(object, address)?,
                ttl_seconds: None,
            });
        }
        for address in held.iter().filter(|address| !wanted.contains(address)) {
            extra.changes.push(Change::Delete {
                key: Bytes::from(format!("{ADDRESSES}{address}")),
            });
        }
        self.ports(api, object, old, dry_run, &mut extra)?;
        Ok(extra)
    }

    fn release(&self, object: &Value) -> Extra {
        let addresses = addresses(object)
            .into_iter()
            .map(|address| format!("{ADDRESSES}{address}"));
        let ports = node_ports(object)
            .into_iter()
            .map(|port| format!("{PORTS}{port}"));
        let changes = addresses
            .chain(ports)
            .map(|key| Change::Delete {
                key: Bytes::from(key),
            })
            .collect();
        Extra {
            compares: Vec::new(),
            changes,
        }
    }
}

impl Services {
    fn ports(
        &self,
        api: &Api,
        object: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
        extra: &mut Extra,
    ) -> Result<(), Status> {
        let held = old.map(node_ports).unwrap_or_default();
        // What a dry run only shows may be in use.
        let mut shown = Vec::new();
        let kind = text(object, "/spec/type").to_owned();
        let allocates = kind == "NodePort"
            || (kind == "LoadBalancer"
                && object.pointer("/spec/allocateLoadBalancerNodePorts")
                    != Some(&Value::Bool(false)));
        let mut taken = node_ports(object);
        if allocates {
            let (first, last) = api.config.node_ports;
            for at in 0..object
                .pointer("/spec/ports")
                .and_then(Value::as_array)
                .map_or(0, Vec::len)
            {
                if object["spec"]["ports"][at]
                    .get("nodePort")
                    .and_then(Value::as_i64)
                    .unwrap_or(0)
                    != 0
                {
                    continue;
                }
                let port = if dry_run {
                    let port = dry_port(&taken, &held);
                    shown.push(port);
                    port
                } else {
                    draw_port(api, first, last, &taken)?
                };
                taken.push(port);
                object["spec"]["ports"][at]["nodePort"] = port.into();
            }
        }
        let wanted = node_ports(object);
        let new = |port: &&i64| !held.contains(port) && !shown.contains(port);
        for port in wanted.iter().filter(new) {
            let key = Bytes::from(format!("{PORTS}{port}"));
            if api
                .store
                .get(&key, None)
                .map_err(|e| crate::registry::unavailable(&e))?
                .is_some()
            {
                let at = object
                    .pointer("/spec/ports")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .position(|p| p.get("nodePort").and_then(Value::as_i64) == Some(*port))
                    .unwrap_or(0);
                let error = FieldError::invalid(
                    format!("spec.ports[{at}].nodePort"),
                    *port,
                    "provided port is already allocated",
                );
                return Err(Status::invalid(
                    GroupKind {
                        group: "",
                        kind: "Service",
                    },
                    meta::name(object),
                    &[error],
                ));
            }
            let owner = format!("{}/{}", meta::namespace(object), meta::name(object));
            extra.compares.push(Compare {
                key: key.clone(),
                condition: Condition::Absent,
            });
            extra.changes.push(Change::Put {
                key,
                value: Bytes::from(owner),
                ttl_seconds: None,
            });
        }
        for port in held.iter().filter(|port| !wanted.contains(port)) {
            extra.changes.push(Change::Delete {
                key: Bytes::from(format!("{PORTS}{port}")),
            });
        }
        Ok(())
    }
}

/// Single-stack IPv4 or IPv6, by the service range; a headless service without selector may have both.
fn families(object: &mut Value) {
    if text(object, "/spec/type") == "ExternalName" {
        return;
    }
    let given = text(object, "/spec/clusterIP").to_owned();
    if !given.is_empty() && object.pointer("/spec/clusterIPs").is_none() {
        object["spec"]["clusterIPs"] = json!([given]);
    }
    if let (true, Some(first)) = (
        given.is_empty(),
        object.pointer("/spec/clusterIPs/0").cloned(),
    ) {
        object["spec"]["clusterIP"] = first;
    }
    if object.pointer("/spec/ipFamilyPolicy").is_none() {
        let headless = given == "None" && object.pointer("/spec/selector").is_none();
        object["spec"]["ipFamilyPolicy"] = if headless {
            "RequireDualStack"
        } else {
            "SingleStack"
        }
        .into();
    }
    if object.pointer("/spec/ipFamilies").is_none() {
        let dual = text(object, "/spec/ipFamilyPolicy") == "RequireDualStack" && given == "None";
        object["spec"]["ipFamilies"] = if dual {
            json!(["IPv4", "IPv6"])
        } else if given.contains(':') {
            json!(["IPv6"])
        } else {
            json!(["IPv4"])
        };
    }
}

/// An update that leaves node ports out keeps those of the same port and protocol.
fn keep_node_ports(object: &mut Value, old: &Value) {
    if !matches!(text(object, "/spec/type"), "NodePort" | "LoadBalancer") {
        // Ports of a service that no longer has them are dropped where the client only repeated them.
        let held = node_ports(old);
        for port in object
            .pointer_mut("/spec/ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if port
                .get("nodePort")
                .and_then(Value::as_i64)
                .is_some_and(|number| held.contains(&number))
                && let Some(port) = port.as_object_mut()
            {
                port.shift_remove("nodePort");
            }
        }
        return;
    }
    let old_ports = old
        .pointer("/spec/ports")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for port in object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) != 0 {
            continue;
        }
        let same = |other: &&Value| {
            other.get("port") == port.get("port") && other.get("protocol") == port.get("protocol")
        };
        if let Some(number) = old_ports
            .iter()
            .find(same)
            .and_then(|other| other.get("nodePort"))
        {
            port["nodePort"] = number.clone();
        }
    }
}

fn draw_address(api: &Api, cidr: &IpNet) -> Result<IpAddr, Status> {
    let free = |address: &IpAddr| {
        api.store
            .get(format!("{ADDRESSES}{address}").as_bytes(), None)
            .map(|entry| entry.is_none())
    };
    let bits = u32::from(cidr.max_prefix_len() - cidr.prefix_len());
    // Neither the network's own address nor the broadcast address.
    let size: u128 = (1u128 << bits.min(64)) - 2;
    for _ in 0..DRAWS {
        let offset = rand::rng().random_range(0..size) + 1;
        let address = match cidr.network() {
            IpAddr::V4(base) => IpAddr::V4((u32::from(base) + offset as u32).into()),
            IpAddr::V6(base) => IpAddr::V6((u128::from(base) + offset).into()),
        };
        if free(&address).map_err(|e| crate::registry::unavailable(&e))? {
            return Ok(address);
        }
    }
    Err(Status::internal(
        "failed to allocate a serviceIP: range is full",
    ))
}

fn check_address(api: &Api, object: &Value, address: &str) -> Result<(), Status> {
    let refuse = |why: String| {
        let error = FieldError::invalid("spec.clusterIPs", json!([address]), why);
        Err(Status::invalid(
            GroupKind {
                group: "",
                kind: "Service",
            },
            meta::name(object),
            &[error],
        ))
    };
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return refuse("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned());
    };
    if !api.config.service_cidr.contains(&parsed) {
        return refuse(format!(
            "failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is {}",
            api.config.service_cidr
        ));
    }
    let taken = api
        .store
        .get(format!("{ADDRESSES}{address}").as_bytes(), None)
        .map_err(|e| crate::registry::unavailable(&e))?
        .is_some();
    if taken {
        refuse(format!(
            "failed to allocate IP {address}: provided IP is already allocated"
        ))
    } else {
        Ok(())
    }
}

/// The node port that a dry run shows: one above those the service asks for now, whether it is free or not
/// (portallocator's operation.go).
fn dry_port(taken: &[i64], held: &[i64]) -> i64 {
    let asked = taken.iter().filter(|port| !held.contains(port)).max();
    asked.copied().unwrap_or(32768) + 1
}

fn draw_port(api: &Api, first: u16, last: u16, taken: &[i64]) -> Result<i64, Status> {
    for _ in 0..DRAWS {
        let port = i64::from(rand::rng().random_range(first..=last));
        let free = api
            .store
            .get(format!("{PORTS}{port}").as_bytes(), None)
            .map_err(|e| crate::registry::unavailable(&e))?
            .is_none();
        if free && !taken.contains(&port) {
            return Ok(port);
        }
    }
    Err(Status::internal(
        "failed to allocate a nodePort: range is full",
    ))
}

/// The IPAddress object that says who holds an address, in its stored form.
fn ip_address(service: &Value, address: &str) -> Result<Bytes, Status> {
    let resource = scheme()
        .resource("networking.k8s.io", "v1", "ipaddresses")
        .ok_or_else(|| Status::internal("the resource table has no ipaddresses"))?;
    let ty = resource
        .type_id()
        .ok_or_else(|| Status::internal("the schema table has no IPAddress"))?;
    let family = if address.contains(':') {
        "IPv6"
    } else {
        "IPv4"
    };
    let mut object = json!({"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": crate::clock::Clock.now(),
            "labels": {"ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}},
        "spec": {"parentRef": {"resource": "services", "namespace": meta::namespace(service), "name": meta::name(service)}}});
    let layout = crate::storage::Layout {
        prefix: ADDRESSES.to_owned(),
        resource,
        ty,
    };
    Ok(layout.encode(&mut object))
}

#[cfg(test)]
mod tests {
    use super::dry_port;

    #[test]
    fn a_dry_run_shows_the_port_above_those_asked_for_now() {
        assert_eq!(dry_port(&[], &[]), 32769);
        assert_eq!(dry_port(&[30005, 30001], &[]), 30006);
        // A port that the service holds already is not asked for.
        assert_eq!(dry_port(&[30005], &[30005]), 32769);
    }
}
