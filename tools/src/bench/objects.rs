//! The objects that loads write: of the size and shape of a production cluster's, every one alike but for its name, and their
//! encodings. Bodies are made of trees, so that a name or a resourceVersion can be set before each call.

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use triad_machinery::codec::{Strictness, json as json_codec, protobuf};
use triad_machinery::schema::{TypeId, schema};

use super::link::Failure;

/// Where the loads live.
pub(crate) const NAMESPACE: &str = "bench";
/// Nodes that the pods of a population are spread over, so that one node has 1 % of them.
pub(crate) const NODES: usize = 100;
/// Bytes of a small ConfigMap's text, so that the object is about 1 KB of JSON.
const CONFIG_BYTES: usize = 900;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// metav1.MicroTime's layout.
const MICRO_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Json,
    Protobuf,
}

impl Wire {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Wire::Json => JSON,
            Wire::Protobuf => PROTOBUF,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    ConfigMap,
    Deployment,
    Lease,
    Event,
    Node,
}

impl Kind {
    /// The path of all of them in a namespace; nodes have none.
    pub(crate) fn path(self, namespace: &str) -> String {
        let (base, plural) = match self {
            Kind::Pod => ("/api/v1", "pods"),
            Kind::ConfigMap => ("/api/v1", "configmaps"),
            Kind::Event => ("/api/v1", "events"),
            Kind::Node => return "/api/v1/nodes".to_owned(),
            Kind::Deployment => ("/apis/apps/v1", "deployments"),
            Kind::Lease => ("/apis/coordination.k8s.io/v1", "leases"),
        };
        format!("{base}/namespaces/{namespace}/{plural}")
    }

    fn type_id(self) -> TypeId {
        let (group, kind) = match self {
            Kind::Pod => ("", "Pod"),
            Kind::ConfigMap => ("", "ConfigMap"),
            Kind::Event => ("", "Event"),
            Kind::Node => ("", "Node"),
            Kind::Deployment => ("apps", "Deployment"),
            Kind::Lease => ("coordination.k8s.io", "Lease"),
        };
        let id = schema().kind(group, "v1", kind);
        id.expect("the schema table has the kinds of the loads")
    }

    /// An object of the kind without a name, as its template says.
    fn template(self) -> Value {
        match self {
            Kind::Pod => parsed(include_str!("pod.json")),
            Kind::Deployment => parsed(include_str!("deployment.json")),
            Kind::ConfigMap => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ""},
                "data": {"turn": "0", "config.yaml": text(CONFIG_BYTES)}})
            }
            Kind::Lease => {
                json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": ""},
                "spec": {"holderIdentity": "bench-node-0000", "leaseDurationSeconds": 40, "renewTime": now()}})
            }
            Kind::Event => json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": ""},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": "checkout-0"},
                "reason": "Pulled", "type": "Normal", "count": 1, "source": {"component": "kubelet", "host": "bench-node-0000"},
                "message": "Successfully pulled image \"registry.example.com/shop/checkout:2.41.7\" in 1.204s (1.204s including waiting)"}),
            Kind::Node => json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "",
                "labels": {"kubernetes.io/os": "linux", "node.example.com/pool": "general"}}}),
        }
    }
}

/// An object to write, over and over, a little different each time.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) tree: Value,
    kind: Kind,
    wire: Wire,
}

impl Body {
    pub(crate) fn new(kind: Kind, wire: Wire) -> Self {
        let text = kind.template().to_string();
        let tree = json_codec::decode(text.as_bytes(), kind.type_id(), Strictness::Report);
        let tree = tree.expect("the template is of its kind").value;
        Self { tree, kind, wire }
    }

    /// What the server made of an object, to be changed and written again.
    pub(crate) fn of(kind: Kind, wire: Wire, answer: &[u8]) -> Result<Self, Failure> {
        let tree = match wire {
            Wire::Json => json_codec::decode(answer, kind.type_id(), Strictness::Ignore)
                .map(|decoded| decoded.value),
            Wire::Protobuf => protobuf::decode(answer, kind.type_id()),
        };
        let tree = tree.map_err(|e| Failure::lost(format!("the answer is no {kind:?}: {e}")))?;
        Ok(Self { tree, kind, wire })
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.set_name(name);
        self
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.tree["metadata"]["name"] = name.into();
    }

