//! Cells of services, endpoints, ingresses and addresses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::{at, first_of, list, number, or, text};
use crate::goformat::plain;
use crate::meta;

pub(super) fn external_ip(service: &Value, _: i64) -> Value {
    let external: Vec<String> = list(service, "spec.externalIPs")
        .iter()
        .map(plain)
        .collect();
    match text(service, "spec.type") {
        "ClusterIP" | "NodePort" => or(&external.join(","), "<none>").into(),
        "LoadBalancer" => {
            let balancer = balancer_addresses(service);
            let all: Vec<String> = balancer.into_iter().chain(external).collect();
            or(&all.join(","), "<pending>").into()
        }
        "ExternalName" => text(service, "spec.externalName").into(),
        _ => "<unknown>".into(),
    }
}

fn balancer_addresses(object: &Value) -> BTreeSet<String> {
    let points = list(object, "status.loadBalancer.ingress").iter();
    points
        .map(|p| or(text(p, "ip"), text(p, "hostname")))
        .filter(|address| !address.is_empty())
        .collect()
}

pub(super) fn service_ports(service: &Value, _: i64) -> Value {
    let ports = list(service, "spec.ports").iter().map(|port| {
        let (number, node_port, protocol) = (
            number(port, "port"),
            number(port, "nodePort"),
            text(port, "protocol"),
        );
        if node_port > 0 {
            format!("{number}:{node_port}/{protocol}")
        } else {
            format!("{number}/{protocol}")
        }
    });
    or(&ports.collect::<Vec<_>>().join(","), "<none>").into()
}

pub(super) fn endpoints(object: &Value, _: i64) -> Value {
    let subsets = list(object, "subsets");
    if subsets.is_empty() {
        return "<none>".into();
    }
    let mut shown = Vec::new();
    for subset in subsets {
        let addresses: Vec<&str> = list(subset, "addresses")
            .iter()
            .map(|a| text(a, "ip"))
            .collect();
        let ports = list(subset, "ports");
        if ports.is_empty() {
            shown.extend(addresses.iter().map(|ip| (*ip).to_owned()));
        }
        for port in ports.iter().map(|port| number(port, "port")) {
            shown.extend(addresses.iter().map(|ip| host_port(ip, port)));
        }
    }
    first_of(shown, 3, ",").into()
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

pub(super) fn slice_ports(slice: &Value, _: i64) -> Value {
    let ports =
        list(slice, "ports")
            .iter()
            .map(|port| match (at(port, "port"), at(port, "name")) {
                (Some(number), _) => plain(number),
                (None, Some(name)) => plain(name),
                (None, None) => "*".into(),
            });
    or(&first_of(ports.collect(), 3, ","), "<unset>").into()
}

pub(super) fn slice_endpoints(slice: &Value, _: i64) -> Value {
    let addresses = list(slice, "endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "addresses"))
        .map(plain);
    or(&first_of(addresses.collect(), 3, ","), "<unset>").into()
}

pub(super) fn ingress_hosts(ingress: &Value, _: i64) -> Value {
    let rules = list(ingress, "spec.rules");
    let mut hosts: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == 3;
        if !more && !text(rule, "host").is_empty() {
            hosts.push(text(rule, "host"));
        }
    }
    match (hosts.is_empty(), more) {
        (true, _) => "*".into(),
        (false, true) => format!("{} + {} more...", hosts.join(","), rules.len() - 3).into(),
        (false, false) => hosts.join(",").into(),
    }
}

pub(super) fn ingress_address(ingress: &Value, _: i64) -> Value {
    balancer_addresses(ingress)
        .into_iter()
        .collect::<Vec<_>>()
        .join(",")
        .into()
}

pub(super) fn ingress_ports(ingress: &Value, _: i64) -> Value {
    if list(ingress, "spec.tls").is_empty() {
        "80"
    } else {
        "80, 443"
    }
    .into()
}

pub(super) fn default_class_name(class: &Value, _: i64) -> Value {
    let name = meta::name(class);
    let is_default =
        meta::annotation(class, "ingressclass.kubernetes.io/is-default-class") == Some("true");
    if is_default {
        format!("{name} (default)").into()
    } else {
        name.into()
    }
}

pub(super) fn class_parameters(class: &Value, _: i64) -> Value {
    let Some(parameters) = at(class, "spec.parameters") else {
        return "<none>".into();
    };
    let group = at(parameters, "apiGroup")
        .map(|group| format!(".{}", plain(group)))
        .unwrap_or_default();
    format!(
        "{}{group}/{}",
        text(parameters, "kind"),
        text(parameters, "name")
    )
    .into()
}

pub(super) fn address_parent(address: &Value, _: i64) -> Value {
    let Some(parent) = at(address, "spec.parentRef") else {
        return "<none>".into();
    };
    let mut out = text(parent, "resource").to_lowercase();
    if !text(parent, "group").is_empty() {
        out = format!("{out}.{}", text(parent, "group").to_lowercase());
    }
    for part in [text(parent, "namespace")]
        .into_iter()
        .filter(|part| !part.is_empty())
    {
        out = format!("{out}/{part}");
    }
    format!("{out}/{}", text(parent, "name")).into()
}
