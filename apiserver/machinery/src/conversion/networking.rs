//! Ingresses and endpoint slices before v1 (kubernetes pkg/apis/{networking,discovery}/v1beta1/conversion.go).

use serde_json::{Map, Value, json};

use super::{each_in, rename, spec};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Calls with every backend of an ingress's rules.
fn each_path(spec: &mut Map<String, Value>, change: fn(&mut Map<String, Value>)) {
    for rule in each_in(spec, "rules") {
        let Some(http) = rule.get_mut("http").and_then(Value::as_object_mut) else {
            continue;
        };
        for path in each_in(http, "paths") {
            if let Some(backend) = path.get_mut("backend").and_then(Value::as_object_mut) {
                change(backend);
            }
        }
    }
}

pub(super) fn ingress_to_v1(ingress: &mut Map<String, Value>) {
    let Some(spec) = spec(ingress) else { return };
    rename(spec, "backend", "defaultBackend");
    if let Some(backend) = spec
        .get_mut("defaultBackend")
        .and_then(Value::as_object_mut)
    {
        backend_to_v1(backend);
    }
    each_path(spec, backend_to_v1);
}

pub(super) fn ingress_from_v1(ingress: &mut Map<String, Value>) {
    let Some(spec) = spec(ingress) else { return };
    rename(spec, "defaultBackend", "backend");
    if let Some(backend) = spec.get_mut("backend").and_then(Value::as_object_mut) {
        backend_from_v1(backend);
    }
    each_path(spec, backend_from_v1);
}

fn backend_to_v1(backend: &mut Map<String, Value>) {
    let (name, port) = (
        backend.shift_remove("serviceName"),
        backend.shift_remove("servicePort"),
    );
    if name.is_none() && port.is_none() {
        return;
    }
    let mut service = Map::new();
    service.set("name", name.unwrap_or_else(|| "".into()));
    let port = match port {
        Some(Value::String(name)) => json!({"name": name}),
        Some(number) if number != 0 => json!({"number": number}),
        _ => json!({}),
    };
    service.set("port", port);
    backend.set("service", service.into());
}

fn backend_from_v1(backend: &mut Map<String, Value>) {
    let Some(service) = backend.shift_remove("service") else {
        return;
    };
    if let Some(name) = service.get("name") {
        backend.set("serviceName", name.clone());
    }
    let named = service.pointer("/port/name").filter(|name| *name != "");
    let port = named.or_else(|| service.pointer("/port/number")).cloned();
    backend.set("servicePort", port.unwrap_or_else(|| 0.into()));
}

pub(super) fn slice_to_v1(slice: &mut Map<String, Value>) {
    for endpoint in each_in(slice, "endpoints") {
        let Some(Value::Object(mut topology)) = endpoint.shift_remove("topology") else {
            continue;
        };
        if let Some(zone) = topology.shift_remove(ZONE) {
            endpoint.set("zone", zone);
        }
        if endpoint.contains_key("nodeName") && topology.get(HOSTNAME) == endpoint.get("nodeName") {
            topology.shift_remove(HOSTNAME);
        }
        if !topology.is_empty() {
            endpoint.set("deprecatedTopology", topology.into());
        }
    }
}

pub(super) fn slice_from_v1(slice: &mut Map<String, Value>) {
    for endpoint in each_in(slice, "endpoints") {
        let mut topology = match endpoint.shift_remove("deprecatedTopology") {
            Some(Value::Object(topology)) => topology,
            _ => Map::new(),
        };
        if let Some(zone) = endpoint.shift_remove("zone") {
            topology.insert(ZONE.to_owned(), zone);
        }
        if let Some(node) = endpoint.get("nodeName").cloned() {
            topology.entry(HOSTNAME).or_insert(node);
        }
        if !topology.is_empty() {
            endpoint.set("topology", topology.into());
        }
    }
}
