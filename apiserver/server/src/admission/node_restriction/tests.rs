//! What nodes may write, asked of the plugin with a whole server's objects.

mod pods;

use crate::admission::{Attributes, Operation};
use crate::testing::Server;
use crate::user::User;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::Status;

#[derive(Clone, Copy)]
struct Case<'a> {
    server: &'a Server,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl Case<'_> {
    fn attributes(&self, operation: Operation) -> Attributes {
        Attributes {
            operation,
            resource: self.server.registry(self.resource).layout.resource,
            subresource: self.subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
            user: User {
                name: "system:node:one".to_owned(),
                groups: vec!["system:nodes".to_owned()],
                ..User::default()
            },
            asked: crate::admission::Asked::default(),
            trail: crate::audit::Trail::default(),
            api: self.server.api.clone(),
        }
    }

    async fn create(&self, mut object: Value) -> String {
        let attributes = self.attributes(Operation::Create);
        shown(
            self.server
                .api
                .admission
                .admit(&attributes, &mut object, None)
                .await,
        )
    }

    async fn update(&self, old: &Value, mut new: Value) -> String {
        let attributes = self.attributes(Operation::Update);
        shown(
            self.server
                .api
                .admission
                .admit(&attributes, &mut new, Some(old))
                .await,
        )
    }

    async fn delete(&self, old: &Value) -> String {
        let attributes = self.attributes(Operation::Delete);
        shown(
            self.server
                .api
                .admission
                .validate(&attributes, None, Some(old))
                .await,
        )
    }
}

fn shown(result: Result<Vec<String>, Status>) -> String {
    match result {
        Ok(_) => "fine".to_owned(),
        Err(status) => {
            let (_, why) = status
                .message
                .split_once(" is forbidden: ")
                .unwrap_or(("", &status.message));
            why.to_owned()
        }
    }
}

async fn server() -> Server {
    let flags = [
        "--enable-admission-plugins=NodeRestriction",
        "--disable-admission-plugins=ServiceAccount,Priority",
    ];
    let server = Server::start_with("none", &flags).await;
    let node = |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    server.create("nodes", "", node("one")).await;
    server
}

fn pod(name: &str, node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_writes_its_own_node_without_raising_it() {
    let server = server().await;
    let own = Case {
        server: &server,
        resource: "nodes",
        subresource: "",
        namespace: "",
        name: "one",
    };
    let other = Case { name: "two", ..own };
    let node = server.get("nodes", "", "one").expect("a node");
    assert_eq!(
        other.update(&node, node.clone()).await,
        "node \"one\" is not allowed to modify node \"two\""
    );
    let with = |at: &str, value: Value| {
        let mut node = node.clone();
        let (part, field) = at.split_once('.').expect("a part");
        node[part][field] = value;
        node
    };
    let cases = [
        (
            with(
                "metadata.labels",
                json!({"kubernetes.io/hostname": "x", "own": "x", "a.node.kubernetes.io/x": "y"}),
            ),
            "fine",
        ),
        (
            with(
                "metadata.labels",
                json!({"node-role.kubernetes.io/master": "", "x.k8s.io/a": "", "notk8s.io/b": ""}),
            ),
            "is not allowed to modify labels: node-role.kubernetes.io/master, x.k8s.io/a",
        ),
        (
            with(
                "metadata.labels",
                json!({"node-restriction.kubernetes.io/x": "", "a.node-restriction.kubernetes.io/y": ""}),
            ),
            "is not allowed to modify labels: a.node-restriction.kubernetes.io/y, node-restriction.kubernetes.io/x",
        ),
        (
            with("spec.taints", json!([])),
            "node \"one\" is not allowed to modify taints",
        ),
        (
            with("metadata.ownerReferences", json!([{"name": "x"}])),
            "node \"one\" is not allowed to modify ownerReferences",
        ),
        (
            with("spec.configSource", json!({"configMap": {}})),
            "node \"one\" is not allowed to update configSource to a new non-nil configSource",
        ),
    ];
    for (new, wanted) in cases {
        assert_eq!(own.update(&node, new).await, wanted);
    }
    let made = with(
        "metadata.labels",
        json!({"node-role.kubernetes.io/master": ""}),
    );
    let why =
        "node \"one\" is not allowed to set the following labels: node-role.kubernetes.io/master";
    assert_eq!(own.create(made).await, why);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_free_and_the_rest_bears_the_nodes_name() {
    let server = server().await;
    let lease =
        |name: &str, namespace: &str| json!({"metadata": {"name": name, "namespace": namespace}});
    let case = Case {
        server: &server,
        resource: "leases.coordination.k8s.io",
        subresource: "",
        namespace: "kube-node-lease",
        name: "",
    };
    assert_eq!(case.create(lease("one", "kube-node-lease")).await, "fine");
    assert_eq!(
        case.create(lease("two", "kube-node-lease")).await,
        "can only access node lease with the same name as the requesting node"
    );
    let elsewhere = Case {
        namespace: "default",
        ..case
    };
    assert_eq!(
        elsewhere.create(lease("one", "default")).await,
        "can only access leases in the \"kube-node-lease\" system namespace"
    );
    let csi = Case {
        resource: "csinodes.storage.k8s.io",
        namespace: "",
        ..case
    };
    assert_eq!(
        csi.create(lease("two", "")).await,
        "can only access CSINode with the same name as the requesting node"
    );
    let slice = Case {
        resource: "resourceslices.resource.k8s.io",
        ..csi
    };
    let of = |node: &str| json!({"metadata": {"name": "s"}, "spec": {"nodeName": node}});
    assert_eq!(slice.create(of("one")).await, "fine");
    assert_eq!(
        slice.delete(&of("two")).await,
        "can only delete ResourceSlice with the same NodeName as the requesting node"
    );
    let claims = Case {
        resource: "persistentvolumeclaims",
        namespace: "default",
        name: "c",
        ..case
    };
    assert_eq!(claims.create(json!({})).await, "may only update PVC status");
    let status = Case {
        subresource: "status",
        ..claims
    };
    let old =
        json!({"metadata": {"name": "c", "resourceVersion": "1"}, "status": {"phase": "Bound"}});
    let resized = json!({"metadata": {"name": "c"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    assert_eq!(status.update(&old, resized).await, "fine");
    let lost = json!({"metadata": {"name": "c"}, "status": {"phase": "Lost"}});
    let why = "node \"one\" is not allowed to update fields other than status.quantity and status.conditions: status differs";
    assert_eq!(status.update(&old, lost).await, why);
    let csr = Case {
        resource: "certificatesigningrequests.certificates.k8s.io",
        namespace: "",
        name: "",
        ..case
    };
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let pem = params
            .serialize_request(&key)
            .expect("a request")
            .pem()
            .expect("PEM");
        let request = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
        json!({"metadata": {"name": "r"}, "spec": {"signerName": "kubernetes.io/kubelet-serving", "request": request}})
    };
    assert_eq!(csr.create(request("system:node:one")).await, "fine");
    assert_eq!(
        csr.create(request("system:node:two")).await,
        "can only create a node CSR with CN=system:node:one"
    );
}
