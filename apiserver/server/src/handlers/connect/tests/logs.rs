//! pods/log.

use super::{ALICE, PODS, World};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn logs_come_from_the_kubelet_of_the_pods_node() {
    let world = World::start().await;
    let query = "follow=0&tailLines=5&timestamps=true&sinceSeconds=60&limitBytes=100&previous=1";
    let (code, body) = world.ask(&format!("GET {PODS}/p/log?{query}")).await;
    let want = "asked for /containerLogs/default/p/c?limitBytes=100&previous=true&sinceSeconds=60&tailLines=5&timestamps=true";
    assert_eq!((code, body.contains(want)), (200, true), "{body}");
    let more = "Connection: close\r\n";
    let line = format!("GET {PODS}/p/log");
    let (_, answer) = world.begin(ALICE, &line, more, "\0").await;
    assert!(answer.contains("content-type: text/plain\r\n"), "{answer}");
    // Nothing has run of a pod that is on no node.
    world.add_pod("waiting", "", &["c"]).await;
    assert_eq!(world.ask(&format!("GET {PODS}/waiting/log")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_sent_on_as_they_are_written() {
    let world = World::start().await;
    let line = format!("GET {PODS}/p/log?follow=true");
    // The kubelet never ends this answer.
    let (client, answer) = world.begin(ALICE, &line, "", "two\n").await;
    assert!(answer.contains("one\n"), "{answer}");
    let audited = |stage: &str| {
        let log = std::fs::read_to_string(world.dir.path().join("audit.log"));
        let log = log.expect("an audit log");
        let mut events = log.lines().filter(|event| event.contains("/p/log?"));
        events.any(|event| event.contains(&format!("\"stage\":\"{stage}\"")))
    };
    assert!(audited("ResponseStarted") && !audited("ResponseComplete"));
    drop(client);
    let what = "the end of the answer in the audit log";
    let ended = |_: &_| audited("ResponseComplete");
    world.server.eventually(what, ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kubelet_has_against_it_becomes_a_status() {
    let world = World::start().await;
    let containers = ["gone", "wrong", "broken", "moved"];
    world.add_pod("many", "n", &containers).await;
    let url = format!(
        "https://127.0.0.1:{}/containerLogs/default/many/moved",
        world.node.port
    );
    for (query, want) in [
        ("", (400, "a container name must be specified for pod many, choose one of: [gone wrong broken moved]".to_owned())),
        ("container=x", (400, "container x is not valid for pod many".to_owned())),
        ("container=gone", (404, "the server could not find the requested resource ( pods/log many)".to_owned())),
        ("container=wrong", (400, "container is waiting to start".to_owned())),
        ("container=broken", (500, "Internal error occurred: disk failure".to_owned())),
        // CVE-2020-8559: a kubelet sends nobody anywhere else.
        ("container=moved", (500, format!("Get {url:?}: redirects forbidden"))),
        ("container=gone&tailLines=-1", (422, "PodLogOptions \"many\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0".to_owned())),
    ] {
        assert_eq!(world.refused(&format!("GET {PODS}/many/log?{query}")).await, want, "{query}");
    }
    assert_eq!(world.refused(&format!("GET {PODS}/none/log")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dead_or_gone_is_said_so() {
    let world = World::start().await;
    // A port that nobody listens on any more.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    world.add_node("dead", port, json!([])).await;
    world.add_pod("on-dead", "dead", &["c"]).await;
    let url = format!("https://127.0.0.1:{port}/containerLogs/default/on-dead/c");
    let why = format!("Get {url:?}: dial tcp 127.0.0.1:{port}: connect: connection refused");
    let asked = world.refused(&format!("GET {PODS}/on-dead/log")).await;
    assert_eq!(asked, (500, why));
    world.add_pod("on-none", "never", &["c"]).await;
    let asked = world.refused(&format!("GET {PODS}/on-none/log")).await;
    assert_eq!(asked, (404, "nodes \"never\" not found".to_owned()));
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}});
    world.server.create("nodes", "", node).await;
    world.add_pod("on-bare", "bare", &["c"]).await;
    let asked = world.refused(&format!("GET {PODS}/on-bare/log")).await;
    let why = "no preferred addresses found; known addresses: []";
    assert_eq!(asked, (500, why.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_proves_nothing_is_believed_only_when_asked_to() {
    let world = World::start().await;
    let other = crate::testing::node::Node::start().await;
    world.add_node("other", other.port, json!([])).await;
    world.add_pod("on-other", "other", &["c"]).await;
    let (code, why) = world.refused(&format!("GET {PODS}/on-other/log")).await;
    assert_eq!(code, 500);
    assert!(
        why.contains("x509: certificate signed by unknown authority"),
        "{why}"
    );
    assert!(other.seen().is_empty());
    let path = format!("GET {PODS}/on-other/log?insecureSkipTLSVerifyBackend=true");
    assert_eq!(world.ask(&path).await.0, 200);
    let (_, metrics) = world.ask("GET /metrics").await;
    assert!(metrics.contains(
        "kube_apiserver_pod_logs_insecure_backend_total{usage=\"skip_tls_allowed\"} 1\n"
    ));
    assert!(metrics.contains("kube_apiserver_pod_logs_backend_tls_failure_total 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_changed_are_read_again() {
    let world = World::start().await;
    let other = crate::testing::node::Node::start().await;
    world.add_node("other", other.port, json!([])).await;
    world.add_pod("on-other", "other", &["c"]).await;
    let path = format!("GET {PODS}/on-other/log");
    assert_eq!(world.ask(&path).await.0, 500);
    let file = world.dir.path().join("ca.pem");
    std::fs::write(&file, &other.ca_pem).expect("written");
    // Two writes may bear the same time on a coarse clock.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    let file = std::fs::File::open(&file).expect("a file");
    file.set_modified(later).expect("a time");
    assert_eq!(world.ask(&path).await.0, 200);
}
