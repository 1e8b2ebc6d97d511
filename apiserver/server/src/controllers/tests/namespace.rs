//! The end of a namespace: all that is in it goes, and it waits for what does not.

use crate::testing::Server;
use serde_json::{Value, json};
use triad_machinery::meta;

fn map(name: &str, finalizers: &[&str]) -> Value {
    json!({"metadata": {"name": name, "finalizers": finalizers}})
}

async fn namespace(server: &Server, name: &str) {
    let namespace = json!({"metadata": {"name": name}});
    server.create("namespaces", "", namespace).await;
}

fn gone(server: &Server, name: &str) -> bool {
    server.get("namespaces", "", name).is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let server = Server::start("namespace,serviceaccount,root-ca-cert-publisher").await;
    namespace(&server, "full").await;
    namespace(&server, "other").await;
    server.create("configmaps", "other", map("kept", &[])).await;
    let names: Vec<String> = (0..300).map(|n| format!("map-{n}")).collect();
    let creates = names
        .iter()
        .map(|name| server.create("configmaps", "full", map(name, &[])));
    futures_util::future::join_all(creates).await;
    server.delete("namespaces", "", "full", "Background").await;
    server.eventually("it is gone", |s| gone(s, "full")).await;
    for resource in ["configmaps", "serviceaccounts"] {
        let registry = server.registry(resource);
        let scope = registry.layout.scope("full");
        assert_eq!(registry.cache.snapshot().range(&scope, None).count(), 0);
    }
    assert!(server.get("configmaps", "other", "kept").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_finalizers_says_so_and_keeps_no_other_waiting() {
    let server = Server::start("namespace").await;
    namespace(&server, "held").await;
    namespace(&server, "free").await;
    let held = map("held", &["test.example/held"]);
    server.create("configmaps", "held", held).await;
    server.delete("namespaces", "", "held", "Background").await;
    server.delete("namespaces", "", "free", "Background").await;
    server
        .eventually("the other is gone", |s| gone(s, "free"))
        .await;
    let told = |s: &Server, kind: &str| {
        let namespace = s.get("namespaces", "", "held").unwrap_or_default();
        let conditions = namespace["status"]["conditions"].as_array().cloned();
        let found = conditions.into_iter().flatten().find(|c| c["type"] == kind);
        found.map_or_else(String::new, |c| {
            c["message"].as_str().unwrap_or("").to_owned()
        })
    };
    server
        .eventually("it says what it waits for", |s| {
            told(s, "NamespaceContentRemaining")
                == "Some resources are remaining: configmaps. has 1 resource instances"
                && told(s, "NamespaceFinalizersRemaining")
                    == "Some content in the namespace has finalizers remaining: test.example/held in 1 resource instances"
        })
        .await;
    let version = |s: &Server| {
        let namespace = s.get("namespaces", "", "held").unwrap_or_default();
        meta::resource_version(&namespace).to_owned()
    };
    let waiting = version(&server);
    server
        .stays("and does nothing while it waits", |s| version(s) == waiting)
        .await;
    let free = json!({"metadata": {"finalizers": null}});
    server.patch("configmaps", "held", "held", free).await;
    server.eventually("then it goes", |s| gone(s, "held")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_begun_goes_on_after_a_restart() {
    let server = Server::start("none").await;
    namespace(&server, "late").await;
    server.create("configmaps", "late", map("a", &[])).await;
    server.delete("namespaces", "", "late", "Background").await;
    server
        .stays("nobody empties it", |s| !gone(s, "late"))
        .await;
    let server = server.restart("namespace").await;
    server.eventually("it is gone", |s| gone(s, "late")).await;
}
