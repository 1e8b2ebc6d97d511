//! What a kubelet may see: asked of a whole server, whose objects come and go.

use super::super::{Attributes, Decision};
use crate::testing::Server;
use crate::user::User;
use serde_json::json;
use triad_machinery::selector::FieldSelector;

fn kubelet(node: &str) -> User {
    User {
        name: format!("system:node:{node}"),
        groups: vec!["system:nodes".to_owned()],
        ..User::default()
    }
}

/// `verb [group/]resource[/subresource] [namespace/]name [selector]`; `-` stands for no name.
fn asked(text: &str) -> Attributes {
    let words: Vec<&str> = text.split(' ').collect();
    let (resource, subresource) = words[1].split_once(':').unwrap_or((words[1], ""));
    let (group, resource) = resource.split_once('/').unwrap_or(("", resource));
    let (namespace, name) = words[2].split_once('/').unwrap_or(("", words[2]));
    let selector = words.get(3).copied().unwrap_or_default();
    Attributes {
        verb: words[0].to_owned(),
        resource_request: true,
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.trim_matches('-').to_owned(),
        field_selector: FieldSelector::parse(selector).expect("a selector"),
        ..Attributes::default()
    }
}

fn answer(server: &Server, node: &str, text: &str) -> String {
    match server
        .api
        .authorizer
        .authorize(&kubelet(node), &asked(text))
    {
        Decision::Allow(_) => "yes".to_owned(),
        Decision::NoOpinion(why) => why,
        Decision::Deny(why) => format!("denied: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_reads_what_its_pods_use_for_as_long_as_they_are_there() {
    let server = Server::start_with("none", &["--disable-admission-plugins=ServiceAccount"]).await;
    let unrelated = "node: no relationship found between node 'one' and this object";
    assert_eq!(answer(&server, "one", "get secrets default/s"), unrelated);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "one", "serviceAccountName": "account", "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "s", "secret": {"secretName": "s"}}, {"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]}});
    server.create("pods", "default", pod).await;
    server
        .eventually("the pod is seen", |server| {
            answer(server, "one", "get secrets default/s") == "yes"
        })
        .await;
    let cases = [
        ("watch secrets default/s", "yes"),
        ("get secrets default/t", unrelated),
        ("get secrets other/s", unrelated),
        ("list secrets default/-", "node: No Object name found"),
        (
            "list secrets -",
            "node: can only read namespaced object of this type",
        ),
        (
            "update secrets default/s",
            "node: can only read resources of this type",
        ),
        ("get persistentvolumeclaims default/c", "yes"),
        ("patch persistentvolumeclaims:status default/c", "yes"),
        (
            "list persistentvolumeclaims default/c",
            "node: can only get individual resources of this type",
        ),
        ("get persistentvolumes pv", unrelated),
        ("create serviceaccounts:token default/account", "yes"),
        ("create serviceaccounts:token default/other", unrelated),
        ("get serviceaccounts default/account", "yes"),
        ("get pods default/p", "yes"),
        ("list pods - spec.nodeName=one", "yes"),
        (
            "list pods - spec.nodeName!=one",
            "node: can only list/watch pods with spec.nodeName field selector",
        ),
        (
            "list pods - spec.nodeName=two",
            "node: can only list/watch pods with spec.nodeName field selector",
        ),
        ("delete pods default/p", "yes"),
        ("update pods default/p", ""),
        ("get nodes one", "yes"),
        (
            "get nodes two",
            "node: node 'one' cannot read 'two', only its own Node object",
        ),
        (
            "list nodes -",
            "node: node 'one' cannot read all nodes, only its own Node object",
        ),
        ("get services default/x", "yes"),
        ("create services default/-", ""),
        ("get coordination.k8s.io/leases kube-node-lease/one", "yes"),
        (
            "get coordination.k8s.io/leases default/one",
            "node: can only access leases in the \"kube-node-lease\" system namespace",
        ),
        (
            "list storage.k8s.io/csinodes -",
            "node: can only get, create, update, patch, or delete a CSINode",
        ),
        (
            "list resource.k8s.io/resourceslices - spec.nodeName=one",
            "yes",
        ),
        (
            "list resource.k8s.io/resourceslices -",
            "node: can only list/watch/deletecollection resourceslices with nodeName field selector",
        ),
        (
            "delete certificates.k8s.io/podcertificaterequests default/x",
            "node: nodes may not delete podcertificaterequests",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(answer(&server, "one", text), wanted, "{text}");
    }
    assert_ne!(answer(&server, "two", "get secrets default/s"), "yes");
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": {"namespace": "default", "name": "c"},
            "csi": {"driver": "d", "volumeHandle": "h", "nodeStageSecretRef": {"namespace": "default", "name": "stage"}}}});
    server.create("persistentvolumes", "", volume).await;
    server
        .eventually("the volume is seen", |server| {
            answer(server, "one", "get persistentvolumes pv") == "yes"
        })
        .await;
    assert_eq!(answer(&server, "one", "get secrets default/stage"), "yes");
    server.delete("pods", "default", "p", "Background").await;
    server
        .eventually("the pod is gone", |server| {
            answer(server, "one", "get secrets default/s") == unrelated
        })
        .await;
    assert_eq!(
        answer(&server, "one", "get persistentvolumes pv"),
        unrelated
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_member_of_the_nodes_is_one() {
    let server = Server::start("none").await;
    let mut user = kubelet("one");
    let judge = |user: &User| {
        server
            .api
            .authorizer
            .authorize(user, &asked("get nodes one"))
    };
    assert_eq!(judge(&user), Decision::Allow(String::new()));
    user.groups.clear();
    assert_eq!(judge(&user), Decision::NoOpinion(String::new()));
    let nameless = judge(&kubelet(""));
    let why = "node: unknown node for user \"system:node:\"";
    assert_eq!(nameless, Decision::NoOpinion(why.to_owned()));
}
