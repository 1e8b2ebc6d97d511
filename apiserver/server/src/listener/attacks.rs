//! Attacks that others' servers fell for, each under its name, as a client on the network would try them: raw requests on
//! connections of the listener, by users without rights.

mod admission;
mod answers;
mod connections;
mod credentials;

use crate::testing::{Server, raw};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// A token and a name of somebody with no rights but what everybody has.
const MALLORY: &str = "canary-token-of-mallory";
const ADMIN: &str = "token-of-the-admin";

struct Target {
    server: Server,
    dir: tempfile::TempDir,
}

impl Target {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let tokens = format!("{MALLORY},mallory,1,\"users\"\n{ADMIN},admin,2,\"system:masters\"\n");
        let tokens = file("tokens.csv", tokens);
        let policy =
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n";
        let policy = file("policy.yaml", policy.to_owned());
        let log = dir.path().join("audit.log").display().to_string();
        let flags = [
            format!("--token-auth-file={tokens}"),
            format!("--audit-policy-file={policy}"),
            format!("--audit-log-path={log}"),
            "--authorization-mode=RBAC".to_owned(),
        ];
        let flags: Vec<&str> = flags
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        let server = Server::start_with("none", &flags).await;
        Target { server, dir }
    }

    /// The bytes that come back on a connection of its own, which proves nothing.
    async fn raw(&self, request: &[u8]) -> String {
        let mut client = raw::open(&self.server);
        client.write_all(request).await.expect("sent");
        let answer = raw::read_all(&mut client).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Code and body of a request with headers of one's choice.
    async fn ask(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let answer = self.raw(&[head.as_bytes(), body].concat()).await;
        let code = answer.get(9..12).and_then(|code| code.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (code.unwrap_or(0), body.to_owned())
    }

    async fn as_who(
        &self,
        token: &str,
        line: &str,
        more: &str,
        body: impl AsRef<[u8]>,
    ) -> (u16, String) {
        let headers = format!("Authorization: Bearer {token}\r\n{more}");
        self.ask(line, &headers, body).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("audit.log")).expect("a log")
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const MAPS: &str = "POST /api/v1/namespaces/default/configmaps";

/// CVE-2019-11253: documents that grow without end when they are read.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2019_11253_bombs_are_refused_at_once() {
    let target = Target::start().await;
    let mut yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(9);
        yaml.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let nested = format!("{{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"data\":{deep}}}");
    for (kind, body) in [("application/yaml", yaml), ("application/json", nested)] {
        let began = Instant::now();
        let headers = format!("Content-Type: {kind}\r\n");
        let (code, body) = target.as_who(ADMIN, MAPS, &headers, &body).await;
        assert_eq!(code, 400, "{body}");
        // Written out it would be thirty thousand million words.
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

/// CVE-2019-1002100: a JSON patch of thousands of operations.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2019_1002100_a_patch_has_so_many_operations_at_most() {
    let target = Target::start().await;
    let map = json!({"metadata": {"name": "m"}});
    target.server.create("configmaps", "default", map).await;
    let operations = vec![json!({"op": "test", "path": "/kind", "value": "x"}); 10_001];
    let (code, _) = target
        .as_who(
            ADMIN,
            "PATCH /api/v1/namespaces/default/configmaps/m",
            "Content-Type: application/json-patch+json\r\n",
            &Value::Array(operations).to_string(),
        )
        .await;
    assert_eq!(code, 413);
}

/// CVE-2019-11247: what belongs to no namespace is not reached through one, whatever a role there says.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2019_11247_no_namespace_leads_to_what_is_in_none() {
    let target = Target::start().await;
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "all", "namespace": "default"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    target
        .server
        .create(&format!("roles.{group}"), "default", role)
        .await;
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "all", "namespace": "default"},
        "subjects": [{"kind": "User", "apiGroup": group, "name": "mallory"}], "roleRef": {"apiGroup": group, "kind": "Role", "name": "all"}});
    target
        .server
        .create(&format!("rolebindings.{group}"), "default", binding)
        .await;
    let (code, _) = target
        .as_who(MALLORY, "GET /api/v1/namespaces/default/configmaps", "", "")
        .await;
    assert_eq!(code, 200, "the role counts");
    for path in [
        "/api/v1/namespaces/default/nodes",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles",
        "/apis/apiextensions.k8s.io/v1/namespaces/default/customresourcedefinitions/x",
    ] {
        let (code, body) = target.as_who(MALLORY, &format!("GET {path}"), "", "").await;
        assert!(code == 404 || code == 403, "{path}: {code} {body}");
    }
}

