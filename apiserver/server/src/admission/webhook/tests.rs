//! Webhooks over a whole server, called on loopback over TLS.

use crate::testing::Server;
use crate::testing::loopback::Loopback;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

/// A server that answers reviews by their path, and remembers them.
struct Hook {
    port: u16,
    ca: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    async fn start() -> Self {
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let remembered = seen.clone();
        let server = Loopback::tls(move |path, body| answer(path, body, remembered.clone())).await;
        Hook {
            port: server.port,
            ca: STANDARD.encode(server.ca_pem),
            seen,
        }
    }

    fn client(&self, path: &str) -> Value {
        json!({"url": format!("https://127.0.0.1:{}/{path}", self.port), "caBundle": self.ca})
    }
}

async fn answer(
    path: String,
    body: Bytes,
    seen: Arc<Mutex<Vec<Value>>>,
) -> http::Response<Full<Bytes>> {
    let path = path.trim_matches('/').to_owned();
    let review: Value = serde_json::from_slice(&body).expect("a review");
    let mut response = json!({"uid": review["request"]["uid"], "allowed": path != "deny"});
    let patch = match path.as_str() {
        "deny" => {
            response["status"] = json!({"code": 403, "message": "not today"});
            None
        }
        "sidecar" => Some(
            json!([{"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar", "image": "mesh"}}]),
        ),
        "label" => {
            Some(json!([{"op": "add", "path": "/metadata/labels", "value": {"hooked": "yes"}}]))
        }
        "elsewhere" => {
            let moved = http::Response::builder()
                .status(302)
                .header("location", "https://127.0.0.1:1/");
            return moved.body(Full::default()).expect("a response");
        }
        "slow" => {
            tokio::time::sleep(std::time::Duration::from_secs(120)).await;
            None
        }
        _ => None,
    };
    if let Some(patch) = patch {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(patch.to_string()));
    }
    seen.lock().push(review);
    let document = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    http::Response::new(Full::new(document.to_string().into()))
}

async fn configure(server: &Server, kind: &str, plural: &str, hooks: Vec<(&str, Value, Value)>) {
    let hooks = hooks.into_iter().map(|(name, client, more)| {
        let mut hook = json!({"name": format!("{name}.example.com"), "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 30,
            "clientConfig": client, "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": [plural]}]});
        for (field, value) in more.as_object().into_iter().flatten() {
            hook[field] = value.clone();
        }
        hook
    });
    let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": "hooks"}, "webhooks": hooks.collect::<Vec<_>>()});
    let resource = format!(
        "{}webhookconfigurations.admissionregistration.k8s.io",
        kind.to_lowercase()
    );
    server.create(&resource, "", object).await;
    server
        .api
        .cacher
        .wait_for(server.api.store.revision())
        .await;
}

async fn server() -> Server {
    Server::start_with("none", &["--disable-admission-plugins=ServiceAccount"]).await
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
}

