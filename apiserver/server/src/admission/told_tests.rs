//! Plugins that are told something by --admission-control-config-file, each over a whole server.

use crate::testing::Server;
use crate::testing::loopback::Loopback;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

struct Told {
    server: Server,
    _dir: TempDir,
}

/// A server whose plugins are on and have these documents.
async fn told(enabled: &str, plugins: &[(&str, Value)]) -> Told {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("admission.yaml");
    let plugins: Vec<Value> = plugins
        .iter()
        .map(|(name, own)| json!({"name": name, "configuration": own}))
        .collect();
    let whole = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins});
    std::fs::write(&file, whole.to_string()).expect("written");
    let flags = [
        format!("--admission-control-config-file={}", file.display()),
        format!("--enable-admission-plugins={enabled}"),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    let server = Server::start_with("none", &flags.each_ref().map(String::as_str)).await;
    Told { server, _dir: dir }
}

impl Told {
    async fn namespace(&self, name: &str, metadata: Value) {
        let mut namespace = json!({"metadata": metadata});
        namespace["metadata"]["name"] = name.into();
        self.server.create("namespaces", "", namespace).await;
    }

    /// Empty where it was made.
    async fn why(&self, resource: &str, namespace: &str, object: Value) -> (u16, String) {
        match self.server.try_create(resource, namespace, object).await {
            Ok(()) => (201, String::new()),
            Err(status) => (status.code, status.message.to_string()),
        }
    }
}

fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_security_has_defaults_and_exemptions() {
    let settings = json!({"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "baseline"}, "exemptions": {"namespaces": ["system"], "runtimeClasses": ["sandbox"]}});
    let told = told("PodSecurity", &[("PodSecurity", settings)]).await;
    told.namespace("plain", json!({})).await;
    told.namespace(
        "open",
        json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}),
    )
    .await;
    told.namespace("system", json!({})).await;
    let host = |name| pod(name, json!({"hostNetwork": true}));
    let (code, why) = told.why("pods", "plain", host("p")).await;
    assert_eq!(code, 403);
    assert!(
        why.contains("violates PodSecurity \"baseline:latest\""),
        "{why}"
    );
    for namespace in ["open", "system"] {
        assert_eq!(told.why("pods", namespace, host("p")).await.0, 201);
    }
    let class = json!({"metadata": {"name": "sandbox"}, "handler": "h"});
    told.server
        .create("runtimeclasses.node.k8s.io", "", class)
        .await;
    let sandboxed = pod(
        "q",
        json!({"hostNetwork": true, "runtimeClassName": "sandbox"}),
    );
    assert_eq!(
        told.why("pods", "plain", sandboxed).await,
        (201, String::new())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_limited_by_whom_the_configuration_says() {
    let limits = json!({"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration",
        "limits": [{"type": "Namespace", "qps": 1, "burst": 2}, {"type": "Server", "qps": 1000, "burst": 1000}]});
    let told = told("EventRateLimit", &[("EventRateLimit", limits)]).await;
    told.namespace("one", json!({})).await;
    told.namespace("two", json!({})).await;
    let event = |name: &str, namespace: &str| json!({"metadata": {"name": name}, "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "p"}, "reason": "R", "type": "Normal"});
    let mut codes = Vec::new();
    for name in ["a", "b", "c", "d"] {
        codes.push(told.why("events", "one", event(name, "one")).await);
    }
    assert_eq!((codes[0].0, codes[1].0), (201, 201));
    let refused = codes.iter().find(|(code, _)| *code == 429);
    let (_, why) = refused.expect("too many");
    assert_eq!(
        why,
        "Too many requests: limit reached on type Namespace for key one"
    );
    assert_eq!(told.why("events", "two", event("a", "two")).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_says_which_images_may_be_used() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hook = Loopback::plain(move |_, body| {
        count.fetch_add(1, Ordering::Relaxed);
        let review: Value = serde_json::from_slice(&body).expect("a review");
        let bad = review["spec"]["containers"]
            .as_array()
            .is_some_and(|list| list.iter().any(|c| c["image"] == "bad:1"));
        let status = json!({"allowed": !bad, "reason": if bad { "unsigned" } else { "" }});
        let answer = json!({"kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "status": status});
        async move { Response::new(Full::new(Bytes::from(answer.to_string()))) }
    })
    .await;
    let dir = tempfile::tempdir().expect("a directory");
    let kubeconfig = |port: u16| {
        let file = dir.path().join(port.to_string());
        let text =
            format!("clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}/'}}}}]\n");
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let policy = |port: u16, open: bool| json!({"imagePolicy": {"kubeConfigFile": kubeconfig(port), "retryBackoff": 1, "defaultAllow": open}});
    let told = self::told(
        "ImagePolicyWebhook",
        &[("ImagePolicyWebhook", policy(hook.port, false))],
    )
    .await;
    let bad = |name| {
        pod(
            name,
            json!({"initContainers": [{"name": "i", "image": "bad:1"}]}),
        )
    };
    for name in ["p", "q"] {
        let (code, why) = told.why("pods", "default", bad(name)).await;
        assert_eq!(code, 403);
        assert!(
            why.ends_with("image policy webhook backend denied one or more images: unsigned"),
            "{why}"
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1, "answers are kept");
    assert_eq!(
        told.why("pods", "default", pod("r", json!({}))).await.0,
        201
    );
    // Nobody listens there.
    for (open, code) in [(false, 403), (true, 201)] {
        let told = self::told(
            "ImagePolicyWebhook",
            &[("ImagePolicyWebhook", policy(1, open))],
        )
        .await;
        assert_eq!(told.why("pods", "default", bad("p")).await.0, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tolerations_are_given_and_bounded() {
    let wide = json!({"operator": "Exists"});
    let settings = json!({"apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1", "kind": "Configuration",
        "default": [{"key": "given", "operator": "Exists"}], "whitelist": [wide]});
    let told = told(
        "PodTolerationRestriction",
        &[("PodTolerationRestriction", settings)],
    )
    .await;
    let narrow = json!({"annotations": {
        "scheduler.alpha.kubernetes.io/defaultTolerations": "",
        "scheduler.alpha.kubernetes.io/tolerationsWhitelist": "[{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]"}});
    told.namespace("narrow", narrow).await;
    let made = told
        .server
        .create("pods", "default", pod("p", json!({})))
        .await;
    let tolerations = made["spec"]["tolerations"].as_array().expect("a list");
    assert!(
        tolerations.contains(&json!({"key": "given", "operator": "Exists"})),
        "{tolerations:?}"
    );
    let own = pod(
        "q",
        json!({"tolerations": [{"key": "x", "operator": "Exists", "effect": "NoSchedule"}]}),
    );
    let (code, why) = told.why("pods", "narrow", own).await;
    assert_eq!(
        (code, why.as_str()),
        (
            500,
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist"
        )
    );
    assert_eq!(told.why("pods", "narrow", pod("r", json!({}))).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_which_nodes_and_which_quotas() {
    let nodes = json!({"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "pool=all", "bound": "pool=all,zone=a"}});
    let quota = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "ResourceQuotaConfiguration",
        "limitedResources": [{"resource": "services", "matchContains": ["loadbalancers"]}]});
    let told = told(
        "PodNodeSelector",
        &[("PodNodeSelector", nodes), ("ResourceQuota", quota)],
    )
    .await;
    told.namespace("bound", json!({})).await;
    let made = told
        .server
        .create("pods", "default", pod("p", json!({})))
        .await;
    assert_eq!(made["spec"]["nodeSelector"], json!({"pool": "all"}));
    let other = pod("q", json!({"nodeSelector": {"disk": "ssd"}}));
    let (code, why) = told.why("pods", "bound", other).await;
    assert_eq!(code, 403);
    assert!(
        why.ends_with("pod node label selector labels conflict with its namespace whitelist"),
        "{why}"
    );
    let service = |kind: &str| json!({"metadata": {"name": kind.to_lowercase()}, "spec": {"type": kind, "ports": [{"port": 80}]}});
    let (code, why) = told
        .why("services", "default", service("LoadBalancer"))
        .await;
    assert_eq!(code, 403);
    assert!(
        why.ends_with("insufficient quota to consume: services.loadbalancers"),
        "{why}"
    );
    assert_eq!(
        told.why("services", "default", service("ClusterIP"))
            .await
            .0,
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_with_the_first_object_in_it() {
    let told = told("NamespaceAutoProvision", &[]).await;
    let map = json!({"metadata": {"name": "m"}});
    assert_eq!(
        told.why("configmaps", "fresh", map.clone()).await,
        (201, String::new())
    );
    assert!(told.server.get("namespaces", "", "fresh").is_some());
    let plain = Server::start("none").await;
    let refused = plain.try_create("configmaps", "fresh", map).await;
    assert_eq!(refused.expect_err("off by default").code, 404);
}
