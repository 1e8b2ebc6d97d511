//! Quotas: what is there is counted, what is too much is refused, what goes is given back.

use crate::testing::Server;
use futures_util::future::join_all;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::reason;

const NS: &str = "default";
const QUOTAS: &str = "resourcequotas";

fn secret(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn used(server: &Server, name: &str) -> Value {
    let quota = server.get(QUOTAS, NS, name).unwrap_or_default();
    quota.pointer("/status/used").cloned().unwrap_or_default()
}

/// Creates a quota and waits until it is kept.
async fn quota(server: &Server, name: &str, spec: Value) {
    let quota = json!({"metadata": {"name": name}, "spec": spec});
    let created = server.try_create(QUOTAS, NS, quota).await;
    assert_eq!(created, Ok(()));
    server
        .eventually("the quota is counted", |s| used(s, name).is_object())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_counts_what_it_finds_what_comes_and_what_goes() {
    let server = Server::start("resourcequota").await;
    server.create("secrets", NS, secret("before")).await;
    let hard = json!({"secrets": "3", "count/configmaps": "1", "count/nothing.example.com": "1"});
    quota(&server, "q", json!({"hard": hard})).await;
    assert_eq!(
        used(&server, "q"),
        json!({"count/configmaps": "0", "secrets": "1"})
    );
    let one = server.create("secrets", NS, secret("one")).await;
    // Counted before it was stored, in a change of its own.
    let version = |object: &Value| {
        meta::resource_version(object)
            .parse::<u64>()
            .expect("a number")
    };
    let quota = server.get(QUOTAS, NS, "q").expect("still there");
    assert!(version(&quota) < version(&one));
    assert_eq!(used(&server, "q")["secrets"], "2");
    server.create("secrets", NS, secret("two")).await;
    let refused = server.try_create("secrets", NS, secret("three")).await;
    let refused = refused.expect_err("the quota is full");
    assert!(refused.is(reason::FORBIDDEN));
    assert_eq!(
        refused.message,
        "secrets \"three\" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=3, limited: secrets=3"
    );
    server.delete("secrets", NS, "one", "Background").await;
    server
        .eventually("what goes is given back", |s| {
            used(s, "q")["secrets"] == "2"
        })
        .await;
    server.create("secrets", NS, secret("three")).await;
    let wider = json!({"spec": {"hard": {"secrets": "4"}}});
    server.patch(QUOTAS, NS, "q", wider).await;
    server
        .eventually("another limit counts", |s| {
            let quota = s.get(QUOTAS, NS, "q").unwrap_or_default();
            quota["status"]["hard"]["secrets"] == "4"
        })
        .await;
    server.create("secrets", NS, secret("four")).await;
    assert_eq!(used(&server, "q")["secrets"], "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_no_more_than_there_is() {
    let server = Server::start("resourcequota").await;
    quota(&server, "few", json!({"hard": {"secrets": "10"}})).await;
    quota(&server, "fewer", json!({"hard": {"count/secrets": "8"}})).await;
    let names: Vec<String> = (0..40).map(|n| format!("secret-{n}")).collect();
    let creates = names
        .iter()
        .map(|name| server.try_create("secrets", NS, secret(name)));
    let results = join_all(creates).await;
    let stored = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(stored, 8);
    let all_told = results
        .into_iter()
        .filter_map(Result::err)
        .all(|status| status.message.contains("exceeded quota: fewer"));
    assert!(all_told);
    assert_eq!(used(&server, "few"), json!({"secrets": "8"}));
    assert_eq!(used(&server, "fewer"), json!({"count/secrets": "8"}));
    let again = server.try_create("secrets", NS, secret(&names[0])).await;
    assert!(again.is_err());
    assert_eq!(
        used(&server, "few"),
        json!({"secrets": "8"}),
        "what is refused costs nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_made_amid_writes_is_exact() {
    let server = Server::start("resourcequota").await;
    let names: Vec<String> = (0..200).map(|n| format!("map-{n}")).collect();
    let creates = names
        .iter()
        .map(|name| server.try_create("configmaps", NS, secret(name)));
    let hard = json!({"hard": {"configmaps": "1000"}});
    let (results, ()) = tokio::join!(join_all(creates), quota(&server, "q", hard));
    assert!(results.iter().all(Result::is_ok));
    server
        .eventually("all are counted", |s| {
            used(s, "q") == json!({"configmaps": "200"})
        })
        .await;
    let deletes = names
        .iter()
        .map(|name| server.delete("configmaps", NS, name, "Background"));
    join_all(deletes).await;
    server
        .eventually("none is left", |s| {
            used(s, "q") == json!({"configmaps": "0"})
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_counted_by_what_they_ask_for_until_they_end() {
    let server = Server::start("resourcequota,serviceaccount").await;
    server
        .eventually("pods have an account", |s| {
            s.get("serviceaccounts", NS, "default").is_some()
        })
        .await;
    quota(
        &server,
        "q",
        json!({"hard": {"pods": "5", "requests.cpu": "1"}}),
    )
    .await;
    let pod = |name: &str, cpu: Option<&str>| {
        let requests = cpu.map_or(json!({}), |cpu| json!({"requests": {"cpu": cpu}}));
        json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "registry.example/c", "resources": requests}]}})
    };
    let unstated = server.try_create("pods", NS, pod("a", None)).await;
    let why = unstated.expect_err("cpu is limited").message;
    assert!(
        why.ends_with("failed quota: q: must specify requests.cpu for: c"),
        "{why}"
    );
    server.create("pods", NS, pod("a", Some("600m"))).await;
    assert_eq!(
        used(&server, "q"),
        json!({"pods": "1", "requests.cpu": "600m"})
    );
    assert!(
        server
            .try_create("pods", NS, pod("b", Some("500m")))
            .await
            .is_err()
    );
    server
        .patch_status("pods", NS, "a", json!({"status": {"phase": "Succeeded"}}))
        .await;
    server
        .eventually("it has ended", |s| {
            used(s, "q") == json!({"pods": "0", "requests.cpu": "0"})
        })
        .await;
    server.create("pods", NS, pod("b", Some("500m"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_written_by_another_is_put_right() {
    let server = Server::start("resourcequota").await;
    quota(&server, "q", json!({"hard": {"secrets": "3"}})).await;
    server.create("secrets", NS, secret("one")).await;
    server
        .patch_status(
            QUOTAS,
            NS,
            "q",
            json!({"status": {"used": {"secrets": "0"}}}),
        )
        .await;
    server
        .eventually("it is counted again", |s| {
            used(s, "q") == json!({"secrets": "1"})
        })
        .await;
    let server = server.restart("none").await;
    server.delete("secrets", NS, "one", "Background").await;
    let server = server.restart("resourcequota").await;
    server
        .eventually("after a restart too", |s| {
            used(s, "q") == json!({"secrets": "0"})
        })
        .await;
}
