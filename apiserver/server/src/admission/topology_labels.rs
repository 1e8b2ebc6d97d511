//! PodTopologyLabels: a pod bears the zone and region of the node that it is put on (kubernetes
//! plugin/pkg/admission/podtopologylabels).

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;

const LABELS: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
];

pub(super) struct PodTopologyLabels {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    /// The labels of a binding become the pod's.
    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.is("", "pods") || attributes.operation != Operation::Create {
            return Ok(());
        }
        let node = match attributes.subresource.as_str() {
            "" => object.pointer("/spec/nodeName"),
            "binding"
                if object
                    .pointer("/target/kind")
                    .is_some_and(|kind| kind == "Node") =>
            {
                object.pointer("/target/name")
            }
            _ => None,
        };
        let Some(node) = node.and_then(Value::as_str).filter(|node| !node.is_empty()) else {
            return Ok(());
        };
        let Some(node) = self.lookup.find(&self.lookup.nodes, "", node) else {
            return Ok(());
        };
        for key in LABELS {
            if let Some(value) = meta::label(&node, key) {
                object["metadata"]["labels"][key] = value.into();
            }
        }
        Ok(())
    }
}