/// CWE-290: aggregated servers' headers, sent by who is no proxy: they count for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn cwe_290_spoofed_headers_of_a_front_proxy_make_nobody_an_admin() {
    let target = Target::start().await;
    let spoofed = "X-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n";
    let (code, body) = target.ask("GET /api/v1/secrets", spoofed, "").await;
    assert_eq!(code, 403);
    assert!(body.contains("system:anonymous"), "{body}");
}

/// CIS 5.1.8 (limit impersonate): acting as others needs the right to, for each part of whom one acts as.
#[tokio::test(flavor = "multi_thread")]
async fn cis_5_1_8_impersonation_does_not_escalate() {
    let target = Target::start().await;
    for headers in [
        "Impersonate-User: admin\r\n",
        "Impersonate-User: mallory\r\nImpersonate-Group: system:masters\r\n",
        "Impersonate-Group: system:masters\r\n",
        "Impersonate-User: mallory\r\nImpersonate-Extra-scopes: all\r\n",
        "Impersonate-User: mallory\r\nImpersonate-Uid: 2\r\n",
    ] {
        let (code, body) = target
            .as_who(MALLORY, "GET /api/v1/secrets", headers, "")
            .await;
        let nobody = !headers.contains("User");
        assert_eq!(code, if nobody { 400 } else { 403 }, "{headers}: {body}");
    }
}

/// CIS 5.1.8 (limit bind and escalate): nobody gives what they have not, by a role or by binding one.
#[tokio::test(flavor = "multi_thread")]
async fn cis_5_1_8_rbac_does_not_escalate_by_roles_or_bindings() {
    let target = Target::start().await;
    let group = "rbac.authorization.k8s.io";
    let rules = json!([{"apiGroups": [group], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["*"]}]);
    let mut role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "roles"}, "rules": rules});
    role["rules"][0]["verbs"] = json!(["create", "update", "patch"]);
    target
        .server
        .create(&format!("clusterroles.{group}"), "", role)
        .await;
    let binding = |name: &str, role: &str| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "subjects": [{"kind": "User", "apiGroup": group, "name": "mallory"}], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}})
    };
    let bindings = format!("clusterrolebindings.{group}");
    target
        .server
        .create(&bindings, "", binding("roles", "roles"))
        .await;
    let more = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "more"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    for (plural, object) in [
        ("clusterroles", more),
        ("clusterrolebindings", binding("admin", "cluster-admin")),
    ] {
        let line = format!("POST /apis/{group}/v1/{plural}");
        let (code, body) = target
            .as_who(MALLORY, &line, JSON, &object.to_string())
            .await;
        assert_eq!(code, 403, "{body}");
        assert!(
            body.contains("attempting to grant RBAC permissions not currently held"),
            "{body}"
        );
    }
}

/// CWE-22, CWE-174: paths that mean another place once more than one reader has had them.
#[tokio::test(flavor = "multi_thread")]
async fn cwe_22_cwe_174_paths_are_read_once() {
    let target = Target::start().await;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "canary-of-a-secret"}});
    target.server.create("secrets", "default", secret).await;
    for path in [
        "/healthz/../api/v1/namespaces/default/secrets/s",
        "/healthz/%2e%2e/api/v1/namespaces/default/secrets/s",
        "/healthz%2f..%2fapi/v1/namespaces/default/secrets/s",
        "/api/v1/namespaces/default/configmaps/..%2fsecrets%2fs",
        "/api/v1/namespaces/default/configmaps/%252e%252e%252fsecrets%252fs",
        "//api/v1/namespaces/default/secrets/s",
        "/api/v1/namespaces/default/secrets/s%00",
        "/api/v1/namespaces/default/secrets/%c0%ae%c0%ae",
    ] {
        for who in ["", MALLORY] {
            let (code, body) = target.as_who(who, &format!("GET {path}"), "", "").await;
            assert!(code >= 400 || code / 100 == 3, "{path}: {code}");
            assert!(!body.contains("canary-of-a-secret"), "{path}: {body}");
        }
    }
}

