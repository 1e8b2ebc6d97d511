//! Garbage collection: what goes, what stays, and in which order.

use crate::testing::Server;
use serde_json::{Value, json};
use triad_machinery::meta;

const NS: &str = "default";
const MAPS: &str = "configmaps";

async fn server() -> Server {
    Server::start("garbagecollector,namespace").await
}

/// A reference to an object; `blocking` where the owner's deletion in the foreground waits for the dependent.
fn owned_by(owner: &Value, blocking: bool) -> Value {
    json!({"apiVersion": meta::api_version(owner), "kind": meta::kind(owner), "name": meta::name(owner), "uid": meta::uid(owner), "blockOwnerDeletion": blocking})
}

fn map(name: &str, owners: &[Value], finalizers: &[&str]) -> Value {
    json!({"metadata": {"name": name, "ownerReferences": owners, "finalizers": finalizers}})
}

/// Creates what may be collected at once.
async fn create(server: &Server, object: Value) {
    let created = server.try_create(MAPS, NS, object).await;
    created.unwrap_or_else(|status| panic!("{status}"));
}

fn gone(server: &Server, name: &str) -> bool {
    server.get(MAPS, NS, name).is_none()
}

fn owners(server: &Server, name: &str) -> Vec<String> {
    let object = server.get(MAPS, NS, name).unwrap_or_default();
    meta::owner_references(&object)
        .map(|owner| owner.name.to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_dependents_go_with_their_owner() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    server.create(MAPS, NS, map("stranger", &[], &[])).await;
    let names: Vec<String> = (0..2000).map(|n| format!("dependent-{n}")).collect();
    let creates = names
        .iter()
        .map(|name| server.create(MAPS, NS, map(name, &[owned_by(&owner, false)], &[])));
    futures_util::future::join_all(creates).await;
    server.stays("owned", |s| !gone(s, "dependent-7")).await;
    server.delete(MAPS, NS, "owner", "Background").await;
    server
        .eventually("every dependent is gone", |s| {
            names.iter().all(|name| gone(s, name))
        })
        .await;
    assert!(!gone(&server, "stranger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_from_its_head() {
    let server = server().await;
    let mut owner = server.create(MAPS, NS, map("link-0", &[], &[])).await;
    for n in 1..6 {
        let link = map(&format!("link-{n}"), &[owned_by(&owner, true)], &[]);
        owner = server.create(MAPS, NS, link).await;
    }
    server.delete(MAPS, NS, "link-0", "Foreground").await;
    server
        .eventually("the chain is gone", |s| {
            (0..6).all(|n| gone(s, &format!("link-{n}")))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_the_foreground_waits_for_blocking_dependents_alone() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let held = ["test.example/held"];
    let blocking = map("blocking", &[owned_by(&owner, true)], &held);
    server.create(MAPS, NS, blocking).await;
    let other = map("other", &[owned_by(&owner, false)], &held);
    server.create(MAPS, NS, other).await;
    server.delete(MAPS, NS, "owner", "Foreground").await;
    let deleting = |s: &Server, name: &str| {
        let object = s.get(MAPS, NS, name);
        object.is_some_and(|object| !meta::deletion_timestamp(&object).is_empty())
    };
    server
        .eventually("both dependents are being deleted", |s| {
            deleting(s, "blocking") && deleting(s, "other")
        })
        .await;
    server
        .stays("the owner waits for the blocking one", |s| {
            deleting(s, "owner")
        })
        .await;
    let free = json!({"metadata": {"finalizers": null}});
    server.patch(MAPS, NS, "blocking", free).await;
    server
        .eventually("the owner goes before the other one", |s| {
            gone(s, "owner") && gone(s, "blocking")
        })
        .await;
    assert!(deleting(&server, "other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_stops_blocking_lets_the_owner_go() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let held = map("held", &[owned_by(&owner, true)], &["test.example/held"]);
    server.create(MAPS, NS, held).await;
    server.delete(MAPS, NS, "owner", "Foreground").await;
    server.stays("the owner waits", |s| !gone(s, "owner")).await;
    let unblocked = json!({"metadata": {"ownerReferences": [owned_by(&owner, false)]}});
    server.patch(MAPS, NS, "held", unblocked).await;
    server
        .eventually("the owner goes", |s| gone(s, "owner"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_stay_and_forget_that_owner_alone() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let other = server.create(MAPS, NS, map("other", &[], &[])).await;
    let one = map("one", &[owned_by(&owner, true)], &[]);
    server.create(MAPS, NS, one).await;
    let two = map(
        "two",
        &[owned_by(&owner, true), owned_by(&other, false)],
        &[],
    );
    server.create(MAPS, NS, two).await;
    server.delete(MAPS, NS, "owner", "Orphan").await;
    server
        .eventually("the owner is gone", |s| gone(s, "owner"))
        .await;
    server
        .stays("they are orphans", |s| {
            owners(s, "one").is_empty() && owners(s, "two") == ["other"] && !gone(s, "one")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_owners_is_enough_to_stay() {
    let server = server().await;
    let first = server.create(MAPS, NS, map("first", &[], &[])).await;
    let second = server.create(MAPS, NS, map("second", &[], &[])).await;
    let both = map(
        "both",
        &[owned_by(&first, false), owned_by(&second, false)],
        &[],
    );
    server.create(MAPS, NS, both).await;
    server.delete(MAPS, NS, "first", "Background").await;
    server
        .eventually("the lost owner is forgotten", |s| {
            owners(s, "both") == ["second"]
        })
        .await;
    server.delete(MAPS, NS, "second", "Background").await;
    server
        .eventually("the last owner is lost", |s| gone(s, "both"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_made_anew_is_another() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    // Held, so that it is there when the new owner is.
    let child = map("child", &[owned_by(&owner, false)], &["test.example/held"]);
    server.create(MAPS, NS, child).await;
    server.delete(MAPS, NS, "owner", "Background").await;
    let anew = server.create(MAPS, NS, map("owner", &[], &[])).await;
    assert_ne!(meta::uid(&owner), meta::uid(&anew));
    create(&server, map("late", &[owned_by(&owner, false)], &[])).await;
    let good = map("good", &[owned_by(&anew, false)], &[]);
    server.create(MAPS, NS, good).await;
    server
        .eventually("both that name the old uid go", |s| {
            let child = s.get(MAPS, NS, "child").unwrap_or_default();
            gone(s, "late") && !meta::deletion_timestamp(&child).is_empty()
        })
        .await;
    server
        .stays("the new owner's stays", |s| !gone(s, "good"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_must_be_right_in_kind_name_and_uid() {
    let server = server().await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let mut wrong_name = owned_by(&owner, false);
    wrong_name["name"] = "another".into();
    let mut wrong_kind = owned_by(&owner, false);
    wrong_kind["kind"] = "Secret".into();
    let mut unknown_kind = owned_by(&owner, false);
    unknown_kind["kind"] = "Nothing".into();
    create(&server, map("name", &[wrong_name], &[])).await;
    create(&server, map("kind", &[wrong_kind], &[])).await;
    create(&server, map("unknown", &[unknown_kind], &[])).await;
    server
        .eventually("the wrong ones go", |s| gone(s, "name") && gone(s, "kind"))
        .await;
    server
        .stays("a kind that is not known may yet be", |s| {
            !gone(s, "unknown")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_in_another_namespace_does_not_count_and_is_told() {
    let server = server().await;
    server
        .create("namespaces", "", json!({"metadata": {"name": "far"}}))
        .await;
    let owner = server.create(MAPS, "far", map("owner", &[], &[])).await;
    create(&server, map("child", &[owned_by(&owner, false)], &[])).await;
    server
        .eventually("the child goes", |s| gone(s, "child"))
        .await;
    let events = server.registry("events").cache.snapshot();
    let scope = server.registry("events").layout.scope(NS);
    let told: Vec<Value> = events
        .range(&scope, None)
        .filter_map(|event| event.object(&server.registry("events").layout).ok())
        .filter(|event| event["reason"] == "OwnerRefInvalidNamespace")
        .collect();
    assert_eq!(told.len(), 1);
    let message = format!(
        "ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {}] does not exist in namespace \"default\"",
        meta::uid(&owner)
    );
    assert_eq!(told[0]["message"], message);
    assert_eq!(told[0]["involvedObject"]["name"], "child");
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_of_owners() {
    let server = server().await;
    let node = json!({"metadata": {"name": "node"}});
    let node = server.create("nodes", "", node).await;
    let child = map("child", &[owned_by(&node, false)], &[]);
    server.create(MAPS, NS, child).await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let wide = json!({"metadata": {"name": "wide", "ownerReferences": [owned_by(&owner, false)]}});
    server.create("nodes", "", wide).await;
    server
        .stays("a cluster-scoped owner counts in any namespace", |s| {
            !gone(s, "child")
        })
        .await;
    server.delete("nodes", "", "node", "Background").await;
    server.delete(MAPS, NS, "owner", "Background").await;
    server
        .eventually("the child goes", |s| gone(s, "child"))
        .await;
    server
        .stays("an owner in a namespace cannot have it", |s| {
            s.get("nodes", "", "wide").is_some()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_own_each_other_do_not_wait_for_ever() {
    let server = server().await;
    let a = server.create(MAPS, NS, map("a", &[], &[])).await;
    let b = server
        .create(MAPS, NS, map("b", &[owned_by(&a, true)], &[]))
        .await;
    let circle = json!({"metadata": {"ownerReferences": [owned_by(&b, true)]}});
    server.patch(MAPS, NS, "a", circle).await;
    server.delete(MAPS, NS, "a", "Foreground").await;
    server
        .eventually("both are gone", |s| gone(s, "a") && gone(s, "b"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_a_restart_is_finished_after_it() {
    let server = Server::start("none").await;
    let owner = server.create(MAPS, NS, map("owner", &[], &[])).await;
    let waiting = server.create(MAPS, NS, map("waiting", &[], &[])).await;
    let leaving = server.create(MAPS, NS, map("leaving", &[], &[])).await;
    for (name, owner) in [
        ("child", &owner),
        ("blocking", &waiting),
        ("orphan", &leaving),
    ] {
        let object = map(name, &[owned_by(owner, true)], &[]);
        server.create(MAPS, NS, object).await;
    }
    server.delete(MAPS, NS, "owner", "Background").await;
    server.delete(MAPS, NS, "waiting", "Foreground").await;
    server.delete(MAPS, NS, "leaving", "Orphan").await;
    server
        .stays("nobody collects", |s| {
            !gone(s, "child") && !gone(s, "waiting") && !gone(s, "leaving")
        })
        .await;
    let server = server.restart("garbagecollector").await;
    server
        .eventually("all is done", |s| {
            ["child", "waiting", "blocking", "leaving"]
                .iter()
                .all(|name| gone(s, name))
        })
        .await;
    assert!(owners(&server, "orphan").is_empty() && !gone(&server, "orphan"));
}
