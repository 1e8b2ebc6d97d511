//! A webhook on loopback, asked by a whole server that a file of authorizers tells to.

use crate::filters::authorize::{Attributes, Decision};
use crate::testing::Server;
use crate::testing::loopback::Loopback;
use crate::user::User;
use bytes::Bytes;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Answers by the user's name, and remembers the questions.
async fn start(seen: Arc<Mutex<Vec<Value>>>) -> u16 {
    let server = Loopback::plain(move |_, body| answer(body, seen.clone())).await;
    server.port
}

async fn answer(body: Bytes, seen: Arc<Mutex<Vec<Value>>>) -> http::Response<Full<Bytes>> {
    let review: Value = serde_json::from_slice(&body).expect("a review");
    let status = match review["spec"]["user"].as_str() {
        Some("yes") => json!({"allowed": true, "reason": "because"}),
        Some("no") => json!({"allowed": false, "denied": true, "reason": "never"}),
        Some("garbage") => return http::Response::new(Full::new("garbage".into())),
        _ => json!({"allowed": false, "reason": "who?"}),
    };
    seen.lock().push(review);
    http::Response::new(Full::new(json!({"status": status}).to_string().into()))
}

fn write(dir: &Path, port: u16, more: &str) -> String {
    let kubeconfig = dir.join("kubeconfig");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}/authorize'}}}}]\ncontexts: [{{name: x, context: {{cluster: c}}}}]\ncurrent-context: x\n"
    );
    std::fs::write(&kubeconfig, text).expect("written");
    let file = dir.join("authorizers.yaml");
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n- {{type: RBAC, name: rbac}}\n- type: Webhook\n  name: hook\n  webhook:\n    timeout: 30s\n    authorizedTTL: 5m\n    unauthorizedTTL: 30s\n    subjectAccessReviewVersion: v1\n    matchConditionSubjectAccessReviewVersion: v1\n    connectionInfo: {{type: KubeConfigFile, kubeConfigFile: {}}}\n{more}",
        kubeconfig.display()
    );
    // In one step: a file half written would be a broken one.
    std::fs::write(dir.join("new"), text).expect("written");
    std::fs::rename(dir.join("new"), &file).expect("moved");
    file.display().to_string()
}

async fn ask(server: &Server, name: &str) -> Decision {
    let user = User {
        name: name.to_owned(),
        groups: vec!["g".to_owned()],
        ..User::default()
    };
    let asked = Attributes {
        verb: "get".to_owned(),
        resource_request: true,
        resource: "pods".to_owned(),
        version: "v1".to_owned(),
        namespace: "n".to_owned(),
        ..Attributes::default()
    };
    server.api.authorizer.decide(&user, &asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_decides_is_remembered_and_follows_its_file() {
    let (dir, seen) = (
        tempfile::tempdir().expect("a directory"),
        Arc::new(Mutex::default()),
    );
    let port = start(Arc::clone(&seen)).await;
    let lenient = "    failurePolicy: NoOpinion\n    matchConditions: [{expression: \"!('exempt' in request.groups) && request.user != 'skipped'\"}]\n";
    let file = write(dir.path(), port, lenient);
    let server = Server::start_with("none", &[&format!("--authorization-config={file}")]).await;
    assert_eq!(
        ask(&server, "yes").await,
        Decision::Allow("because".to_owned())
    );
    assert_eq!(ask(&server, "no").await, Decision::Deny("never".to_owned()));
    assert_eq!(
        ask(&server, "other").await,
        Decision::NoOpinion("hook: who?".to_owned())
    );
    let question = seen.lock()[0].clone();
    assert_eq!(
        question["spec"],
        json!({"resourceAttributes": {"verb": "get", "namespace": "n", "version": "v1", "resource": "pods"}, "user": "yes", "groups": ["g"]})
    );
    assert_eq!(
        (&question["kind"], &question["apiVersion"]),
        (
            &json!("SubjectAccessReview"),
            &json!("authorization.k8s.io/v1")
        )
    );
    for name in ["yes", "no", "other"] {
        ask(&server, name).await;
    }
    assert_eq!(seen.lock().len(), 3, "answers are kept");
    assert_eq!(
        ask(&server, "skipped").await,
        Decision::NoOpinion(String::new())
    );
    assert_eq!(seen.lock().len(), 3, "the condition spares the call");
    assert_eq!(
        ask(&server, "garbage").await,
        Decision::NoOpinion(String::new())
    );
    // Where nobody can wait the answer is the same.
    let yes = User {
        name: "yes".to_owned(),
        ..User::default()
    };
    assert!(matches!(
        server
            .api
            .authorizer
            .authorize(&yes, &Attributes::default()),
        Decision::Allow(_)
    ));
    write(dir.path(), port, "    failurePolicy: Deny\n");
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while ask(&server, "garbage").await != Decision::Deny(String::new()) {
        assert!(
            tokio::time::Instant::now() < end,
            "the file is not followed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // A broken file changes nothing.
    std::fs::write(dir.path().join("authorizers.yaml"), "kind: Broken").expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(ask(&server, "garbage").await, Decision::Deny(String::new()));
}
