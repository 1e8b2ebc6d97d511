//! Storage version migrations: objects written in an old version lie in the new one afterwards.

use crate::controllers::client::Target;
use crate::registry::conditions;
use crate::testing::Server;
use serde_json::{Value, json};

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
const WIDGETS: &str = "widgets.example.com";
const MIGRATIONS: &str = "storageversionmigrations.storagemigration.k8s.io";

fn versions(stored: &str) -> Value {
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == stored, "schema": {"openAPIV3Schema": {"type": "object"}}});
    json!([version("v1"), version("v2")])
}

fn is_true(server: &Server, resource: &str, name: &str, condition: &str) -> bool {
    let found = server.get(resource, "", name);
    found.is_some_and(|found| conditions::is_true(&found, condition))
}

/// The version in which an object lies in the store.
fn lies_in(server: &Server, name: &str) -> String {
    let key = format!("/registry/example.com/widgets/default/{name}");
    let entry = server.api.store.get(key.as_bytes(), None).expect("a read");
    let object: Value = serde_json::from_slice(&entry.expect("an object").value).expect("JSON");
    object["apiVersion"].as_str().unwrap_or("").to_owned()
}

fn migration(name: &str, group: &str, resource: &str) -> Value {
    json!({"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration", "metadata": {"name": name},
        "spec": {"resource": {"group": group, "resource": resource}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_stored_anew_and_the_definition_says_so() {
    let server = Server::start("svm").await;
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": WIDGETS},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": versions("v1")}});
    server.create(DEFINITIONS, "", definition).await;
    server
        .eventually("it is established", |s| {
            is_true(s, DEFINITIONS, WIDGETS, "Established")
        })
        .await;
    let widgets = server.api.endpoints.customs.registry(WIDGETS);
    let widgets = widgets.expect("served");
    for name in ["a", "b"] {
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"n": 1}});
        let made = server.client.create(&widgets, "default", &widget).await;
        made.expect("made");
    }
    let patch = json!({"spec": {"versions": versions("v2")}});
    server.patch(DEFINITIONS, "", WIDGETS, patch).await;
    server
        .eventually("v2 is what is stored", |s| {
            let registry = s.api.endpoints.customs.registry(WIDGETS);
            registry.is_some_and(|registry| registry.resource().version == "v2")
        })
        .await;
    assert_eq!(lies_in(&server, "a"), "example.com/v1");
    let object = migration("m", "example.com", "widgets");
    server.create(MIGRATIONS, "", object).await;
    server
        .eventually("it succeeds", |s| is_true(s, MIGRATIONS, "m", "Succeeded"))
        .await;
    for name in ["a", "b"] {
        assert_eq!(lies_in(&server, name), "example.com/v2");
    }
    let done = server.get(MIGRATIONS, "", "m").expect("there");
    let running = conditions::find(&done, "Running").expect("a condition");
    let message = "The migration is running, 2 objects verified migrated";
    assert_eq!(running["message"], message);
    server
        .eventually("v2 alone is stored", |s| {
            let definition = s.get(DEFINITIONS, "", WIDGETS).expect("there");
            definition["status"]["storedVersions"] == json!(["v2"])
        })
        .await;
    let registry = server.api.endpoints.customs.registry(WIDGETS);
    let registry = registry.expect("served");
    let patch = json!({"spec": {"n": 2}});
    let target = Target::new(&registry, "default", "a");
    let patched = server.client.patch(target, &patch).await;
    patched.expect("what was migrated can be changed");
}