async fn refused(server: &Server, name: &str) -> String {
    server
        .try_create("configmaps", "default", map(name))
        .await
        .expect_err("refused")
        .message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_injects_and_the_next_sees_what_it_made() {
    let (server, hook) = (server().await, Hook::start().await);
    let hooks = vec![
        ("a-sidecar", hook.client("sidecar"), json!({})),
        ("b-label", hook.client("label"), json!({})),
    ];
    configure(&server, "Mutating", "pods", hooks).await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let made = server.create("pods", "default", pod).await;
    assert_eq!(made["spec"]["containers"][1]["name"], "sidecar");
    assert_eq!(
        made["spec"]["containers"][1]["terminationMessagePath"], "/dev/termination-log",
        "defaults are filled in"
    );
    assert_eq!(made["metadata"]["labels"]["hooked"], "yes");
    let seen = hook.seen.lock().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0]["request"]["object"]["spec"]["containers"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        seen[1]["request"]["object"]["spec"]["containers"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        seen[0]["request"]["object"]["metadata"]["uid"],
        Value::Null,
        "uids come after all changes"
    );
    assert_eq!(seen[0]["request"]["operation"], "CREATE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_the_webhooks_own_and_deletions_are_asked_about() {
    let (server, hook) = (server().await, Hook::start().await);
    server.create("configmaps", "default", map("old")).await;
    configure(
        &server,
        "Validating",
        "configmaps",
        vec![("deny", hook.client("deny"), json!({}))],
    )
    .await;
    let why = "admission webhook \"deny.example.com\" denied the request: not today";
    assert_eq!(refused(&server, "a").await, why);
    let target =
        crate::controllers::client::Target::new(server.registry("configmaps"), "default", "old");
    let status = server
        .client
        .delete(target, json!({}))
        .await
        .expect_err("refused");
    assert_eq!((status.code, status.message.as_str()), (403, why));
    let seen = hook.seen.lock().clone();
    let last = &seen.last().expect("asked")["request"];
    assert_eq!(
        (
            &last["operation"],
            &last["oldObject"]["metadata"]["name"],
            &last["object"]
        ),
        (&json!("DELETE"), &json!("old"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_down_slow_or_elsewhere_follows_its_failure_policy() {
    let (server, hook) = (server().await, Hook::start().await);
    let ignored = json!({"failurePolicy": "Ignore"});
    let soon = |policy| json!({"failurePolicy": policy, "timeoutSeconds": 1});
    let gone = json!({"url": "https://127.0.0.1:9/x"});
    let hooks = vec![
        ("gone", gone.clone(), ignored.clone()),
        ("slow", hook.client("slow"), soon("Ignore")),
        ("elsewhere", hook.client("elsewhere"), ignored),
    ];
    configure(&server, "Validating", "configmaps", hooks).await;
    server.create("configmaps", "default", map("passed")).await;
    let strict = [
        (
            "gone",
            gone,
            "Post \"https://127.0.0.1:9/x?timeout=30s\": dial tcp 127.0.0.1:9: connect: connection refused",
        ),
        ("slow", hook.client("slow"), "context deadline exceeded"),
        (
            "untrusted",
            json!({"url": format!("https://127.0.0.1:{}/x", hook.port)}),
            "x509: certificate signed by unknown authority",
        ),
    ];
    for (name, client, why) in strict {
        let more = match name {
            "slow" => soon("Fail"),
            _ => json!({"failurePolicy": "Fail"}),
        };
        let resource = "validatingwebhookconfigurations.admissionregistration.k8s.io";
        server.delete(resource, "", "hooks", "Background").await;
        configure(
            &server,
            "Validating",
            "configmaps",
            vec![(name, client, more)],
        )
        .await;
        let said = refused(&server, name).await;
        let begins = format!(
            "Internal error occurred: failed calling webhook \"{name}.example.com\": failed to call webhook: "
        );
        assert!(said.starts_with(&begins) && said.ends_with(why), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_selectors_spare_the_call() {
    let (server, hook) = (server().await, Hook::start().await);
    let conditions = json!({"matchConditions": [{"name": "c", "expression": "object.metadata.name != 'exempt'"}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}});
    configure(
        &server,
        "Validating",
        "configmaps",
        vec![("deny", hook.client("deny"), conditions)],
    )
    .await;
    server.create("configmaps", "default", map("exempt")).await;
    let mut other = map("other");
    other["metadata"]["namespace"] = json!("kube-public");
    server.create("configmaps", "kube-public", other).await;
    assert!(hook.seen.lock().is_empty());
    refused(&server, "judged").await;
    assert_eq!(hook.seen.lock().len(), 1);
}

/// Options of a deletion may come in any form of body, or as parameters.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_sees_the_options_of_a_deletion_in_whatever_form_they_came() {
    use crate::handlers::params::DeleteOptions;
    let seen = |options: &DeleteOptions| {
        let asked = crate::admission::Asked::to_delete(options);
        asked.options(crate::admission::Operation::Delete)
    };
    let mut wanted = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground"});
    let query = crate::query::Query::parse("gracePeriodSeconds=0&propagationPolicy=Foreground");
    let parsed = DeleteOptions::from_query(&query).expect("options");
    assert_eq!(seen(&parsed), wanted);
    wanted["preconditions"] = json!({"uid": "u", "resourceVersion": "7"});
    wanted["dryRun"] = json!(["All"]);
    let parsed = DeleteOptions::from_object(&wanted).expect("options");
    assert_eq!(seen(&parsed), wanted);
}

/// Whoever overwrites any version is judged with the one that goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_without_a_version_is_judged_with_the_stored_one() {
    let (server, hook) = (server().await, Hook::start().await);
    let stored = server.create("configmaps", "default", map("old")).await;
    let hooks = vec![("fine", hook.client("fine"), json!({}))];
    configure(&server, "Validating", "configmaps", hooks).await;
    let target =
        crate::controllers::client::Target::new(server.registry("configmaps"), "default", "old");
    let mut changed = map("old");
    changed["data"] = json!({"k": "v"});
    let updated = server.client.update(target, &changed).await;
    updated.unwrap_or_else(|status| panic!("{status}"));
    let seen = hook.seen.lock().clone();
    assert_eq!(
        seen[0]["request"]["object"]["metadata"]["resourceVersion"],
        stored["metadata"]["resourceVersion"]
    );
}
