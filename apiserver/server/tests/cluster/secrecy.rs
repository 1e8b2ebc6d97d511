//! What nobody is told: secrets that clients send or that the server keeps get into no log, however much is said there, into no
//! event, metric or refusal of others.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::Client;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const JSON: &str = "application/json";

struct Place {
    dir: tempfile::TempDir,
    /// What must not be seen anywhere.
    canaries: Vec<String>,
}

impl Place {
    fn canary(&mut self, of: &str) -> String {
        let canary = format!("canary-{of}-7f3a");
        self.canaries.push(canary.clone());
        canary
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// Code and body of one request.
async fn ask(
    client: &mut Client,
    line: (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let answer = client.send_with(line.0, line.1, headers, body.to_owned());
    let answer = answer
        .await
        .unwrap_or_else(|lost| panic!("{line:?}: {lost:?}"));
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8_lossy(&body).into_owned())
}

/// The lines of all private keys below a directory that are long enough to be told apart.
fn keys(dir: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            keys(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "key") {
            let text = std::fs::read_to_string(&path).unwrap();
            into.extend(
                text.lines()
                    .filter(|line| line.len() >= 40 && !line.starts_with("--"))
                    .map(str::to_owned),
            );
        }
    }
}

/// CWE-532: nothing of what proves who somebody is, and nothing that a Secret holds.
#[tokio::test(flavor = "multi_thread")]
async fn cwe_532_secrets_are_told_to_no_log_metric_event_or_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let mut place = Place {
        dir,
        canaries: Vec::new(),
    };
    let (token, password, hook) = (
        place.canary("token"),
        place.canary("password"),
        place.canary("hook"),
    );
    let tokens = place.file("tokens.csv", &format!("{token},mallory,1\n"));
    let users = place.file("users.csv", &format!("{password},pat,2\n"));
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    let policy = place.file("policy.yaml", policy);
    // Nobody listens there: each question fails, and is told of.
    let asked = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:9'}}}}]\n\
         users: [{{name: u, user: {{token: {hook}}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
    );
    let asked = place.file("hook.yaml", &asked);
    let path = |name: &str| place.dir.path().join(name).display().to_string();
    let flags = [
        format!("--token-auth-file={tokens}"),
        format!("--basic-auth-file={users}"),
        format!("--audit-policy-file={policy}"),
        format!("--audit-log-path={}", path("audit.log")),
        format!("--authentication-token-webhook-config-file={asked}"),
        format!("--log-file={}", path("triad.log")),
        "--alsologtostderr".to_owned(),
        "-v=10".to_owned(),
    ];
    let mut bed = Bed::form_with(1, 1, flags.to_vec()).await;
    let (mut admin, mut stranger) = (bed.client(0), bed.stranger(0));

    let bearer = |token: &str| format!("Bearer {token}");
    let unknown = place.canary("unknown");
    let encoded = |text: &str| STANDARD.encode(text);
    let basic = |given: &str| format!("Basic {}", encoded(given));
    let (wrong, odd) = (place.canary("wrong"), place.canary("odd"));
    let pat = basic(&format!("pat:{password}"));
    let nobody = basic(&format!("pat:{wrong}"));
    place.canaries.extend([pat.clone(), nobody.clone()]);
    let list = ("GET", SECRETS);
    for (proof, code) in [
        (bearer(&token), 403),
        (bearer(&unknown), 401),
        (pat, 403),
        (nobody, 401),
        (odd.clone(), 403),
        (format!("Digest {odd}"), 403),
    ] {
        let (seen, body) = ask(&mut stranger, list, &[("authorization", &proof)], "").await;
        assert_eq!(seen, code, "{proof}: {body}");
    }

    // What a Secret holds, right, wrong and refused.
    let held = place.canary("held");
    place.canaries.push(encoded(&held));
    let secret = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"k": held}}).to_string()
    };
    for (line, kind, body, code) in [
        (("POST", SECRETS), JSON, secret("s"), 201),
        (("POST", SECRETS), JSON, secret("s"), 409),
        (("POST", SECRETS), JSON, secret("Not A Name"), 422),
        (
            ("POST", SECRETS),
            JSON,
            secret("t").replace(&format!("\"{held}\""), &format!("{{\"{held}\":[1]}}")),
            400,
        ),
        (
            ("POST", SECRETS),
            JSON,
            secret("t").replace('}', &held),
            400,
        ),
        (
            ("POST", SECRETS),
            "application/yaml",
            format!("data: {{k: {held}, : ]"),
            400,
        ),
        (
            ("PUT", "/api/v1/namespaces/default/secrets/s"),
            JSON,
            secret("s"),
            200,
        ),
        (
            ("PATCH", "/api/v1/namespaces/default/secrets/s"),
            "application/merge-patch+json",
            secret("s"),
            200,
        ),
        (
            ("PATCH", "/api/v1/namespaces/default/secrets/s"),
            "application/json-patch+json",
            format!("[{{\"op\":\"add\",\"path\":\"/x/y\",\"value\":\"{held}\"}}]"),
            422,
        ),
        (list, JSON, String::new(), 200),
        (
            ("DELETE", "/api/v1/namespaces/default/secrets/s"),
            JSON,
            String::new(),
            200,
        ),
    ] {
        let (seen, answer) = ask(&mut admin, line, &[("content-type", kind)], &body).await;
        assert_eq!(seen, code, "{line:?} {body}: {answer}");
    }

    // Tokens that the server makes or is asked about.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}});
    bed.client(0)
        .insist(
            "POST",
            "/api/v1/namespaces/default/serviceaccounts",
            &account,
        )
        .await;
    let wanted =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let line = "/api/v1/namespaces/default/serviceaccounts/a/token";
    let made = bed.client(0).insist("POST", line, &wanted).await;
    let made = made["status"]["token"].as_str().unwrap().to_owned();
    let (code, _) = ask(
        &mut stranger,
        list,
        &[("authorization", &bearer(&made))],
        "",
    )
    .await;
    assert_eq!(code, 403);
    let signature = made.rsplit('.').next().unwrap();
    let other = made.replace(&signature[..8], "AAAAAAAA");
    let (code, _) = ask(
        &mut stranger,
        list,
        &[("authorization", &bearer(&other))],
        "",
    )
    .await;
    assert_eq!(code, 401);
    place.canaries.push(signature[8..].to_owned());
    let reviewed = place.canary("reviewed");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": reviewed}});
    bed.client(0)
        .insist(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &review,
        )
        .await;
    let joins = bed.token(0).await;
    place.canaries.push(joins[joins.len() - 16..].to_owned());
    keys(&bed.data(0).join("pki"), &mut place.canaries);

    let (code, metrics) = ask(&mut admin, ("GET", "/metrics"), &[], "").await;
    assert_eq!(code, 200);
    bed.stop(0);
    let read = |name: &str| std::fs::read_to_string(place.dir.path().join(name)).unwrap();
    let (log, events, told) = (read("triad.log"), read("audit.log"), bed.told(0));
    assert!(
        log.contains(SECRETS) && told.contains(SECRETS),
        "what was asked for is told"
    );
    let reviews = events.lines().filter(|line| {
        let event: Value = serde_json::from_str(line).expect("a document a line");
        event["objectRef"]["resource"] == "tokenreviews"
    });
    assert!(reviews.count() > 0);
    assert!(metrics.contains("apiserver_request_total"));
    assert!(
        place.canaries.len() > 12,
        "{} canaries",
        place.canaries.len()
    );
    for canary in &place.canaries {
        for (what, text) in [
            ("the log", &log),
            ("standard error", &told),
            ("events", &events),
            ("metrics", &metrics),
        ] {
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{what} tells {canary}");
        }
    }
}
