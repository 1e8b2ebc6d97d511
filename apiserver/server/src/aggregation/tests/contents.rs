//! What the server behind has in a namespace goes with it, and keeps it waiting while it does not.

use super::World;
use crate::registry::conditions;
use crate::testing::Server;
use serde_json::{Value, json};

fn gone(server: &Server, name: &str) -> bool {
    server.get("namespaces", "", name).is_none()
}

/// What a namespace says of one condition, while it is true.
fn told(server: &Server, name: &str, kind: &str) -> String {
    let namespace = server.get("namespaces", "", name).unwrap_or_default();
    let condition = conditions::find(&namespace, kind).filter(|found| found["status"] == "True");
    condition.map_or_else(String::new, |found| {
        found["message"].as_str().unwrap_or("").to_owned()
    })
}

async fn namespace(world: &World, name: &str) {
    let namespace: Value = json!({"metadata": {"name": name}});
    world.server.create("namespaces", "", namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_with_what_the_server_behind_has_in_it() {
    let world = World::start_with("namespace").await;
    for name in ["full", "held", "other"] {
        namespace(&world, name).await;
    }
    for (place, name) in [
        ("full", "a"),
        ("full", "b"),
        ("held", "c"),
        ("held", "stuck"),
        ("other", "d"),
    ] {
        world.behind.put_crate(place, name);
    }
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    world.shown_becomes("Current").await;
    let server = &world.server;
    server.delete("namespaces", "", "full", "Background").await;
    server.eventually("it is gone", |s| gone(s, "full")).await;
    assert_eq!(world.behind.crates(), 3, "its own are gone, others are not");
    let controller = "system:serviceaccount:kube-system:namespace-controller";
    assert_eq!(world.behind.deleted_by(), controller);

    server.delete("namespaces", "", "held", "Background").await;
    let left = "Some resources are remaining: crates.behind.example has 1 resource instances";
    server
        .eventually("it says what is left", |s| {
            told(s, "held", "NamespaceContentRemaining") == left
        })
        .await;
    assert!(world.behind.take_crate("held", "stuck"));
    server.eventually("then it goes", |s| gone(s, "held")).await;

    // Nobody knows what a server has that does not answer.
    let touch = |value: &str| json!({"metadata": {"annotations": {"touched": value}}});
    world.behind.set_broken(true);
    server.patch("services", "default", "s", touch("1")).await;
    world.shown_becomes("Stale").await;
    server.delete("namespaces", "", "other", "Background").await;
    let unknown = "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: \
        behind.example/v1: stale GroupVersion discovery: behind.example/v1";
    let kind = "NamespaceDeletionDiscoveryFailure";
    server
        .eventually("it says so", |s| told(s, "other", kind) == unknown)
        .await;
    world.behind.set_broken(false);
    server.patch("services", "default", "s", touch("2")).await;
    world.shown_becomes("Current").await;
    server
        .eventually("then it goes, too", |s| gone(s, "other"))
        .await;
    assert_eq!(world.behind.crates(), 0);
}
