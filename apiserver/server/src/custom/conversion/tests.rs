//! Conversion webhooks over a whole server: how often they are asked, and for what.

use super::judge;
use crate::cacher::Cached;
use crate::registry::Registry;
use crate::testing::Server;
use crate::testing::loopback::Loopback;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;

const GROUP: &str = "example.com";

/// A kind whose objects lie in v1, a webhook that makes v2 of them, and how many objects each review of it had.
struct Converted {
    server: Server,
    reviews: Arc<Mutex<Vec<usize>>>,
    /// Leaves out an object where it is asked for several.
    loses: Arc<Mutex<bool>>,
}

impl Converted {
    async fn start() -> Self {
        let (reviews, loses) = (
            Arc::<Mutex<Vec<usize>>>::default(),
            Arc::<Mutex<bool>>::default(),
        );
        let (seen, lossy) = (reviews.clone(), loses.clone());
        let hook = Loopback::tls(move |_, body| {
            let answer = answer(&body, &seen, *lossy.lock());
            async move { http::Response::new(Full::new(Bytes::from(answer.to_string()))) }
        });
        let hook = hook.await;
        let server = Server::start("none").await;
        let client = json!({"url": format!("https://127.0.0.1:{}/", hook.port), "caBundle": STANDARD.encode(hook.ca_pem)});
        server
            .create(
                "customresourcedefinitions.apiextensions.k8s.io",
                "",
                definition(client),
            )
            .await;
        let converted = Converted {
            server,
            reviews,
            loses,
        };
        // What is served before that is made anew by it, and what was converted is forgotten.
        let settled = |server: &Server| {
            let kind = server.api.endpoints.customs.kind("widgets.example.com");
            kind.is_some_and(|kind| kind.settled)
        };
        converted
            .server
            .eventually("it is established", settled)
            .await;
        converted
    }

    fn registry(&self, version: &str) -> Arc<Registry> {
        let endpoint = self.server.api.endpoints.get(GROUP, version, "widgets");
        endpoint.expect("served").registry.clone().expect("stored")
    }

    async fn create(&self, names: &[&str]) {
        for name in names {
            let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "size": name});
            let created = self
                .server
                .client
                .create(&self.registry("v1"), "default", &widget)
                .await;
            created.expect("a widget");
        }
    }

    /// What a list in v2 shows, made as lists make it.
    async fn list(&self) -> Vec<Value> {
        let registry = self.registry("v2");
        self.server.api.cacher.level(&registry.cache).await;
        let all: Vec<Arc<Cached>> = registry.cache.snapshot().all().cloned().collect();
        Cached::prepare(&registry.layout, all.iter());
        let object = |cached: &Arc<Cached>| cached.object(&registry.layout).expect("converted");
        all.iter().map(object).collect()
    }

    /// The sizes of the reviews since this was asked last.
    fn reviews(&self) -> Vec<usize> {
        std::mem::take(&mut *self.reviews.lock())
    }
}

fn definition(client: Value) -> Value {
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client}},
            "versions": [version("v1", true), version("v2", false)]}})
}

fn answer(body: &[u8], seen: &Mutex<Vec<usize>>, loses: bool) -> Value {
    let review: Value = serde_json::from_slice(body).expect("a review");
    let objects = review["request"]["objects"].as_array().expect("objects");
    seen.lock().push(objects.len());
    let wanted = review["request"]["desiredAPIVersion"].clone();
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = wanted.clone();
        object["length"] = object["size"].clone();
        object
    };
    let left = if loses && objects.len() > 1 { 1 } else { 0 };
    let converted: Vec<Value> = objects.iter().skip(left).map(convert).collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {"uid": review["request"]["uid"], "convertedObjects": converted, "result": {"status": "Success"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_converted_together_and_each_state_once() {
    let kind = Converted::start().await;
    kind.create(&["a", "b", "c", "d"]).await;
    kind.reviews();
    let all = kind.list().await;
    assert_eq!(kind.reviews(), [4]);
    for (object, name) in all.iter().zip(["a", "b", "c", "d"]) {
        assert_eq!(
            (meta::api_version(object), &object["length"]),
            ("example.com/v2", &json!(name))
        );
        assert_ne!(meta::resource_version(object), "");
    }
    assert_eq!(kind.list().await, all);
    let b = kind
        .registry("v2")
        .get_local("default", "b")
        .expect("readable");
    assert_eq!(b.expect("there").object, all[1]);
    assert_eq!(kind.reviews(), [0usize; 0], "all of it is known");

    kind.create(&["e", "f"]).await;
    kind.reviews();
    assert_eq!(kind.list().await.len(), 6);
    assert_eq!(kind.reviews(), [2], "what is new alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_loses_one_of_many_is_asked_one_by_one() {
    let kind = Converted::start().await;
    kind.create(&["a", "b", "c"]).await;
    *kind.loses.lock() = true;
    kind.reviews();
    let lengths: Vec<Value> = kind
        .list()
        .await
        .iter()
        .map(|object| object["length"].clone())
        .collect();
    assert_eq!(lengths, ["a", "b", "c"], "none has become another");
    assert_eq!(kind.reviews(), [3, 1, 1, 1]);
}

#[test]
fn a_webhook_that_lies_is_told_what_it_may_not_change() {
    let sent = json!({"apiVersion": "example.com/v1", "kind": "Widget", "size": 1,
        "metadata": {"name": "w", "namespace": "default", "uid": "1", "labels": {"l": "1"}, "finalizers": ["example.com/f"]}});
    let with = |at: &str, lie: &Value| {
        let mut converted = sent.clone();
        converted["apiVersion"] = json!("example.com/v2");
        *converted.pointer_mut(at).expect("a field") = lie.clone();
        judge(&sent, converted, "example.com/v2", 0)
    };
    for (at, lie, why) in [
        (
            "/apiVersion",
            json!("example.com/v3"),
            "invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (
            "/kind",
            json!("Gadget"),
            "invalid object at index 0: invalid kind (expected Widget, received Gadget)",
        ),
        (
            "/metadata/name",
            json!("x"),
            "invalid object: must have the same name: w != x",
        ),
        (
            "/metadata/namespace",
            json!("n"),
            "invalid object: must have the same namespace: default != n",
        ),
        (
            "/metadata/uid",
            json!("2"),
            "invalid object: must have the same UID: 1 != 2",
        ),
        (
            "/metadata/labels",
            json!([]),
            "invalid metadata: invalid metadata.labels of type []interface {} in converted object",
        ),
        (
            "/metadata/labels",
            json!({"l": 1}),
            "invalid metadata: metadata.labels[l] must be a string, but is int64 in converted object",
        ),
    ] {
        assert_eq!(with(at, &lie).expect_err(why), why);
    }
    let labelled = with("/metadata/labels", &json!({"l": "2"})).expect("labels may change");
    assert_eq!(labelled["metadata"]["labels"]["l"], "2");
    let freed = with("/metadata/finalizers", &json!([])).expect("taken back");
    assert_eq!(freed["metadata"], sent["metadata"]);
}
