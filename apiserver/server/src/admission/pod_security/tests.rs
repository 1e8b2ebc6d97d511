//! The checks one by one, versions and levels, and a namespace kept to its labels.

use super::checks::evaluate;
use super::pod::Pod;
use super::policy::{Level, Standard, Version};
use super::{detailed, named_after_the_first, one_of_each_first};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::testing::Server;

/// One that the strictest standard takes.
fn strict() -> Value {
    json!({"metadata": {"name": "p"}, "spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "image": "i", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}})
}

fn said(level: Level, version: Version, pod: &Value) -> String {
    let pod = Pod {
        metadata: &pod["metadata"],
        spec: &pod["spec"],
    };
    detailed(&evaluate(Standard { level, version }, &pod))
}

/// The strict pod with one thing changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut pod = strict();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[field] = value;
    pod
}

#[test]
fn a_strict_pod_passes_every_version() {
    for minor in 0..40 {
        assert_eq!(
            said(Level::Restricted, Version::Minor(minor), &strict()),
            ""
        );
    }
    let bare = json!({"metadata": {}, "spec": {"containers": [{"name": "c"}]}});
    assert_eq!(said(Level::Baseline, Version::Latest, &bare), "");
    assert_eq!(said(Level::Privileged, Version::Latest, &bare), "");
}

#[test]
fn each_check_says_what_it_has_against_a_pod() {
    let context = "/spec/containers/0/securityContext";
    let cases = [
        (
            "/spec/hostPID",
            json!(true),
            "host namespaces (hostPID=true)",
        ),
        (
            "/spec/containers/0/ports",
            json!([{"hostPort": 80}, {"hostPort": 443}, {"hostPort": 0}]),
            "hostPort (container \"c\" uses hostPorts 443, 80)",
        ),
        (
            "/spec/containers/0/lifecycle",
            json!({"preStop": {"httpGet": {"host": "h"}}}),
            "probe or lifecycle host (container \"c\" uses probe or lifecycle host \"h\")",
        ),
        (
            &format!("{context}/privileged"),
            json!(true),
            "privileged (container \"c\" must not set securityContext.privileged=true)",
        ),
        (
            &format!("{context}/procMount"),
            json!("Unmasked"),
            "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            &format!("{context}/seLinuxOptions"),
            json!({"type": "t", "user": "u", "role": "r"}),
            "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type \"t\"; user may not be set; role may not be set)",
        ),
        (
            "/spec/securityContext/windowsOptions",
            json!({"hostProcess": true}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            "/spec/securityContext/sysctls",
            json!([{"name": "net.ipv4.tcp_rmem"}, {"name": "kernel.msgmax"}]),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            "/spec/securityContext/appArmorProfile",
            json!({"type": "Unconfined"}),
            "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            &format!("{context}/capabilities"),
            json!({"drop": ["ALL"], "add": ["SYS_TIME", "NET_BIND_SERVICE"]}),
            "unrestricted capabilities (container \"c\" must not include \"SYS_TIME\" in securityContext.capabilities.add)",
        ),
        (
            &format!("{context}/capabilities"),
            json!({"drop": ["KILL"]}),
            "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"])",
        ),
        (
            &format!("{context}/allowPrivilegeEscalation"),
            json!(null),
            "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false)",
        ),
        (
            "/spec/volumes",
            json!([{"name": "h", "hostPath": {}}, {"name": "n", "nfs": {}}]),
            "restricted volume types (volumes \"h\", \"n\" use restricted volume types \"hostPath\", \"nfs\")",
        ),
        (
            "/spec/securityContext/runAsNonRoot",
            json!(null),
            "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)",
        ),
        (
            "/spec/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            &format!("{context}/runAsUser"),
            json!(0),
            "runAsUser=0 (container \"c\" must not set runAsUser=0)",
        ),
        (
            "/spec/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
            "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            "/spec/securityContext/seccompProfile",
            json!(null),
            "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
        ),
    ];
    for (pointer, value, expected) in cases {
        let pod = with(pointer, value);
        assert_eq!(
            said(Level::Restricted, Version::Latest, &pod),
            expected,
            "{pointer}"
        );
    }
    let annotated = with(
        "/metadata/annotations",
        json!({"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}),
    );
    assert_eq!(
        said(Level::Baseline, Version::Latest, &annotated),
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to \"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")"
    );
}

#[test]
fn versions_and_levels_differ_as_they_did() {
    let at = |level, minor, pod: &Value| said(level, Version::Minor(minor), pod);
    let sysctl = with(
        "/spec/securityContext/sysctls",
        json!([{"name": "net.ipv4.tcp_rmem"}]),
    );
    assert_eq!(
        at(Level::Baseline, 31, &sysctl),
        "forbidden sysctls (net.ipv4.tcp_rmem)"
    );
    assert_eq!(at(Level::Baseline, 32, &sysctl), "");
    let capabilities = json!({"drop": ["ALL"], "add": ["KILL"]});
    let capable = with(
        "/spec/containers/0/securityContext/capabilities",
        capabilities,
    );
    assert_eq!(at(Level::Baseline, 37, &capable), "");
    assert_eq!(at(Level::Restricted, 21, &capable), "");
    assert!(at(Level::Restricted, 22, &capable).contains("\"KILL\""));
    let mut windows = with("/spec/containers/0/securityContext", json!({}));
    windows["spec"]["os"] = json!({"name": "windows"});
    assert!(at(Level::Restricted, 24, &windows).contains("capabilities.drop"));
    assert_eq!(at(Level::Restricted, 25, &windows), "");
    let mut unmasked = with(
        "/spec/containers/0/securityContext/procMount",
        json!("Unmasked"),
    );
    unmasked["spec"]["hostUsers"] = json!(false);
    assert_eq!(at(Level::Baseline, 35, &unmasked), "");
    assert!(at(Level::Baseline, 34, &unmasked).contains("procMount"));
    assert_eq!(
        at(Level::Restricted, 35, &unmasked)
            .matches("procMount (")
            .count(),
        1
    );
    // Later than any that is known.
    assert!(at(Level::Restricted, 90, &unmasked).contains("procMount"));
    let old = with(
        "/metadata/annotations",
        json!({"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
    );
    assert!(at(Level::Restricted, 18, &old).contains("forbidden annotation seccomp"));
    assert_eq!(at(Level::Restricted, 19, &old), "");
}

#[test]
fn pods_of_one_controller_are_looked_at_last_and_named_once() {
    let owned = |name: &str, uid: &str| json!({"metadata": {"name": name, "ownerReferences": [{"controller": true, "uid": uid}]}});
    let pods = [
        owned("a1", "u"),
        owned("a2", "u"),
        owned("b", "w"),
        json!({"metadata": {"name": "c"}}),
    ];
    let order: Vec<&str> = one_of_each_first(&pods)
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["a1", "b", "c", "a2"]);
    let reasons = "host namespaces".to_owned();
    let say = |names: &[&'static str]| {
        named_after_the_first((&reasons, &BTreeSet::from_iter(names.iter().copied())))
    };
    assert_eq!(say(&["x"]), "x: host namespaces");
    assert_eq!(say(&["y", "x"]), "x (and 1 other pod): host namespaces");
    assert_eq!(
        say(&["y", "x", "z"]),
        "x (and 2 other pods): host namespaces"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_kept_to_what_its_labels_say() {
    let server = Server::start_with("none", &[]).await;
    let label = |value: &str| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": value}}});
    let pod = |name: &str, host: bool| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "guarded"},
            "spec": {"hostNetwork": host, "containers": [{"name": "c", "image": "i"}]}})
    };
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guarded"}});
    server.create("namespaces", "", namespace).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "guarded"}});
    server.create("serviceaccounts", "guarded", account).await;
    server.create("pods", "guarded", pod("before", true)).await;
    server
        .patch("namespaces", "", "guarded", label("baseline"))
        .await;
    server.create("pods", "guarded", pod("plain", false)).await;
    let refused = server
        .try_create("pods", "guarded", pod("host", true))
        .await;
    assert_eq!(
        refused.unwrap_err().message,
        "pods \"host\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"
    );
    // What is there may change in what is not checked.
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    server.patch("pods", "guarded", "before", labelled).await;
}
