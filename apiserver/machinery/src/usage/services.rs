//! What a service uses (pkg/quota/v1/evaluator/core/services.go).

use super::Amounts;
use serde_json::Value;

const SERVICES: &str = "services";
const NODE_PORTS: &str = "services.nodeports";
const LOAD_BALANCERS: &str = "services.loadbalancers";

pub(super) fn covers(name: &str) -> bool {
    [SERVICES, NODE_PORTS, LOAD_BALANCERS].contains(&name)
}

pub(super) fn usage(service: &Value) -> Amounts {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let ports = ports.map_or(&[][..], Vec::as_slice);
    let (node_ports, load_balancers) = match service.pointer("/spec/type").and_then(Value::as_str) {
        Some("NodePort") => (ports.len(), 0),
        // Numbers are not given yet: what is asked for counts.
        Some("LoadBalancer") if allocates(service) => (ports.len(), 1),
        Some("LoadBalancer") => (ports.iter().filter(|port| named(port)).count(), 1),
        _ => (0, 0),
    };
    let mut used = Amounts::default();
    used.count(SERVICES, 1);
    used.count(NODE_PORTS, node_ports);
    used.count(LOAD_BALANCERS, load_balancers);
    used
}

fn allocates(service: &Value) -> bool {
    let asked = service.pointer("/spec/allocateLoadBalancerNodePorts");
    asked.and_then(Value::as_bool) != Some(false)
}

fn named(port: &Value) -> bool {
    port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) != 0
}