    pub(crate) fn name(&self) -> &str {
        self.tree["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Puts a value at a place that there is already; a JSON pointer.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) {
        let place = self.tree.pointer_mut(pointer);
        *place.expect("the template has the place") = value;
    }

    pub(crate) fn set_version(&mut self, version: &str) {
        self.tree["metadata"]["resourceVersion"] = version.into();
    }

    pub(crate) fn bytes(&self) -> Bytes {
        match self.wire {
            Wire::Json => json_codec::encode(&self.tree, self.kind.type_id(), None).into(),
            Wire::Protobuf => protobuf::encode(&self.tree, self.kind.type_id(), None).into(),
        }
    }

    pub(crate) fn media_type(&self) -> &'static str {
        self.wire.media_type()
    }

    /// The resourceVersion of an answer of this kind.
    pub(crate) fn version_of(&self, answer: &[u8]) -> Result<String, Failure> {
        let lost = || Failure::lost("the answer has no resourceVersion");
        match self.wire {
            // The first one is the object's own: nothing that comes before it in an object's JSON has a field of the name.
            Wire::Json => {
                const FIELD: &[u8] = b"\"resourceVersion\":\"";
                let at = memchr::memmem::find(answer, FIELD).ok_or_else(lost)?;
                let rest = &answer[at + FIELD.len()..];
                let end = memchr::memchr(b'"', rest).ok_or_else(lost)?;
                String::from_utf8(rest[..end].to_vec()).map_err(|_| lost())
            }
            Wire::Protobuf => {
                let tree = protobuf::decode(answer, self.kind.type_id());
                let tree = tree.map_err(Failure::lost)?;
                let version = tree["metadata"]["resourceVersion"].as_str();
                version.map(str::to_owned).ok_or_else(lost)
            }
        }
    }
}

/// A pod of a population that is spread over nodes evenly; what lies on the same node has the same label.
pub(crate) fn pod_of(number: usize, nodes: usize) -> Body {
    let mut body = Body::new(Kind::Pod, Wire::Json).named(&name_of(Kind::Pod, number));
    body.tree["spec"]["nodeName"] = node_name(number % nodes).into();
    body.tree["metadata"]["labels"]["shard"] = format!("s{}", number % nodes).into();
    body
}

pub(crate) fn node_name(number: usize) -> String {
    format!("bench-node-{number:04}")
}

/// The name of an object of a population.
pub(crate) fn name_of(kind: Kind, number: usize) -> String {
    format!("{kind:?}-{number:07}").to_lowercase()
}

/// The present, as a Lease says it.
pub(crate) fn now() -> String {
    let now = OffsetDateTime::now_utc().format(MICRO_TIME);
    now.expect("the layout has only parts that a time has")
}

/// Text that does not compress to nothing, the same in every run.
fn text(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_u32;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from((state >> 24) % 26).unwrap_or(0))
    });
    letters.take(bytes).collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the template is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_of_their_kind_and_of_the_size_that_their_scenario_names() {
        for kind in [Kind::Lease, Kind::Event, Kind::Node, Kind::Deployment] {
            assert!(Body::new(kind, Wire::Protobuf).named("x").bytes().len() > 40);
        }
        let pod = pod_of(7, NODES).bytes().len();
        assert!((3800..=4100).contains(&pod), "{pod}");
        let map = Body::new(Kind::ConfigMap, Wire::Json).named("configmap-0000001");
        assert!((950..=1100).contains(&map.bytes().len()));
    }

    #[test]
    fn both_wires_carry_the_same_and_give_the_version_back() {
        for wire in [Wire::Json, Wire::Protobuf] {
            let mut body = Body::new(Kind::Lease, wire).named("lease-1");
            body.set_version("4711");
            let bytes = body.bytes();
            assert_eq!(body.version_of(&bytes).unwrap(), "4711");
            let back = Body::of(Kind::Lease, wire, &bytes).unwrap();
            assert_eq!(back.tree["spec"]["leaseDurationSeconds"], 40);
            assert!(body.version_of(b"{}").is_err());
        }
    }
}
