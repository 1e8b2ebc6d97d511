//! Limits as clients meet them: held by requests whose bodies do not come.

use super::*;
use crate::testing::{Server, raw};
use serde_json::json;
use std::time::Instant;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

const PATIENCE: Duration = Duration::from_secs(30);
const USERS: &str =
    "alice,alice,1,\"users\"\nbob,bob,2,\"users\"\nroot,root,3,\"system:masters\"\n";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A request that runs until its body comes: it is asked for when there was a seat.
async fn begun(server: &Server, who: &str) -> DuplexStream {
    let mut client = raw::open(server);
    let head = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.expect("sent");
    let answer = raw::read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(code(&answer), "100", "{answer}");
    client
}

/// Its answer, when the body has come.
async fn finished(mut client: DuplexStream) -> String {
    client.write_all(b"{}").await.expect("sent");
    let answer = raw::read_all(&mut client).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request without a body.
async fn sent(server: &Server, who: &str, line: &str) -> DuplexStream {
    let mut client = raw::open(server);
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.expect("sent");
    client
}

async fn ask(server: &Server, who: &str, line: &str) -> String {
    let mut client = sent(server, who, line).await;
    let answer = raw::read_all(&mut client).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn code(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// Asks until the answer has a code.
async fn until(server: &Server, who: &str, line: &str, wanted: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask(server, who, line).await;
        if code(&answer) == wanted {
            return answer;
        }
        assert!(Instant::now() < end, "{line}: never {wanted}: {answer}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fairness_reading_and_writing_have_limits_of_their_own() {
    let server = Server::start_for(
        USERS,
        &[
            "--enable-priority-and-fairness=false",
            "--max-requests-inflight=1",
            "--max-mutating-requests-inflight=1",
            "--authorization-mode=AlwaysAllow",
        ],
    )
    .await;
    let post = format!("POST {MAPS}");
    let held = begun(&server, "alice").await;
    let refused = until(&server, "bob", &post, "429").await;
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.ends_with("Too many requests, please try again later.\n"));
    assert!(!refused.contains("x-kubernetes-pf-"), "{refused}");
    // Those that read are others, administrators are never too many, and what runs for long does not count.
    let get = format!("GET {MAPS}");
    let mut watching = Vec::new();
    for _ in 0..3 {
        let mut client = raw::open(&server);
        let head =
            format!("{get}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n");
        client.write_all(head.as_bytes()).await.expect("sent");
        let head = raw::read_until(&mut client, "\r\n\r\n").await;
        assert_eq!(code(&head), "200");
        watching.push(client);
    }
    assert_eq!(code(&ask(&server, "bob", &get).await), "200");
    assert_ne!(code(&ask(&server, "root", &post).await), "429");
    assert_ne!(code(&finished(held).await), "429");
    until(&server, "bob", &post, "400").await;
}

/// A level of one seat for alice and bob, and what it says to who finds none.
async fn tight(server: &Server, response: serde_json::Value) {
    let group = "flowcontrol.apiserver.k8s.io";
    let level = json!({"apiVersion": format!("{group}/v1"), "kind": "PriorityLevelConfiguration", "metadata": {"name": "tight"},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": response}}});
    server
        .create(&format!("prioritylevelconfigurations.{group}"), "", level)
        .await;
    let user = |name| json!({"kind": "User", "user": {"name": name}});
    let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
    let schema = json!({"apiVersion": format!("{group}/v1"), "kind": "FlowSchema", "metadata": {"name": "tight"},
        "spec": {"priorityLevelConfiguration": {"name": "tight"}, "matchingPrecedence": 10, "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [user("alice"), user("bob")], "resourceRules": [all]}]}});
    server
        .create(&format!("flowschemas.{group}"), "", schema)
        .await;
}

/// What /metrics says of the level.
fn metric(server: &Server, name: &str) -> String {
    let mut page = String::new();
    server.api.flow.render(&mut page);
    let name = format!("apiserver_flowcontrol_{name}");
    let mut lines = page
        .lines()
        .filter(|line| line.starts_with(&name) && line.contains("priority_level=\"tight\""));
    lines
        .next()
        .unwrap_or_default()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

const SMALL: [&str; 4] = [
    "--max-requests-inflight=1",
    "--max-mutating-requests-inflight=1",
    "--authorization-mode=AlwaysAllow",
    // A quarter of which is how long somebody waits: longer than the test.
    "--request-timeout=10m",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_level_without_queues_refuses_who_finds_no_seat() {
    let server = Server::start_for(USERS, &SMALL).await;
    tight(&server, json!({"type": "Reject"})).await;
    let get = format!("GET {MAPS}");
    let held = begun(&server, "alice").await;
    let refused = until(&server, "bob", &get, "429").await;
    assert!(
        refused.contains("retry-after: ") && refused.contains("x-kubernetes-pf-flowschema-uid")
    );
    assert!(metric(&server, "rejected_requests_total") != "0");
    assert_eq!(metric(&server, "nominal_limit_seats"), "1");
    // Others have levels of their own, and who is exempt has no limit.
    assert_eq!(code(&ask(&server, "root", &get).await), "200");
    assert_ne!(code(&finished(held).await), "429");
    until(&server, "bob", &get, "200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_runs_when_a_seat_is_free() {
    let server = Server::start_for(USERS, &SMALL).await;
    let queuing = json!({"queues": 1, "handSize": 1, "queueLengthLimit": 1});
    tight(&server, json!({"type": "Queue", "queuing": queuing})).await;
    let held = begun(&server, "alice").await;
    let executing = |server: &Server| metric(server, "current_executing_requests") == "1";
    server.eventually("one runs", executing).await;
    let get = format!("GET {MAPS}");
    let waiting = sent(&server, "bob", &get).await;
    let waits = |server: &Server| metric(server, "current_inqueue_requests") == "1";
    server.eventually("one waits", waits).await;
    assert_eq!(
        code(&ask(&server, "bob", &get).await),
        "429",
        "the queue is full"
    );
    // Who goes away leaves its place.
    drop(waiting);
    let none = |server: &Server| metric(server, "current_inqueue_requests") == "0";
    server.eventually("nobody waits", none).await;
    let mut asked = sent(&server, "bob", &get).await;
    server.eventually("one waits again", waits).await;
    assert_ne!(code(&finished(held).await), "429");
    let answer = raw::read_all(&mut asked).await;
    assert_eq!(code(&String::from_utf8_lossy(&answer)), "200");
    server
        .eventually("all seats are free", |server| {
            metric(server, "current_executing_requests") == "0"
        })
        .await;
}

fn schema_of(level: &str) -> Schema {
    let object = json!({"metadata": {"name": "s", "uid": "u"}, "spec": {"priorityLevelConfiguration": {"name": level}}});
    Schema::new(&object, |_| Some(HeaderValue::from_static("u"))).expect("a schema")
}

#[tokio::test]
async fn nobody_waits_longer_than_a_quarter_of_a_request() {
    let room = Arc::new(Room::new(1, Duration::from_millis(40)));
    let queuing = json!({"queues": 1, "handSize": 1, "queueLengthLimit": 5});
    room.configure(vec![Level::new(
        &json!({"metadata": {"name": "l"}, "spec": {"type": "Limited",
        "limited": {"limitResponse": {"type": "Queue", "queuing": queuing}}}}),
    )]);
    let schema = schema_of("l");
    let seat = room.enter(&schema, 0).await.expect("a seat");
    assert_eq!(room.enter(&schema, 0).await.err(), Some(1));
    let mut page = String::new();
    room.render(&mut page);
    assert!(page.contains("reason=\"time-out\"} 1\n"), "{page}");
    drop(seat);
    assert!(room.enter(&schema, 0).await.is_ok());
}
