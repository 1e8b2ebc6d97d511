//! Custom resources in a whole server: from a definition to its objects and back to nothing.

use crate::controllers::client::Target;
use crate::registry::{Registry, conditions};
use crate::testing::Server;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
const WIDGETS: &str = "widgets.example.com";

fn definition() -> Value {
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1, "default": 1}}}}}}})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": WIDGETS},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [version("v1", true), version("v2", false)]}})
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn defined(server: &Server) -> Arc<Registry> {
    server.create(DEFINITIONS, "", definition()).await;
    established(server).await
}

async fn established(server: &Server) -> Arc<Registry> {
    server
        .eventually("the definition is established", |server| {
            let found = server.get(DEFINITIONS, "", WIDGETS);
            found.is_some_and(|found| conditions::is_true(&found, "Established"))
        })
        .await;
    let served = server.api.endpoints.customs.registry(WIDGETS);
    served.expect("what is established is served")
}

fn stored(registry: &Registry, name: &str) -> Option<Value> {
    let stored = registry.get_local("default", name).expect("readable");
    stored.map(|stored| stored.object)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_pruned_defaulted_judged_and_served_in_every_version() {
    let server = Server::start("none").await;
    let registry = defined(&server).await;
    let create = |object: Value| {
        let (client, registry) = (server.client.clone(), registry.clone());
        async move { client.create(&registry, "default", &object).await }
    };
    create(widget("a", json!({"unknown": 1})))
        .await
        .expect("an object");
    let object = stored(&registry, "a").expect("it is there");
    assert_eq!(object["spec"], json!({"size": 1}));
    assert_eq!(meta::generation(&object), 1);
    let refused = create(widget("b", json!({"size": 0})))
        .await
        .expect_err("too small");
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message
            .contains("spec.size in body should be greater than or equal to 1"),
        "{}",
        refused.message
    );

    let other = server
        .api
        .endpoints
        .get("example.com", "v2", "widgets")
        .expect("served");
    let other = other.registry.clone().expect("stored");
    let seen = stored(&other, "a").expect("the same object");
    assert_eq!(meta::api_version(&seen), "example.com/v2");
    assert_eq!(meta::uid(&seen), meta::uid(&object));
    // What lies in the store is JSON in the stored version, without its resourceVersion.
    let key = registry.layout.key("default", "a");
    let entry = server
        .api
        .store
        .get(key.as_bytes(), None)
        .expect("readable");
    let lies: Value = serde_json::from_slice(&entry.expect("there").value).expect("JSON");
    assert_eq!(key, "/registry/example.com/widgets/default/a");
    assert_eq!(
        (meta::api_version(&lies), meta::resource_version(&lies)),
        ("example.com/v1", "")
    );

    server
        .eventually("the cache shows it", |_| registry.cache.get(&key).is_some())
        .await;
    let target = Target::new(&registry, "default", "a");
    let patch = json!({"spec": {"size": 3}});
    server.client.patch(target, &patch).await.expect("patched");
    assert_eq!(
        meta::generation(&stored(&registry, "a").expect("still there")),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_goes_after_its_objects_also_when_the_server_ends_in_between() {
    let server = Server::start("none").await;
    let registry = defined(&server).await;
    for (name, finalizers) in [("free", json!([])), ("held", json!(["example.com/hold"]))] {
        let mut object = widget(name, json!({}));
        object["metadata"]["finalizers"] = finalizers;
        server
            .client
            .create(&registry, "default", &object)
            .await
            .expect("an object");
    }
    server.delete(DEFINITIONS, "", WIDGETS, "Background").await;
    server
        .eventually("what nothing holds is gone", |_| {
            stored(&registry, "free").is_none()
        })
        .await;
    let late = server
        .client
        .create(&registry, "default", &widget("late", json!({})))
        .await;
    let late = late.expect_err("nothing new comes");
    assert_eq!(late.code, 403, "{}", late.message);
    drop(registry);

    let server = server.restart("none").await;
    let registry = server
        .api
        .endpoints
        .customs
        .registry(WIDGETS)
        .expect("served from the start");
    assert!(stored(&registry, "held").is_some());
    assert!(server.get(DEFINITIONS, "", WIDGETS).is_some(), "it waits");
    let target = Target::new(&registry, "default", "held");
    let patch = json!({"metadata": {"finalizers": null}});
    server.client.patch(target, &patch).await.expect("let go");
    server
        .eventually("the definition is gone", |server| {
            server.get(DEFINITIONS, "", WIDGETS).is_none()
        })
        .await;
    server
        .eventually("its path is gone", |server| {
            server
                .api
                .endpoints
                .get("example.com", "v1", "widgets")
                .is_none()
        })
        .await;
    let again = defined(&server).await;
    assert!(again.cache.snapshot().objects.is_empty());
    for name in ["free", "held", "late"] {
        assert!(stored(&again, name).is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_judges_what_comes_then() {
    let server = Server::start("none").await;
    let registry = defined(&server).await;
    server
        .client
        .create(&registry, "default", &widget("a", json!({"size": 2})))
        .await
        .expect("an object");
    let mut versions = definition()["spec"]["versions"].clone();
    let fields = &mut versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    fields["size"] = json!({"type": "integer", "minimum": 5, "default": 5});
    fields["color"] = json!({"type": "string", "default": "red"});
    server
        .patch(
            DEFINITIONS,
            "",
            WIDGETS,
            json!({"spec": {"versions": versions}}),
        )
        .await;
    server
        .eventually("the new schema counts", |server| {
            let registry = server
                .api
                .endpoints
                .customs
                .registry(WIDGETS)
                .expect("served");
            stored(&registry, "a").is_some_and(|object| object["spec"]["color"] == "red")
        })
        .await;
    let registry = server
        .api
        .endpoints
        .customs
        .registry(WIDGETS)
        .expect("served");
    let refused = server
        .client
        .create(&registry, "default", &widget("b", json!({"size": 2})))
        .await;
    assert_eq!(refused.expect_err("too small now").code, 422);
    // What was there before may stay as small as it was.
    let target = Target::new(&registry, "default", "a");
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    server
        .client
        .patch(target, &patch)
        .await
        .expect("nothing else changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_takes_custom_objects_with_it() {
    let server = Server::start("namespace").await;
    let registry = defined(&server).await;
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    server.create("namespaces", "", space).await;
    server
        .client
        .create(&registry, "n", &widget("a", json!({})))
        .await
        .expect("an object");
    server.delete("namespaces", "", "n", "Background").await;
    server
        .eventually("both are gone", |server| {
            let object = registry.get_local("n", "a").expect("readable");
            object.is_none() && server.get("namespaces", "", "n").is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_name_gets_it_when_it_is_free() {
    let server = Server::start("none").await;
    defined(&server).await;
    let mut second = definition();
    second["metadata"]["name"] = "gadgets.example.com".into();
    second["spec"]["names"] = json!({"plural": "gadgets", "singular": "gadget", "kind": "Widget", "listKind": "GadgetList"});
    server.create(DEFINITIONS, "", second).await;
    let accepted = |server: &Server| {
        let found = server
            .get(DEFINITIONS, "", "gadgets.example.com")
            .expect("defined");
        conditions::find(&found, "NamesAccepted").map(|condition| condition["status"].clone())
    };
    let refused = |server: &Server| accepted(server) == Some(json!("False"));
    server.eventually("the kind is another's", refused).await;
    assert!(
        server
            .api
            .endpoints
            .customs
            .registry("gadgets.example.com")
            .is_none()
    );
    server.delete(DEFINITIONS, "", WIDGETS, "Background").await;
    let served = |server: &Server| {
        server
            .api
            .endpoints
            .customs
            .registry("gadgets.example.com")
            .is_some()
    };
    server.eventually("it is free and taken", served).await;
    assert_eq!(accepted(&server), Some(json!("True")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_service_of_a_kind_is_kept_as_it_should_be() {
    const SERVICES: &str = "apiservices.apiregistration.k8s.io";
    let server = Server::start("none").await;
    defined(&server).await;
    let priority = |server: &Server| {
        let found = server.get(SERVICES, "", "v2.example.com")?;
        found["spec"]["versionPriority"].as_i64()
    };
    let whole = |server: &Server| priority(server) == Some(100);
    server.eventually("it is there", whole).await;
    let spec = json!({"spec": {"versionPriority": 7}});
    server.patch(SERVICES, "", "v2.example.com", spec).await;
    server.eventually("it is mended", whole).await;
    server
        .delete(SERVICES, "", "v2.example.com", "Background")
        .await;
    server.eventually("it is made again", whole).await;
    server.delete(DEFINITIONS, "", WIDGETS, "Background").await;
    let gone = |server: &Server| priority(server).is_none();
    server.eventually("it goes with its kind", gone).await;
}

/// The tag of the document of a group and version, as the index has it.
fn tag(server: &Server, name: &str) -> Option<String> {
    let (api, headers) = (&server.api, http::HeaderMap::new());
    let (customs, others) = (&api.endpoints.customs, api.aggregation.others());
    let query = crate::query::Query::parse("");
    let answer = api.openapi.answer(
        customs,
        &others,
        &http::Method::GET,
        "/openapi/v3",
        &headers,
        &query,
    );
    let text = match answer.expect("a path of OpenAPI").into_body() {
        crate::body::Body::Pieces(pieces) => pieces.into_iter().flatten().collect::<Vec<u8>>(),
        _ => panic!("the index is no stream"),
    };
    let index: Value = serde_json::from_slice(&text).expect("JSON");
    Some(
        index["paths"][name]["serverRelativeURL"]
            .as_str()?
            .to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_another_tag_when_it_says_something_else() {
    let server = Server::start("none").await;
    defined(&server).await;
    let of = |version: &str| format!("apis/example.com/{version}");
    let both = |server: &Server| tag(server, &of("v1")).zip(tag(server, &of("v2")));
    let shown = |server: &Server| both(server).is_some();
    server.eventually("both are shown", shown).await;
    let (first, second) = both(&server).expect("shown");
    assert_ne!(
        first.split_once('=').expect("a tag").1,
        second.split_once('=').expect("a tag").1
    );

    let before = server.api.endpoints.customs.generation();
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    server.patch(DEFINITIONS, "", WIDGETS, label).await;
    let moved = |server: &Server| server.api.endpoints.customs.generation() > before;
    server.eventually("it was read again", moved).await;
    assert_eq!(
        tag(&server, &of("v1")),
        Some(first.clone()),
        "it says the same"
    );

    let mut versions = definition()["spec"]["versions"].clone();
    versions[0]["schema"]["openAPIV3Schema"]["properties"]["color"] = json!({"type": "string"});
    server
        .patch(
            DEFINITIONS,
            "",
            WIDGETS,
            json!({"spec": {"versions": versions}}),
        )
        .await;
    let other = |server: &Server| tag(server, &of("v1")) != Some(first.clone());
    server.eventually("the first has another tag", other).await;
    assert_eq!(
        tag(&server, &of("v2")),
        Some(second),
        "the second says the same"
    );
}
