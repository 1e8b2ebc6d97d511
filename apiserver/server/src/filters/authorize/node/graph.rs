//! Which nodes an object concerns: pods lead to what they use, claims to their volumes, volumes to their secrets (kubernetes
//! plugin/pkg/auth/authorizer/node/graph.go). Fed by follow.rs; knows nothing of requests.

use serde_json::Value;
use std::collections::HashMap;
use triad_machinery::meta;
use triad_machinery::pod::{self, items, text};

/// What an edge may start from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    Pod,
    Secret,
    ConfigMap,
    Claim,
    Volume,
    ServiceAccount,
    ResourceClaim,
    Attachment,
    Slice,
    CertificateRequest,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Vertex {
    pub(super) kind: Kind,
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
}

impl Vertex {
    pub(super) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Vertex {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Whom one object's presence gives what: taken back as a whole when it changes or goes.
#[derive(Default)]
struct Given {
    node: Box<str>,
    to: Vec<Vertex>,
}

/// A bound volume: its claim, and the secrets that whoever mounts it reads.
struct Bound {
    claim: Vertex,
    secrets: Vec<Vertex>,
}

#[derive(Default)]
pub(super) struct Graph {
    /// How many objects connect a vertex with a node.
    nodes: HashMap<Vertex, HashMap<Box<str>, u32>>,
    given: HashMap<Vertex, Given>,
    volumes: HashMap<Box<str>, Bound>,
    /// Secrets by the volumes that name them.
    volumes_of: HashMap<Vertex, Vec<Box<str>>>,
}

impl Graph {
    /// Whether the object concerns the node.
    pub(super) fn reaches(&self, vertex: &Vertex, node: &str) -> bool {
        if self.direct(vertex, node) {
            return true;
        }
        let through = |volume: &str| {
            let bound = self.volumes.get(volume);
            bound.is_some_and(|bound| self.direct(&bound.claim, node))
        };
        match vertex.kind {
            Kind::Volume => through(&vertex.name),
            Kind::Secret => self
                .volumes_of
                .get(vertex)
                .is_some_and(|volumes| volumes.iter().any(|volume| through(volume))),
            _ => false,
        }
    }

    fn direct(&self, vertex: &Vertex, node: &str) -> bool {
        let nodes = self.nodes.get(vertex);
        nodes.is_some_and(|nodes| nodes.contains_key(node))
    }

    /// Puts a pod in, as it is now; one that is on no node yet gives nobody anything.
    pub(super) fn put_pod(&mut self, object: &Value) {
        let namespace = meta::namespace(object);
        let own = Vertex::new(Kind::Pod, namespace, meta::name(object));
        let node = text(&object["spec"]["nodeName"]);
        if node.is_empty() {
            return;
        }
        let mut to = vec![own.clone()];
        // A node makes mirror pods itself: they must never give it anything.
        if !pod::is_mirror(object) {
            to.extend(used_by(object));
        }
        to.sort_by(|a, b| (a.kind as u8, &a.name).cmp(&(b.kind as u8, &b.name)));
        to.dedup();
        self.give(own, node, to);
    }

    /// Puts in an object that concerns one node for as long as it is there.
    pub(super) fn put(&mut self, vertex: Vertex, node: &str) {
        if node.is_empty() {
            self.remove(&vertex);
        } else {
            self.give(vertex.clone(), node, vec![vertex]);
        }
    }

    pub(super) fn put_volume(&mut self, volume: &Value) {
        let name = meta::name(volume);
        self.remove_volume(name);
        let claim = &volume["spec"]["claimRef"];
        if claim.is_null() {
            return;
        }
        let namespace = text(&claim["namespace"]);
        let claim = Vertex::new(Kind::Claim, namespace, text(&claim["name"]));
        let secrets = secrets_of_volume(&volume["spec"], namespace);
        for secret in &secrets {
            self.volumes_of
                .entry(secret.clone())
                .or_default()
                .push(name.into());
        }
        self.volumes.insert(name.into(), Bound { claim, secrets });
    }

    pub(super) fn remove_volume(&mut self, name: &str) {
        let Some(bound) = self.volumes.remove(name) else {
            return;
        };
        for secret in bound.secrets {
            if let Some(volumes) = self.volumes_of.get_mut(&secret) {
                volumes.retain(|volume| **volume != *name);
                if volumes.is_empty() {
                    self.volumes_of.remove(&secret);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, vertex: &Vertex) {
        let Some(given) = self.given.remove(vertex) else {
            return;
        };
        for vertex in given.to {
            let Some(nodes) = self.nodes.get_mut(&vertex) else {
                continue;
            };
            if let Some(count) = nodes.get_mut(&given.node) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(&given.node);
                }
            }
            if nodes.is_empty() {
                self.nodes.remove(&vertex);
            }
        }
    }

    fn give(&mut self, from: Vertex, node: &str, to: Vec<Vertex>) {
        self.remove(&from);
        for vertex in &to {
            let nodes = self.nodes.entry(vertex.clone()).or_default();
            *nodes.entry(node.into()).or_default() += 1;
        }
        let node = node.into();
        self.given.insert(from, Given { node, to });
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
            && self.given.is_empty()
            && self.volumes.is_empty()
            && self.volumes_of.is_empty()
    }
}

fn used_by(object: &Value) -> Vec<Vertex> {
    let (namespace, spec) = (meta::namespace(object), &object["spec"]);
    let vertex = |kind| move |name: &str| Vertex::new(kind, namespace, name);
    let mut used = Vec::new();
    let account = text(&spec["serviceAccountName"]);
    if !account.is_empty() {
        used.push(Vertex::new(Kind::ServiceAccount, namespace, account));
    }
    used.extend(pod::secrets(spec).into_iter().map(vertex(Kind::Secret)));
    used.extend(
        pod::config_maps(spec)
            .into_iter()
            .map(vertex(Kind::ConfigMap)),
    );
    let claims = items(&spec["volumes"]).filter_map(|volume| pod::claim_of_volume(object, volume));
    used.extend(claims.map(|name| Vertex::new(Kind::Claim, namespace, &name)));
    used.extend(
        pod::resource_claims(object)
            .into_iter()
            .map(vertex(Kind::ResourceClaim)),
    );
    used
}

/// The secrets of a volume that kubelets read; without a namespace of their own they lie in the claim's (kubernetes
/// pkg/api/v1/persistentvolume/util.go).
fn secrets_of_volume(spec: &Value, claim_namespace: &str) -> Vec<Vertex> {
    const REFERENCES: [(&str, &[&str], bool); 8] = [
        ("cephfs", &["secretRef"], true),
        ("cinder", &["secretRef"], false),
        ("flexVolume", &["secretRef"], true),
        ("rbd", &["secretRef"], true),
        ("scaleIO", &["secretRef"], true),
        ("iscsi", &["secretRef"], true),
        ("storageos", &["secretRef"], false),
        (
            "csi",
            &[
                "nodePublishSecretRef",
                "nodeStageSecretRef",
                "nodeExpandSecretRef",
            ],
            false,
        ),
    ];
    let mut secrets = Vec::new();
    let mut add = |namespace: &str, name: &str, falls_back: bool| {
        let home = if namespace.is_empty() && falls_back {
            claim_namespace
        } else {
            namespace
        };
        if !name.is_empty() {
            secrets.push(Vertex::new(Kind::Secret, home, name));
        }
    };
    if let Some(azure) = spec.get("azureFile") {
        add(
            text(&azure["secretNamespace"]),
            text(&azure["secretName"]),
            true,
        );
    }
    for (source, references, falls_back) in REFERENCES {
        for reference in references
            .iter()
            .filter_map(|name| spec.get(source)?.get(name))
        {
            add(
                text(&reference["namespace"]),
                text(&reference["name"]),
                falls_back,
            );
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made_pod(name: &str, node: &str, spec: Value) -> Value {
        let mut pod = json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec});
        pod["spec"]["nodeName"] = json!(node);
        pod
    }

    fn reaches(graph: &Graph, kind: Kind, name: &str, node: &str) -> bool {
        let namespace = if kind == Kind::Volume { "" } else { "n" };
        graph.reaches(&Vertex::new(kind, namespace, name), node)
    }

    #[test]
    fn a_pod_gives_its_node_what_it_uses_and_takes_it_back() {
        let spec = json!({
            "serviceAccountName": "account", "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "variable"}}}]}],
            "ephemeralContainers": [{"envFrom": [{"configMapRef": {"name": "late"}}]}],
            "volumes": [
                {"name": "a", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "map"}}]}},
                {"name": "scratch", "ephemeral": {}}, {"name": "b", "csi": {"nodePublishSecretRef": {"name": "publish"}}}],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}]});
        let mut made = made_pod("p", "one", spec.clone());
        made["status"] =
            json!({"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "p-gpu-x"}]});
        let mut graph = Graph::default();
        graph.put_pod(&made);
        graph.put_pod(&made_pod(
            "q",
            "two",
            json!({"imagePullSecrets": [{"name": "pull"}]}),
        ));
        let all = [
            (Kind::ServiceAccount, "account"),
            (Kind::Secret, "pull"),
            (Kind::Secret, "variable"),
            (Kind::Secret, "projected"),
            (Kind::Secret, "publish"),
            (Kind::ConfigMap, "late"),
            (Kind::ConfigMap, "map"),
            (Kind::Claim, "p-scratch"),
            (Kind::ResourceClaim, "p-gpu-x"),
            (Kind::Pod, "p"),
        ];
        for (kind, name) in all {
            assert!(reaches(&graph, kind, name, "one"), "{kind:?} {name}");
            assert_eq!(
                reaches(&graph, kind, name, "two"),
                name == "pull",
                "{kind:?} {name}"
            );
        }
        assert!(!graph.reaches(&Vertex::new(Kind::Secret, "other", "pull"), "one"));
        graph.remove(&Vertex::new(Kind::Pod, "n", "p"));
        assert!(
            !reaches(&graph, Kind::Secret, "pull", "one")
                && reaches(&graph, Kind::Secret, "pull", "two")
        );
        graph.remove(&Vertex::new(Kind::Pod, "n", "q"));
        assert!(graph.is_empty());
    }

    #[test]
    fn mirror_pods_give_nothing_but_themselves() {
        let mut mirror = made_pod("p", "one", json!({"imagePullSecrets": [{"name": "pull"}]}));
        mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        let mut graph = Graph::default();
        graph.put_pod(&mirror);
        assert!(
            reaches(&graph, Kind::Pod, "p", "one") && !reaches(&graph, Kind::Secret, "pull", "one")
        );
    }

    #[test]
    fn a_claim_leads_to_its_volume_and_that_to_its_secrets() {
        let mut graph = Graph::default();
        let volume = json!({"metadata": {"name": "pv"}, "spec": {"claimRef": {"namespace": "n", "name": "c"},
            "csi": {"nodeStageSecretRef": {"namespace": "n", "name": "stage"}, "controllerPublishSecretRef": {"namespace": "n", "name": "hidden"}}}});
        graph.put_volume(&volume);
        assert!(!reaches(&graph, Kind::Volume, "pv", "one"));
        graph.put_pod(&made_pod(
            "p",
            "one",
            json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
        ));
        assert!(
            reaches(&graph, Kind::Volume, "pv", "one")
                && reaches(&graph, Kind::Secret, "stage", "one")
        );
        assert!(
            !reaches(&graph, Kind::Secret, "hidden", "one")
                && !reaches(&graph, Kind::Volume, "pv", "two")
        );
        graph.remove_volume("pv");
        graph.remove(&Vertex::new(Kind::Pod, "n", "p"));
        assert!(graph.is_empty());
    }
}
