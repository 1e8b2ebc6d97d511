//! Tokens of issuers and of a webhook that are really there, on loopback.

mod distributed;

use super::*;
use crate::clock::Clock;
use crate::filters::following::LOOK_AT_FILE;
use crate::service_accounts::{Keys, Told};
use crate::testing::Server;
use crate::testing::loopback::Loopback;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn bearer() {
    assert_eq!(bearer_token("Bearer abc"), Some("abc"));
    assert_eq!(bearer_token("bearer abc"), Some("abc"));
    assert_eq!(bearer_token("Basic abc"), None);
    assert_eq!(bearer_token("Bearer "), None);
    assert_eq!(bearer_token("Bearer"), None);
}

/// Issuers under /v1 and /v2 of one server, with the same keys.
struct Issuers {
    server: Loopback,
    keys: Arc<Mutex<Keys>>,
    dir: tempfile::TempDir,
}

fn keys(dir: &Path) -> Keys {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let file = dir.join("issuer.pem");
    std::fs::write(&file, pair.serialize_pem()).expect("written");
    Keys::load(&file, &[]).expect("keys")
}

impl Issuers {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Arc::new(Mutex::new(keys(dir.path())));
        let port = Arc::new(Mutex::new(0));
        let (published, own) = (keys.clone(), port.clone());
        let server = Loopback::tls(move |path, _| {
            let (base, document) = path.split_at(3);
            let at = format!("https://127.0.0.1:{}{base}", own.lock());
            let answer = match document {
                "/.well-known/openid-configuration" => {
                    json!({"issuer": at, "jwks_uri": format!("{at}/keys")}).to_string()
                }
                "/keys" => published.lock().jwks().to_string(),
                "/large" => "x".repeat(2 << 20),
                // Groups for who was sent here.
                "/groups" | "/of-others" | "/without" => {
                    let audience = if document == "/of-others" {
                        "others"
                    } else {
                        "api"
                    };
                    let mut claims =
                        json!({"iss": at, "aud": audience, "exp": Clock.unix_seconds() + 600});
                    if document != "/without" {
                        claims["groups"] = json!(["far", "away"]);
                    }
                    format!("{}\n", published.lock().sign(&claims).expect("signed"))
                }
                _ => Value::Null.to_string(),
            };
            async move { Response::new(Full::new(Bytes::from(answer))) }
        })
        .await;
        *port.lock() = server.port;
        Issuers { server, keys, dir }
    }

    fn url(&self, version: &str) -> String {
        format!("https://127.0.0.1:{}/{version}", self.server.port)
    }

    fn token(&self, version: &str, more: Value) -> String {
        let now = Clock.unix_seconds();
        let mut claims = json!({"iss": self.url(version), "aud": "api", "sub": "alice", "exp": now + 600, "jti": "one"});
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.keys.lock().sign(&claims).expect("signed")
    }

    /// Two issuers, as of one tenant, whose tokens differ in what they call things.
    fn configuration(&self, rest: &str) -> String {
        let ca = self.server.ca_pem.replace('\n', "\n      ");
        let (v1, v2) = (self.url("v1"), self.url("v2"));
        format!(
            "apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: {v1}
    audiences: [api]
    certificateAuthority: |
      {ca}
  claimMappings:
    username: {{claim: upn, prefix: 'aad:'}}
    groups: {{claim: groups, prefix: 'aad:'}}
- issuer:
    url: {v2}
    audiences: [api, other]
    audienceMatchPolicy: MatchAny
    certificateAuthority: |
      {ca}
  claimValidationRules:
  - {{expression: 'claims.tid == \"tenant\"', message: another tenant}}
  claimMappings:
    username: {{expression: '\"aad:\" + claims.preferred_username'}}
    groups: {{expression: 'claims.roles.split(\",\")'}}
    uid: {{claim: oid}}
    extra: [{{key: example.com/tenant, valueExpression: claims.tid}}]
  userValidationRules:
  - {{expression: '!user.username.startsWith(\"aad:system:\")', message: reserved}}
{rest}"
        )
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.dir.path().join("authentication.yaml");
        let new = self.dir.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(&new, &file).expect("moved");
        file
    }
}

