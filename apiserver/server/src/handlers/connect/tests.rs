//! Requests that go on to nodes, over real connections to a kubelet of a test's own.

mod logs;
mod proxies;
mod streams;
mod websockets;

use crate::testing::Server;
use crate::testing::node::Node;
use crate::testing::raw::{open, read_until};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, DuplexStream};

const ALICE: &str = "token-of-alice";
/// May only read.
const READER: &str = "token-of-a-reader";
const PODS: &str = "/api/v1/namespaces/default/pods";

struct World {
    server: Server,
    node: Node,
    dir: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more flags.
    async fn start_with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let node = Node::start().await;
        let tokens = format!("{ALICE},alice,1,\"system:masters\"\n{READER},reader,2,\"readers\"\n");
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
        let flags = [
            format!("--token-auth-file={}", file("tokens.csv", &tokens)),
            format!(
                "--kubelet-certificate-authority={}",
                file("ca.pem", &node.ca_pem)
            ),
            format!("--audit-policy-file={}", file("policy.yaml", policy)),
            format!(
                "--audit-log-path={}",
                dir.path().join("audit.log").display()
            ),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ];
        let flags = flags.iter().map(String::as_str);
        let flags: Vec<&str> = flags.chain(more.iter().copied()).collect();
        let server = Server::start_with("none", &flags).await;
        let world = World { server, node, dir };
        world.add_node("n", world.node.port, json!([])).await;
        world.add_pod("p", "n", &["c"]).await;
        world
    }

    /// A node whose kubelet listens on loopback.
    async fn add_node(&self, name: &str, port: u16, features: Value) {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        self.server.create("nodes", "", node).await;
        let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}, "declaredFeatures": features}});
        self.server.patch_status("nodes", "", name, status).await;
    }

    async fn add_pod(&self, name: &str, node: &str, containers: &[&str]) {
        let containers = containers.iter();
        let containers = containers.map(|name| json!({"name": name, "image": "i"}));
        let containers: Vec<Value> = containers.collect();
        let mut spec = json!({"containers": containers});
        if !node.is_empty() {
            spec["nodeName"] = json!(node);
        }
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        self.server.create("pods", "default", pod).await;
    }

    /// Sends the head of a request, and reads the answer's until `end`.
    async fn begin(
        &self,
        token: &str,
        line: &str,
        more: &str,
        end: &str,
    ) -> (DuplexStream, String) {
        let mut client = self.sent(token, line, more).await;
        let answer = read_until(&mut client, end).await;
        (client, answer)
    }

    async fn sent(&self, token: &str, line: &str, more: &str) -> DuplexStream {
        let mut client = open(&self.server);
        let head = format!(
            "{line} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        );
        client.write_all(head.as_bytes()).await.expect("sent");
        client
    }

    /// A request's code and body.
    async fn ask(&self, line: &str) -> (u16, String) {
        let (_, answer) = self.begin(ALICE, line, "Connection: close\r\n", "\0").await;
        (code(&answer), body(&answer).to_owned())
    }

    /// The same of a refusal: its code and what its Status says.
    async fn refused(&self, line: &str) -> (u16, String) {
        let (code, body) = self.ask(line).await;
        let status: Value = serde_json::from_str(&body).unwrap_or_default();
        (code, status["message"].as_str().unwrap_or(&body).to_owned())
    }
}

fn code(answer: &str) -> u16 {
    let code = answer.get(9..12).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no answer: {answer}"))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
