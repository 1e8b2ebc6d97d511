//! Endpoint slices: labels count for generation, and the old topology map cannot be written any more (kubernetes
//! pkg/registry/discovery/endpointslice).

use crate::registry::Strategy;
use serde_json::Value;
use std::collections::HashSet;
use triad_machinery::names;

/// Where the topology map named the endpoint's node.
const HOSTNAME: &str = "kubernetes.io/hostname";

pub(in crate::registry) struct EndpointSlices;

impl Strategy for EndpointSlices {
    fn counts_for_generation(&self, object: &Value, old: &Value) -> bool {
        let labels = |object: &Value| object.pointer("/metadata/labels").cloned();
        labels(object) != labels(old)
    }

    fn prepare_for_create(&self, object: &mut Value) {
        drop_topology(object, None);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        if object.get("endpoints") != old.get("endpoints") {
            drop_topology(object, Some(old));
        }
    }
}

/// Drops the map; a node that the stored slice already named there goes into its field.
fn drop_topology(object: &mut Value, old: Option<&Value>) {
    let known: HashSet<&str> = endpoints(old).filter_map(topology_node).collect();
    let new = object.get_mut("endpoints").and_then(Value::as_array_mut);
    for endpoint in new.into_iter().flatten() {
        let node = topology_node(endpoint)
            .filter(|node| known.contains(node) && names::dns1123_subdomain(node).is_empty())
            .map(str::to_owned);
        let Some(map) = endpoint.as_object_mut() else {
            continue;
        };
        map.shift_remove("deprecatedTopology");
        if let (Some(node), false) = (node, map.contains_key("nodeName")) {
            map.insert("nodeName".to_owned(), node.into());
        }
    }
}

fn endpoints(slice: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = slice.and_then(|slice| slice.get("endpoints")?.as_array());
    list.into_iter().flatten()
}

fn topology_node(endpoint: &Value) -> Option<&str> {
    endpoint
        .get("deprecatedTopology")?
        .get(HOSTNAME)?
        .as_str()
        .filter(|node| !node.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn topology_goes_and_a_node_known_from_it_stays() {
        let slice = |extra: Value| json!({"endpoints": [{"addresses": ["10.0.0.1"], "deprecatedTopology": {"kubernetes.io/hostname": "n1", "zone": "a"}}, extra]});
        let old = slice(json!({"addresses": ["10.0.0.2"]}));
        let mut new = slice(
            json!({"addresses": ["10.0.0.3"], "deprecatedTopology": {"kubernetes.io/hostname": "n2"}}),
        );
        EndpointSlices.prepare_for_update(&mut new, &old);
        let wanted = json!({"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n1"}, {"addresses": ["10.0.0.3"]}]});
        assert_eq!(new, wanted);
        let mut same = old.clone();
        EndpointSlices.prepare_for_update(&mut same, &old);
        assert_eq!(same, old, "endpoints that are left alone keep their map");
    }
}
