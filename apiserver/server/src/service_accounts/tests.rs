//! What audit events, warnings and counters tell of tokens' use.

use super::*;
use crate::testing::{Server, raw};
use tokio::io::AsyncWriteExt as _;

struct World {
    server: Server,
    dir: tempfile::TempDir,
}

impl World {
    /// An account `a`, which lists the Secret `auto`.
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let policy = dir.path().join("policy.yaml");
        let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
        std::fs::write(&policy, text).expect("written");
        let flags = [
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", dir.path().join("log").display()),
            "--authorization-mode=AlwaysAllow".to_owned(),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let server = Server::start_for("admin,admin,1,\"system:masters\"\n", &flags).await;
        let account = json!({"metadata": {"name": "a"}, "secrets": [{"name": "auto"}]});
        server.create("serviceaccounts", "default", account).await;
        World { server, dir }
    }

    fn tokens(&self) -> &Tokens {
        &self.server.api.authenticator.tokens
    }

    fn account(&self) -> Value {
        self.server
            .get("serviceaccounts", "default", "a")
            .expect("there")
    }

    /// A token that is to be read anew so many seconds from now on, and its credential's name.
    fn signed(&self, warn_after: i64) -> (String, String) {
        let life = Life {
            seconds: 600,
            warn_after: Some(warn_after),
        };
        let audiences = self.tokens().audiences();
        let signed = self.tokens().sign(&self.account(), audiences, life, None);
        signed.expect("signed")
    }

    /// A token in a Secret of that name.
    async fn held(&self, secret: &str, labels: Value) -> String {
        let token = self.tokens().sign_for_secret(&self.account(), secret);
        let token = token.expect("signed");
        let object = json!({"metadata": {"name": secret, "labels": labels,
                "annotations": {"kubernetes.io/service-account.name": "a", "kubernetes.io/service-account.uid": meta::uid(&self.account())}},
            "type": "kubernetes.io/service-account-token", "stringData": {"token": token}});
        self.server.create("secrets", "default", object).await;
        token
    }

    /// The answer to a request, and what the audit event of it says.
    async fn ask(&self, token: &str, line: &str, body: &str) -> (String, Value) {
        let mut client = raw::open(&self.server);
        let id = uuid::Uuid::new_v4().to_string();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAudit-Id: {id}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(head.as_bytes()).await.expect("sent");
        let answer = raw::read_all(&mut client).await;
        let log = std::fs::read_to_string(self.dir.path().join("log")).expect("a log");
        let event = log.lines().find(|line| line.contains(&id));
        let event = serde_json::from_str(event.expect("an event")).expect("JSON");
        (String::from_utf8_lossy(&answer).into_owned(), event)
    }

    /// The same of the simplest request, for one annotation.
    async fn told(&self, token: &str, key: &str) -> (String, Value) {
        let (answer, event) = self.ask(token, "GET /version", "").await;
        let key = format!("authentication.k8s.io/{key}");
        (answer, event["annotations"][key].clone())
    }

    fn counted(&self) -> Vec<u64> {
        let mut page = String::new();
        self.tokens().uses.render(&mut page);
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let counts = lines.map(|line| line.rsplit(' ').next().expect("a count"));
        counts
            .map(|count| count.parse().expect("a number"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_should_have_been_read_anew_are_told_of() {
    let world = World::start().await;
    let (valid, _) = world.signed(300);
    let (answer, told) = world.told(&valid, "stale-token").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(told, Value::Null);
    let (stale, credential) = world.signed(-100);
    let (answer, event) = world.ask(&stale, "GET /version", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let told = event["annotations"]["authentication.k8s.io/stale-token"].as_str();
    let told = told.expect("told").strip_prefix(
        "subject: system:serviceaccount:default:a, seconds after warning threshold: ",
    );
    let late: i64 = told.and_then(|late| late.parse().ok()).expect("seconds");
    assert!((100..1000).contains(&late), "{late}");
    let extra = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"];
    assert_eq!(*extra, json!([credential]));
    // Legacy, stale, valid, and the three kinds of those in Secrets.
    assert_eq!(world.counted(), [0, 1, 1, 0, 0, 0]);
    // A review tells of it in its own event.
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": stale}});
    let line = "POST /apis/authentication.k8s.io/v1/tokenreviews";
    let (answer, event) = world.ask("admin", line, &review.to_string()).await;
    assert!(answer.contains("\"authenticated\":true"), "{answer}");
    let told = &event["annotations"]["authentication.k8s.io/stale-token"];
    assert!(told.is_string(), "{event}");
    assert_eq!(world.counted()[1], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_secrets_are_told_of_by_how_they_came_there() {
    let world = World::start().await;
    let manual = world.held("manual", json!({})).await;
    let (answer, told) = world.told(&manual, "legacy-token-manual-secret").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("warning: "), "{answer}");
    assert_eq!(told, "manual");
    let auto = world.held("auto", json!({})).await;
    let (answer, event) = world.ask(&auto, "GET /version", "").await;
    let warning = "warning: 299 - \"Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.\"\r\n";
    assert!(answer.contains(warning), "{answer}");
    let told = |key: &str| event["annotations"][format!("authentication.k8s.io/{key}")].clone();
    assert_eq!(told("legacy-token-autogenerated-secret"), "auto");
    assert_eq!(told("legacy-token"), "system:serviceaccount:default:a");
    let since = json!({"kubernetes.io/legacy-token-invalid-since": "2026-01-01"});
    let invalid = world.held("invalid", since).await;
    let (answer, told) = world.told(&invalid, "legacy-token-invalidated").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(told, "invalid/default");
    assert_eq!(world.counted(), [3, 0, 0, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_given_is_named_as_it_will_be_when_it_is_used() {
    let world = World::start().await;
    let line = "POST /api/v1/namespaces/default/serviceaccounts/a/token";
    let request = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}"#;
    let (answer, event) = world.ask("admin", line, request).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let issued = &event["annotations"]["authentication.kubernetes.io/issued-credential-id"];
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let given: Value = serde_json::from_str(body).expect("an object");
    let token = given["status"]["token"].as_str().expect("a token");
    let (_, event) = world.ask(token, "GET /version", "").await;
    let used = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"];
    assert_eq!(json!([issued]), *used);
    assert!(issued.as_str().is_some_and(|id| id.starts_with("JTI=")));
}