/// CWE-158, CWE-176: names that end early for one reader, or are another's for the next.
#[tokio::test(flavor = "multi_thread")]
async fn cwe_158_cwe_176_names_hold_no_nul_and_no_overlong_utf_8() {
    let target = Target::start().await;
    let map = json!({"metadata": {"name": "m"}});
    target.server.create("configmaps", "default", map).await;
    for name in [
        "m\\u0000",
        "\\u0000m",
        "m\\u0000x",
        "\\ud800",
        "m\\u002f..",
        "\u{2024}\u{2024}",
        "\u{ff0e}m",
    ] {
        let body = format!("{{\"metadata\":{{\"name\":\"{name}\"}}}}");
        let (code, answer) = target.as_who(ADMIN, MAPS, JSON, &body).await;
        assert!(code == 422 || code == 400, "{name}: {code} {answer}");
    }
    for name in [
        &b"\xc0\xad"[..],
        b"m\x00",
        b"\xe0\x80\xafm",
        b"\xed\xa0\x80",
    ] {
        let body = [b"{\"metadata\":{\"name\":\"", name, b"\"}}"].concat();
        let (code, answer) = target.as_who(ADMIN, MAPS, JSON, body).await;
        assert!((400..500).contains(&code), "{name:?}: {code} {answer}");
    }
    for path in [
        "m%00",
        "%00m",
        "m%c0%ad",
        "%e0%80%afm",
        "m%ed%a0%80",
        "%2e",
        "m%2f..",
    ] {
        let line = format!("GET /api/v1/namespaces/default/configmaps/{path}");
        let (code, answer) = target.as_who(ADMIN, &line, "", "").await;
        assert!((400..500).contains(&code), "{path}: {code} {answer}");
    }
    let list = "GET /api/v1/namespaces/default/configmaps";
    let (_, answer) = target.as_who(ADMIN, list, "", "").await;
    let list: Value = serde_json::from_str(&answer).expect("a list");
    let items = list["items"].as_array().expect("items");
    let names: Vec<&Value> = items.iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["m"], "nothing else was made");
}

/// CWE-117, CWE-532: no token gets into an event, and no event is forged by what a client sends.
#[tokio::test(flavor = "multi_thread")]
async fn cwe_117_cwe_532_events_hold_no_tokens_and_none_is_forged() {
    let target = Target::start().await;
    let (code, _) = target.as_who(MALLORY, "GET /api/v1/secrets", "", "").await;
    assert_eq!(code, 403);
    let (code, _) = target
        .as_who("canary-of-nobody", "GET /api/v1/secrets", "", "")
        .await;
    assert_eq!(code, 401);
    let forged =
        "User-Agent: x\\n{\"kind\":\"Event\",\"stage\":\"forged\"}\t\"\r\nAudit-Id: a\"}{b\r\n";
    let path = "GET /api/v1/secrets?labelSelector=%0a%7b%22kind%22:%22Event%22%7d";
    let (code, _) = target.as_who(ADMIN, path, forged, "").await;
    assert!(code == 200 || code == 400, "{code}");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "canary-under-review"}});
    let line = "POST /apis/authentication.k8s.io/v1/tokenreviews";
    let (code, _) = target.as_who(ADMIN, line, JSON, &review.to_string()).await;
    assert_eq!(code, 201);
    let log = target.log();
    assert!(!log.contains("canary"), "{log}");
    let events: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect();
    assert!(
        events
            .iter()
            .all(|event| event["stage"] != "forged" && event["auditID"].is_string())
    );
    let by = |name: &str, stage: &str| {
        let mut events = events.iter().filter(|event| event["stage"] == stage);
        events
            .find(|event| event["user"]["username"] == name)
            .cloned()
    };
    let refused = by("mallory", "ResponseComplete").expect("an event of the refusal");
    assert_eq!(
        refused["annotations"]["authorization.k8s.io/decision"],
        "forbid"
    );
    assert_eq!(refused["responseStatus"]["code"], 403);
    assert_eq!(refused["sourceIPs"], json!(["192.0.2.1"]));
    let unknown = events
        .iter()
        .find(|event| event["responseStatus"]["code"] == 401);
    let unknown = unknown.expect("an event of the unknown token");
    assert_eq!(
        (&unknown["stage"], &unknown["user"]),
        (&json!("ResponseStarted"), &json!({}))
    );
    let acted = "Impersonate-User: somebody\r\n";
    target
        .as_who(ADMIN, "GET /api/v1/namespaces", acted, "")
        .await;
    assert!(target.log().contains(
        "\"impersonatedUser\":{\"username\":\"somebody\",\"groups\":[\"system:authenticated\"]}"
    ));
}
