//! What the audit log answers afterwards: who did it, as whom, from where.

use super::*;

fn ended(target: &Target, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
    let log = target.log();
    let events = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"));
    let ended = |event: &Value| event["stage"] == "ResponseComplete" && fits(event);
    events.filter(ended).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_deleted_a_pod_and_who_set_a_hundred_replicas() {
    let target = Target::start_with(&["--disable-admission-plugins=ServiceAccount"]).await;
    let server = &target.server;
    let containers = json!([{"name": "c", "image": "i"}]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": containers}});
    server.create("pods", "default", pod).await;
    let labels = json!({"app": "d"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}});
    server
        .create("deployments.apps", "default", deployment)
        .await;
    let group = "rbac.authorization.k8s.io";
    let role = json!({"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}]});
    server
        .create(&format!("roles.{group}"), "default", role)
        .await;
    let binding = json!({"metadata": {"name": "b"}, "subjects": [{"kind": "User", "apiGroup": group, "name": "mallory"}],
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "r"}});
    server
        .create(&format!("rolebindings.{group}"), "default", binding)
        .await;

    let patch = "Content-Type: application/merge-patch+json\r\n";
    let scale = "PATCH /apis/apps/v1/namespaces/default/deployments/d/scale";
    let many = json!({"spec": {"replicas": 100}}).to_string();
    let few = json!({"spec": {"replicas": 2}}).to_string();
    assert_eq!(target.as_who(MALLORY, scale, patch, &many).await.0, 200);
    assert_eq!(target.as_who(ADMIN, scale, patch, &few).await.0, 200);
    let delete = "DELETE /api/v1/namespaces/default/pods/p";
    let acting = "Impersonate-User: mallory\r\n";
    assert_eq!(target.as_who(ADMIN, delete, acting, "").await.0, 200);

    let deleted = ended(&target, |event| {
        event["verb"] == "delete"
            && event["objectRef"]["resource"] == "pods"
            && event["objectRef"]["name"] == "p"
            && event["responseStatus"]["code"] == 200
    });
    let [deleted] = deleted.as_slice() else {
        panic!("{deleted:?}");
    };
    assert_eq!(deleted["user"]["username"], "admin", "who it really was");
    assert_eq!(deleted["impersonatedUser"]["username"], "mallory");
    assert_eq!(
        deleted["authenticationMetadata"]["impersonationConstraint"],
        "impersonate:user-info"
    );
    let scaled = ended(&target, |event| {
        event["objectRef"]["resource"] == "deployments"
            && event["requestObject"]["spec"]["replicas"] == 100
    });
    let [scaled] = scaled.as_slice() else {
        panic!("{scaled:?}");
    };
    assert_eq!(scaled["user"]["username"], "mallory");
    assert_eq!(scaled["objectRef"]["subresource"], "scale");
    assert_eq!(scaled["sourceIPs"], json!(["192.0.2.1"]));
    let reason = &scaled["annotations"]["authorization.k8s.io/reason"];
    assert!(
        reason
            .as_str()
            .is_some_and(|why| why.contains("RoleBinding")),
        "{reason}"
    );
}
