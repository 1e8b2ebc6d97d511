//! The small rules, each over a whole server that has them on.

use crate::testing::Server;
use serde_json::{Value, json};
use triad_machinery::meta;

async fn server(plugins: &str) -> Server {
    let flags = [
        format!("--enable-admission-plugins={plugins}"),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    Server::start_with("none", &flags.each_ref().map(String::as_str)).await
}

fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i:1", "imagePullPolicy": "Never"}]}});
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

async fn why(server: &Server, resource: &str, object: Value) -> String {
    let name = meta::name(&object).to_owned();
    let status = server
        .try_create(resource, "default", object)
        .await
        .expect_err("refused");
    assert_eq!(status.code, 403);
    let begins = format!("{resource} \"{name}\" is forbidden: ");
    status
        .message
        .strip_prefix(&begins)
        .unwrap_or(&status.message)
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_always_pulled_where_that_is_asked_for() {
    let server = server("AlwaysPullImages,ExtendedResourceToleration").await;
    let device = json!({"containers": [{"name": "c", "image": "i:1", "imagePullPolicy": "Never", "resources": {"limits": {"example.com/gpu": "1"}, "requests": {"example.com/gpu": "1", "cpu": "1"}}}]});
    let made = server.create("pods", "default", pod("p", device)).await;
    assert_eq!(made["spec"]["containers"][0]["imagePullPolicy"], "Always");
    let tolerations = made["spec"]["tolerations"].as_array().expect("tolerations");
    assert!(
        tolerations.contains(
            &json!({"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"})
        ),
        "{tolerations:?}"
    );
    assert!(
        tolerations
            .iter()
            .all(|toleration| toleration["key"] != "cpu")
    );
    let plain = Server::start_with("none", &["--disable-admission-plugins=ServiceAccount"]).await;
    let made = plain.create("pods", "default", pod("p", json!({}))).await;
    assert_eq!(
        made["spec"]["containers"][0]["imagePullPolicy"], "Never",
        "off by default"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_says_where_its_pods_go() {
    let server = server("PodNodeSelector,LimitPodHardAntiAffinityTopology").await;
    let annotated = json!({"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/node-selector": "zone=a,disk=ssd"}}});
    server.patch("namespaces", "", "default", annotated).await;
    server
        .api
        .cacher
        .wait_for(server.api.store.revision())
        .await;
    let made = server
        .create(
            "pods",
            "default",
            pod("p", json!({"nodeSelector": {"own": "x", "zone": "a"}})),
        )
        .await;
    assert_eq!(
        made["spec"]["nodeSelector"],
        json!({"own": "x", "zone": "a", "disk": "ssd"})
    );
    let other = pod("q", json!({"nodeSelector": {"zone": "b"}}));
    assert_eq!(
        why(&server, "pods", other).await,
        "pod node label selector conflicts with its namespace node label selector"
    );
    let term = |key: &str| json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key, "labelSelector": {}}]}}});
    server
        .create("pods", "default", pod("r", term("kubernetes.io/hostname")))
        .await;
    let wide = "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed";
    assert_eq!(why(&server, "pods", pod("s", term("zone"))).await, wide);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_take_no_addresses_of_others() {
    let server = server("DenyServiceExternalIPs").await;
    let service = |name: &str, addresses: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80}], "externalIPs": addresses}})
    };
    server
        .create("services", "default", service("fine", json!([])))
        .await;
    assert_eq!(
        why(&server, "services", service("taken", json!(["192.0.2.1"]))).await,
        "Use of external IPs is denied by admission control"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_gets_the_newest_default_class_and_a_pod_its_nodes_zone() {
    let server = server("").await;
    let class = |name: &str, default: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}, "spec": {"controller": "e.com/c"}})
    };
    for (name, default) in [("b", "true"), ("a", "true"), ("c", "false")] {
        server
            .create("ingressclasses.networking.k8s.io", "", class(name, default))
            .await;
    }
    server
        .api
        .cacher
        .wait_for(server.api.store.revision())
        .await;
    let ingress = |name: &str, class: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ingressClassName": class, "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}})
    };
    let made = server
        .create(
            "ingresses.networking.k8s.io",
            "default",
            ingress("i", Value::Null),
        )
        .await;
    let chosen = made["spec"]["ingressClassName"].as_str().expect("a class");
    assert!(["a", "b"].contains(&chosen), "{chosen}");
    let made = server
        .create(
            "ingresses.networking.k8s.io",
            "default",
            ingress("j", json!("own")),
        )
        .await;
    assert_eq!(made["spec"]["ingressClassName"], "own");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z", "other": "o"}}});
    server.create("nodes", "", node).await;
    let made = server
        .create("pods", "default", pod("p", json!({"nodeName": "n"})))
        .await;
    assert_eq!(
        made["metadata"]["labels"],
        json!({"topology.kubernetes.io/zone": "z"})
    );
}