async fn review(server: &Server, token: &str) -> Result<User, String> {
    loop {
        let reviewed = server
            .api
            .authenticator
            .review_token(token, &[], &mut Told::default())
            .await;
        match reviewed {
            Err(why) if why.contains("not initialized") => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return other.map(|(user, _)| user),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_two_issuers_become_users_by_their_own_mappings() {
    let issuers = Issuers::start().await;
    let file = issuers.write(&issuers.configuration(""));
    let flag = format!("--authentication-config={}", file.display());
    let server = Server::start_with("none", &[&flag]).await;
    let old = issuers.token(
        "v1",
        json!({"upn": "alice@example.com", "groups": ["a", "b"]}),
    );
    let user = review(&server, &old).await.expect("of v1");
    assert_eq!(user.name, "aad:alice@example.com");
    assert_eq!(user.groups, ["aad:a", "aad:b", "system:authenticated"]);
    let claims = json!({"preferred_username": "bob", "roles": "x,y", "oid": "o1", "tid": "tenant", "aud": ["else", "other"]});
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        issuers.token("v2", claims)
    };
    let user = review(&server, &with("x", json!(1))).await.expect("of v2");
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("aad:bob", "o1"));
    assert_eq!(user.groups, ["x", "y", "system:authenticated"]);
    assert_eq!(user.extra["example.com/tenant"], ["tenant"]);
    assert_eq!(
        user.extra["authentication.kubernetes.io/credential-id"],
        ["JTI=one"]
    );
    let past = Clock.unix_seconds() - 1;
    let mut forged = with("x", json!(1));
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for (token, why) in [
        (
            with("aud", json!("else")),
            "oidc: verify token: oidc: expected audience in [\"api\" \"other\"] got [\"else\"]",
        ),
        (with("exp", json!(past)), "oidc: token is expired"),
        (
            with("nbf", json!(past + 3600)),
            "before the nbf (not before) time",
        ),
        (
            with("tid", json!("else")),
            "validation expression 'claims.tid == \"tenant\"' failed: another tenant",
        ),
        (
            with("preferred_username", json!("system:admin")),
            "failed: reserved",
        ),
        (
            with("oid", json!(7)),
            "parse uid claim \"oid\": json: cannot unmarshal number",
        ),
        (forged, "failed to verify id token signature"),
        (with("iss", json!("https://else")), "invalid bearer token"),
        (
            "eyJhbGciOiJub25lIn0.e30.".to_owned(),
            "invalid bearer token",
        ),
    ] {
        let refused = review(&server, &token).await.expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
    *issuers.keys.lock() = keys(issuers.dir.path());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let rolled = issuers.token("v1", json!({"upn": "carol"}));
    let user = review(&server, &rolled).await.expect("by a new key");
    assert_eq!(user.name, "aad:carol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_leaves_the_one_before_and_a_good_one_counts() {
    let issuers = Issuers::start().await;
    let file = issuers.write(&issuers.configuration(""));
    let flag = format!("--authentication-config={}", file.display());
    let server = Server::start_with("none", &[&flag]).await;
    let token = issuers.token("v1", json!({"upn": "alice"}));
    review(&server, &token).await.expect("known");
    issuers.write("kind: Nonsense");
    tokio::time::sleep(LOOK_AT_FILE + Duration::from_millis(500)).await;
    review(&server, &token).await.expect("still known");
    issuers.write(&issuers.configuration("anonymous: {enabled: false}"));
    let off = |server: &Server| {
        let configured = server.api.authenticator.configured.load();
        configured.anonymous == configuration::Anonymous::Nowhere
    };
    server.eventually("the new file counts", off).await;
    review(&server, &token).await.expect("known again");
    let broken = server_refuses(&format!(
        "--authentication-config={}",
        issuers.write("jwt: 7").display()
    ));
    assert!(broken.contains("no kind"), "{broken}");
}

fn server_refuses(flag: &str) -> String {
    let file = flag.split_once('=').expect("a file").1;
    let text = std::fs::read(file).expect("a file");
    let read = configuration::of_file(&text, &configuration::Options::default(), &[]);
    read.err().expect("refused at the start, too")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issuer_by_flags() {
    let issuers = Issuers::start().await;
    let ca = issuers.dir.path().join("ca.pem");
    std::fs::write(&ca, &issuers.server.ca_pem).expect("written");
    let flags = [
        format!("--oidc-issuer-url={}", issuers.url("v1")),
        "--oidc-client-id=api".to_owned(),
        format!("--oidc-ca-file={}", ca.display()),
        "--oidc-groups-claim=groups".to_owned(),
        "--oidc-required-claim=hd=example.com".to_owned(),
        "--oidc-signing-algs=ES256".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::start_with("none", &flags).await;
    let fine = issuers.token("v1", json!({"hd": "example.com", "groups": "admins"}));
    let user = review(&server, &fine).await.expect("known");
    assert_eq!(user.name, format!("{}#alice", issuers.url("v1")));
    assert_eq!(user.groups, ["admins", "system:authenticated"]);
    for (more, why) in [
        (json!({}), "required claim hd not present in ID token"),
        (
            json!({"hd": "else"}),
            "required claim hd value does not match. Got = else, want = example.com",
        ),
    ] {
        let refused = review(&server, &issuers.token("v1", more)).await;
        assert!(
            refused.as_ref().is_err_and(|said| said.contains(why)),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_asked_once_for_a_while() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let asked = seen.clone();
    let hook = Loopback::plain(move |_, body| {
        let review: Value = serde_json::from_slice(&body).expect("a review");
        let status = match review["spec"]["token"].as_str() {
            Some("good") => json!({"authenticated": true, "user": {"username": "u", "groups": ["g"], "extra": {"k": ["v"]}}}),
            Some("elsewhere") => json!({"authenticated": true, "user": {"username": "u"}, "audiences": ["else"]}),
            Some("odd") => json!({"error": "odd token"}),
            _ => json!({"authenticated": false}),
        };
        asked.lock().push(review);
        async move { Response::new(Full::new(json!({"status": status}).to_string().into())) }
    })
    .await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("kubeconfig");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}/'}}}}]\ncontexts: [{{name: x, context: {{cluster: c}}}}]\ncurrent-context: x\n",
        hook.port
    );
    std::fs::write(&file, text).expect("written");
    let flag = format!(
        "--authentication-token-webhook-config-file={}",
        file.display()
    );
    let server = Server::start_with("none", &[&flag]).await;
    for _ in 0..3 {
        let user = review(&server, "good").await.expect("known");
        assert_eq!(
            (user.name.as_str(), user.extra["k"].as_slice()),
            ("u", &["v".to_owned()][..])
        );
        assert_eq!(user.groups, ["g", "system:authenticated"]);
        review(&server, "bad").await.expect_err("unknown");
    }
    assert_eq!(seen.lock().len(), 2, "one question each");
    let own = server.api.authenticator.tokens.audiences().to_vec();
    assert_eq!(seen.lock()[0]["spec"]["audiences"], json!(own));
    assert_eq!(
        seen.lock()[0]["apiVersion"],
        "authentication.k8s.io/v1beta1"
    );
    review(&server, "elsewhere").await.expect_err("for others");
    let odd = review(&server, "odd").await;
    assert_eq!(
        odd.expect_err("refused"),
        "[invalid bearer token, odd token]"
    );
}
