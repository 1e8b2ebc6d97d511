//! Attacks on what admission sees, and on whom the server asks.

use super::*;
use crate::testing::loopback::Loopback;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// CVE-2020-8559, CVE-2022-3172: a backend that answers with a redirect leads nobody elsewhere, and what was sent to it is sent to
/// no other.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2020_8559_cve_2022_3172_no_backends_redirect_is_followed() {
    let target = Target::start().await;
    let reached = Arc::new(AtomicUsize::new(0));
    let count = reached.clone();
    let elsewhere = Loopback::plain(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Response::new(Full::new(Bytes::from_static(b"{}"))) }
    })
    .await;
    let to = format!("http://127.0.0.1:{}/", elsewhere.port);
    let hook = Loopback::tls(move |_, _| {
        let to = to.clone();
        async move {
            let mut answer = Response::new(Full::new(Bytes::new()));
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            answer
                .headers_mut()
                .insert("location", to.parse().expect("a value"));
            answer
        }
    })
    .await;
    let client = json!({"url": format!("https://127.0.0.1:{}/", hook.port), "caBundle": STANDARD.encode(&hook.ca_pem)});
    let webhook = json!({"name": "a.example.com", "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail", "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}]});
    let configuration = json!({"metadata": {"name": "w"}, "webhooks": [webhook]});
    let plural = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    target.server.create(plural, "", configuration).await;
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "stringData": {"k": "canary"}});
    let line = "POST /api/v1/namespaces/default/secrets";
    let (code, body) = target.as_who(ADMIN, line, JSON, &secret.to_string()).await;
    assert_eq!(code, 500, "{body}");
    assert_eq!(reached.load(Ordering::Relaxed), 0, "nobody else was asked");
    assert!(target.server.get("secrets", "default", "s").is_none());
}

const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// CVE-2021-25735: what rules compare with is the node that is stored, whatever the request says that it was.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2021_25735_rules_see_the_node_that_is_there() {
    let target = Target::start().await;
    let labels = json!({"changes": "no", "zone": "a"});
    target
        .server
        .create(
            "nodes",
            "",
            json!({"metadata": {"name": "n", "labels": labels}}),
        )
        .await;
    let rule = json!({"expression": "oldObject.metadata.labels.changes == 'yes' || object.metadata.labels.zone == oldObject.metadata.labels.zone"});
    let matched = json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["nodes", "nodes/status"]}]});
    let policy = json!({"metadata": {"name": "p"}, "spec": {"failurePolicy": "Fail", "matchConstraints": matched, "validations": [rule]}});
    target.server.create(POLICIES, "", policy).await;
    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}});
    target.server.create(BINDINGS, "", binding).await;
    // The attacker says that changes were allowed all along.
    let told = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "labels": {"changes": "yes", "zone": "b"}}});
    for path in ["/api/v1/nodes/n", "/api/v1/nodes/n/status"] {
        let (code, body) = target
            .as_who(ADMIN, &format!("PUT {path}"), JSON, &told.to_string())
            .await;
        assert_eq!(code, 422, "{path}: {body}");
    }
    let patch = "Content-Type: application/merge-patch+json\r\n";
    let body = json!({"metadata": {"labels": {"changes": "yes", "zone": "b"}}}).to_string();
    let (code, _) = target
        .as_who(ADMIN, "PATCH /api/v1/nodes/n", patch, &body)
        .await;
    assert_eq!(code, 422);
    let node = target.server.get("nodes", "", "n").expect("there");
    assert_eq!(node["metadata"]["labels"]["zone"], "a");
}

/// CVE-2023-2727, CVE-2023-2728: a container that joins a running pod brings no image and no secret that the pod could not have had.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2023_2727_cve_2023_2728_ephemeral_containers_bypass_no_rule() {
    let hook = Loopback::plain(move |_, body| {
        let bad = String::from_utf8_lossy(&body).contains("bad:1");
        let answer = json!({"status": {"allowed": !bad}}).to_string();
        async move { Response::new(Full::new(Bytes::from(answer))) }
    })
    .await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let server = format!("http://127.0.0.1:{}/", hook.port);
    let kubeconfig = file(
        "hook",
        json!({"clusters": [{"name": "c", "cluster": {"server": server}}]}).to_string(),
    );
    let plugin = json!({"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": {"kubeConfigFile": kubeconfig}}});
    let config = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]});
    let config = format!(
        "--admission-control-config-file={}",
        file("admission", config.to_string())
    );
    let target =
        Target::start_with(&[&config, "--enable-admission-plugins=ImagePolicyWebhook"]).await;
    let strict = json!({"metadata": {"name": "strict", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}, "secrets": [{"name": "own"}]});
    target
        .server
        .create("serviceaccounts", "default", strict)
        .await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": "strict", "containers": [{"name": "c", "image": "good:1"}]}});
    target.server.create("pods", "default", pod).await;
    let patch = "Content-Type: application/strategic-merge-patch+json\r\n";
    let line = "PATCH /api/v1/namespaces/default/pods/p/ephemeralcontainers";
    let other =
        json!([{"name": "K", "valueFrom": {"secretKeyRef": {"name": "others", "key": "k"}}}]);
    for (container, why) in [
        (
            json!({"name": "e", "image": "bad:1"}),
            "rejected by webhook",
        ),
        (
            json!({"name": "e", "image": "good:1", "env": other}),
            "is not allowed because service account strict",
        ),
        (
            json!({"name": "e", "image": "good:1", "envFrom": [{"secretRef": {"name": "others"}}]}),
            "is not allowed because service account strict",
        ),
    ] {
        let body = json!({"spec": {"ephemeralContainers": [container]}}).to_string();
        let (code, body) = target.as_who(ADMIN, line, patch, &body).await;
        assert_eq!(code, 403, "{body}");
        assert!(body.contains(why), "{body}");
    }
    let fine =
        json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "good:1"}]}}).to_string();
    let (code, body) = target.as_who(ADMIN, line, patch, &fine).await;
    assert_eq!(code, 200, "{body}");
}

/// What passes only because nobody could be asked is found in the log of audit events, under upstream's key.
#[tokio::test(flavor = "multi_thread")]
async fn images_that_pass_while_their_policy_is_down_are_told_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, value: Value| {
        let path = dir.path().join(name);
        std::fs::write(&path, value.to_string()).expect("written");
        path.display().to_string()
    };
    // Nobody listens on port 1 of loopback.
    let cluster = json!({"name": "c", "cluster": {"server": "http://127.0.0.1:1/"}});
    let kubeconfig = file("hook", json!({"clusters": [cluster]}));
    let policy = json!({"kubeConfigFile": kubeconfig, "defaultAllow": true, "retryBackoff": 1});
    let plugin = json!({"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": policy}});
    let config = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]});
    let target = Target::start_with(&[
        &format!(
            "--admission-control-config-file={}",
            file("admission", config)
        ),
        "--enable-admission-plugins=ImagePolicyWebhook",
        "--disable-admission-plugins=ServiceAccount",
    ])
    .await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "any:1"}]}});
    let line = "POST /api/v1/namespaces/default/pods";
    let json = "Content-Type: application/json\r\n";
    let (code, body) = target.as_who(ADMIN, line, json, &pod.to_string()).await;
    assert_eq!(code, 201, "{body}");
    let log = target.log();
    let told: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["requestURI"] == "/api/v1/namespaces/default/pods")
        .map(|event| {
            event["annotations"]["imagepolicywebhook.image-policy.k8s.io/failed-open"].clone()
        })
        .filter(|told| !told.is_null())
        .collect();
    assert_eq!(told.last(), Some(&json!("true")), "{log}");
}
