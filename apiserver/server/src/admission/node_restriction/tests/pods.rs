//! What a node does with pods.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_makes_mirror_pods_of_its_own_that_refer_to_nothing() {
    let server = server().await;
    let case = Case {
        server: &server,
        resource: "pods",
        subresource: "",
        namespace: "default",
        name: "",
    };
    let uid = meta::uid(&server.get("nodes", "", "one").expect("a node")).to_owned();
    let mut mirror = pod("m", "one");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let owner =
        json!({"apiVersion": "v1", "kind": "Node", "name": "one", "uid": uid, "controller": true});
    mirror["metadata"]["ownerReferences"] = json!([owner]);
    assert_eq!(case.create(mirror.clone()).await, "fine");
    let with = |at: &str, value: Value| {
        let mut pod = mirror.clone();
        *pod.pointer_mut(at).expect("there") = value;
        pod
    };
    let volume = |source: Value| {
        let mut pod = mirror.clone();
        pod["spec"]["volumes"] = json!([source]);
        pod
    };
    let cases = [
        (
            pod("m", "one"),
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"one\" can only create mirror pods",
        ),
        (
            with("/spec/nodeName", json!("two")),
            "node \"one\" can only create pods with spec.nodeName set to itself",
        ),
        (
            with("/metadata/ownerReferences", json!([])),
            "node \"one\" can only create pods with an owner reference set to itself",
        ),
        (
            with("/metadata/ownerReferences", json!([owner, owner])),
            "node \"one\" can only create pods with a single owner reference set to itself",
        ),
        (
            with("/metadata/ownerReferences/0/controller", json!(false)),
            "node \"one\" can only create pods with a controller owner reference set to itself",
        ),
        (volume(json!({"name": "v", "emptyDir": {}})), "fine"),
        (
            volume(
                json!({"name": "v", "projected": {"sources": [{"downwardAPI": {}}, {"serviceAccountToken": {"path": "t"}}]}}),
            ),
            "node \"one\" can not create pods that reference serviceaccounts (via projected volumes)",
        ),
        (
            volume(json!({"name": "v", "secret": {"secretName": "s"}})),
            "node \"one\" can not create pods that reference secrets",
        ),
        (
            volume(json!({"name": "v", "ephemeral": {}})),
            "node \"one\" can not create pods that reference persistentvolumeclaims (via ephemeral volumes)",
        ),
        (
            volume(json!({"name": "v", "unheard": {}})),
            "error checking mirror pod for API references: unknown volume type for volume  \"v\"",
        ),
    ];
    for (new, wanted) in cases {
        assert_eq!(case.create(new).await, wanted);
    }
    let stranger = case
        .create(with("/metadata/ownerReferences/0/uid", json!("u")))
        .await;
    assert_eq!(
        stranger,
        format!("node one UID mismatch: expected u got {uid}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_touches_the_pods_on_it_alone() {
    let server = server().await;
    let there = server.create("pods", "default", pod("there", "two")).await;
    let here = server.create("pods", "default", pod("here", "one")).await;
    let case = |name, subresource| Case {
        server: &server,
        resource: "pods",
        subresource,
        namespace: "default",
        name,
    };
    assert_eq!(case("here", "").delete(&here).await, "fine");
    assert_eq!(
        case("there", "").delete(&there).await,
        "node \"one\" can only delete pods with spec.nodeName set to itself"
    );
    assert_eq!(
        case("gone", "").delete(&there).await,
        "pod \"gone\" not found"
    );
    assert_eq!(
        case("there", "eviction").create(json!({})).await,
        "node one can only evict pods with spec.nodeName set to itself"
    );
    assert_eq!(
        case("here", "status").update(&here, here.clone()).await,
        "fine"
    );
    let mut labelled = here.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(
        case("here", "status").update(&here, labelled.clone()).await,
        "node \"one\" cannot update labels through pod status"
    );
    assert_eq!(
        case("there", "status").update(&there, there.clone()).await,
        "node \"one\" can only update pod status for pods with spec.nodeName set to itself"
    );
    let wanted =
        "unexpected operation \"UPDATE\", node \"one\" can only create and delete mirror pods";
    assert_eq!(case("here", "").update(&here, labelled).await, wanted);
    let wanted = "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed";
    assert_eq!(case("here", "binding").create(json!({})).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_asks_for_tokens_of_its_pods_for_audiences_that_they_name() {
    let server = server().await;
    let mut made = pod("here", "one");
    made["spec"]["volumes"] = json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}}]);
    made["spec"]["serviceAccountName"] = json!("default");
    let here = server.create("pods", "default", made).await;
    let there = server.create("pods", "default", pod("there", "two")).await;
    let case = Case {
        server: &server,
        resource: "serviceaccounts",
        subresource: "token",
        namespace: "default",
        name: "default",
    };
    let request = |pod: &Value, audiences: Value| {
        json!({"spec": {"audiences": audiences, "boundObjectRef":
        {"apiVersion": "v1", "kind": "Pod", "name": meta::name(pod), "uid": meta::uid(pod)}}})
    };
    assert_eq!(case.create(request(&here, json!(["vault"]))).await, "fine");
    let refused = "system:node:one is not authorized to request tokens for audience \"other\"";
    assert_eq!(case.create(request(&here, json!(["other"]))).await, refused);
    assert_eq!(
        case.create(request(&here, json!(["a", "b"]))).await,
        "node may only request 0 or 1 audiences"
    );
    assert_eq!(
        case.create(request(&there, json!([]))).await,
        "node requested token bound to a pod scheduled on a different node"
    );
    assert_eq!(
        case.create(json!({"spec": {}})).await,
        "node requested token not bound to a pod"
    );
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "audience"},
        "rules": [{"verbs": ["request-serviceaccounts-token-audience"], "apiGroups": [""], "resources": ["other"], "resourceNames": ["default"]}]});
    server
        .create("clusterroles.rbac.authorization.k8s.io", "", role)
        .await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "audience"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "audience"}, "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}]});
    server
        .create("clusterrolebindings.rbac.authorization.k8s.io", "", binding)
        .await;
    server
        .api
        .cacher
        .wait_for(server.api.store.revision())
        .await;
    assert_eq!(case.create(request(&here, json!(["other"]))).await, "fine");
}
