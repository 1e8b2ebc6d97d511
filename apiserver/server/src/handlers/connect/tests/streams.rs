//! exec, attach and port-forward, handed over as they are.

use super::{ALICE, PODS, READER, World, body, code};
use crate::testing::Server;
use crate::testing::raw::{bytes_until, read_until};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SPDY: &str =
    "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n";
const SHOUT: &str = "Connection: Upgrade\r\nUpgrade: shout\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_handed_over_byte_by_byte() {
    let world = World::start().await;
    for (method, what) in [
        ("POST", "exec"),
        ("GET", "exec"),
        ("GET", "attach"),
        ("POST", "portforward"),
    ] {
        let line =
            format!("{method} {PODS}/p/{what}?command=a%20b&stdin=true&stdout=true&ports=80");
        let (mut client, answer) = world.begin(ALICE, &line, SHOUT, "\r\n\r\n").await;
        assert_eq!(code(&answer), 101, "{answer}");
        client.write_all(b"hello").await.expect("sent");
        assert_eq!(read_until(&mut client, "HELLO").await, "HELLO");
    }
    let seen = world.node.seen();
    let want = [
        "POST /exec/default/p/c?command=a+b&input=1&output=1",
        "GET /exec/default/p/c?command=a+b&input=1&output=1",
        "GET /attach/default/p/c?input=1&output=1",
        "POST /portForward/default/p?port=80",
    ];
    assert_eq!(seen, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_connected_counts_until_it_ends() {
    let world = World::start().await;
    let counted = |server: &Server, subresource: &str, count: u32| {
        let page = server.api.metrics.render(&server.api.store);
        page.contains(&format!(
            "apiserver_longrunning_requests{{verb=\"CONNECT\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"{subresource}\",scope=\"resource\",component=\"apiserver\"}} {count}\n"
        ))
    };
    let mut open = Vec::new();
    for what in ["exec", "exec", "attach", "portforward"] {
        let line = format!("POST {PODS}/p/{what}?command=a&stdin=true&ports=80");
        let (client, answer) = world.begin(ALICE, &line, SHOUT, "\r\n\r\n").await;
        assert_eq!(code(&answer), 101, "{answer}");
        open.push(client);
    }
    for (what, count) in [("exec", 2), ("attach", 1), ("portforward", 1)] {
        assert!(counted(&world.server, what, count), "{what}");
    }
    drop(open);
    for what in ["exec", "attach", "portforward"] {
        let ended = |server: &Server| counted(server, what, 0);
        world.server.eventually(what, ended).await;
    }
    // What was answered without going on counts no more either.
    let (code, _) = world.ask(&format!("GET {PODS}/p/log")).await;
    assert_eq!(code, 200);
    let ended = |server: &Server| counted(server, "log", 0);
    world.server.eventually("log", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_passes_no_more_than_it_may() {
    let world = World::start_with(&["--max-connection-bytes-per-sec=20000"]).await;
    let line = format!("POST {PODS}/p/exec?command=a&stdin=true");
    let (mut client, _) = world.begin(ALICE, &line, SHOUT, "\r\n\r\n").await;
    let began = Instant::now();
    let text = "x".repeat(30_000);
    client.write_all(text.as_bytes()).await.expect("sent");
    client.write_all(b"!").await.expect("sent");
    let answer = read_until(&mut client, "!").await;
    assert_eq!(answer.len(), 30_001);
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spdy_goes_to_the_kubelet_as_it_is() {
    let world = World::start().await;
    let line = format!("POST {PODS}/p/exec?command=name&stdout=true");
    let (mut client, answer) = world.begin(ALICE, &line, SPDY, "\r\n\r\n").await;
    assert_eq!(code(&answer), 101, "{answer}");
    assert!(
        answer.contains("x-stream-protocol-version: v4.channel.k8s.io"),
        "{answer}"
    );
    let mut opener = crate::streams::spdy::Opener::new().expect("an opener");
    for kind in ["error", "stdout"] {
        let (_, frame) = opener.open(&[("streamtype", kind)]).expect("a frame");
        client.write_all(&frame).await.expect("sent");
    }
    let output = bytes_until(&mut client, b"on stdout\n").await;
    let frame = b"\0\0\0\x03\x01\0\0\x0aon stdout\n";
    assert!(memchr::memmem::find(&output, frame).is_some());
}

/// CVE-2018-1002105: what is sent behind an upgrade that was refused gets to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_ends_its_connection() {
    let world = World::start().await;
    let line = format!("POST {PODS}/p/exec?command=refused");
    let smuggled = "GET /exec/kube-system/secret/c HTTP/1.1\r\nHost: x\r\n\r\n";
    let more = format!("{SHOUT}\r\n{smuggled}");
    let (mut client, answer) = world.begin(ALICE, &line, &more, "not to you\n").await;
    assert_eq!(
        (code(&answer), body(&answer).contains("not to you\n")),
        (403, true),
        "{answer}"
    );
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(world.node.seen().len(), 1, "{:?}", world.node.seen());
    let asked = world
        .begin(
            ALICE,
            &format!("POST {PODS}/p/exec?command=neither"),
            SHOUT,
            "200\"",
        )
        .await;
    assert_eq!(code(&asked.1), 500);
    assert!(
        asked
            .1
            .contains("invalid upgrade response: status code 200"),
        "{}",
        asked.1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_upgrade_is_refused() {
    let world = World::start().await;
    let asked = world
        .refused(&format!("POST {PODS}/p/exec?command=a"))
        .await;
    assert_eq!(asked, (400, "Upgrade request required".to_owned()));
    let asked = world
        .refused(&format!("POST {PODS}/p/exec?dryRun=All"))
        .await;
    assert_eq!(asked, (400, "dryRun is not supported".to_owned()));
    world.add_pod("waiting", "", &["c"]).await;
    let asked = world.refused(&format!("POST {PODS}/waiting/attach")).await;
    assert_eq!(
        asked,
        (400, "pod waiting does not have a host assigned".to_owned())
    );
    let asked = world.refused(&format!("PUT {PODS}/p/exec")).await;
    assert_eq!(asked.0, 405);
    assert!(world.node.seen().is_empty());
}

/// Who may only read does not get in by GET.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_the_right_to_create_whatever_the_method() {
    let world = World::start().await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reads"},
        "rules": [{"apiGroups": [""], "resources": ["pods/exec", "pods/log"], "verbs": ["get"]}]});
    let rbac = "rbac.authorization.k8s.io";
    world
        .server
        .create(&format!("clusterroles.{rbac}"), "", role)
        .await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reads"},
        "subjects": [{"kind": "Group", "apiGroup": rbac, "name": "readers"}],
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "reads"}});
    world
        .server
        .create(&format!("clusterrolebindings.{rbac}"), "", binding)
        .await;
    let close = "Connection: close\r\n";
    let asked = |line: String, more: &'static str| {
        let world = &world;
        async move { world.begin(READER, &line, more, "\r\n\r\n").await.1 }
    };
    assert_eq!(code(&asked(format!("GET {PODS}/p/log"), close).await), 200);
    let answer = asked(format!("GET {PODS}/p/exec?command=a"), SHOUT).await;
    assert_eq!(code(&answer), 403, "{answer}");
    assert_eq!(world.node.seen(), ["GET /containerLogs/default/p/c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_sees_a_connection_before_anything_is_dialled() {
    let world = World::start().await;
    let group = "admissionregistration.k8s.io";
    let policy = json!({"apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-rm"},
        "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["pods/exec"]}]},
            "validations": [{"expression": "object.kind == 'PodExecOptions' && !object.command.exists(word, word == 'rm')", "message": "nothing is removed here"}]}});
    world
        .server
        .create(&format!("validatingadmissionpolicies.{group}"), "", policy)
        .await;
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-rm"},
        "spec": {"policyName": "no-rm", "validationActions": ["Deny"]}});
    world
        .server
        .create(
            &format!("validatingadmissionpolicybindings.{group}"),
            "",
            binding,
        )
        .await;
    let line = format!("POST {PODS}/p/exec?command=rm&command=-r");
    let (_, answer) = world.begin(ALICE, &line, SHOUT, "422}").await;
    assert!(answer.contains("nothing is removed here"), "{answer}");
    assert!(world.node.seen().is_empty());
    let line = format!("POST {PODS}/p/exec?command=ls");
    let (_, answer) = world.begin(ALICE, &line, SHOUT, "\r\n\r\n").await;
    assert_eq!(code(&answer), 101, "{answer}");
}
