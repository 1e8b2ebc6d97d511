//! What each namespace is given, and the tokens that lie in Secrets.

use crate::service_accounts::Told;
use crate::testing::Server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use triad_machinery::meta;

const TOKEN: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";

fn text(object: &Value, at: &str) -> String {
    let text = object.pointer(at).and_then(Value::as_str).unwrap_or("");
    let bytes = STANDARD.decode(text).expect("base64");
    String::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_has_its_account_and_its_certificates() {
    let server = Server::start("serviceaccount,root-ca-cert-publisher,namespace").await;
    server
        .create("namespaces", "", json!({"metadata": {"name": "new"}}))
        .await;
    let has = |s: &Server, namespace: &str| {
        s.get("serviceaccounts", namespace, "default").is_some()
            && s.get("configmaps", namespace, "kube-root-ca.crt").is_some()
    };
    server
        .eventually("all namespaces have both", |s| {
            ["default", "kube-system", "new"].iter().all(|n| has(s, n))
        })
        .await;
    server
        .delete("serviceaccounts", "new", "default", "Background")
        .await;
    let spoiled = json!({"data": {"ca.crt": "no certificate"}});
    server
        .patch("configmaps", "new", "kube-root-ca.crt", spoiled)
        .await;
    let root = server.api.root_ca.clone().expect("our own CA");
    server
        .eventually("both are as they were", |s| {
            let map = s.get("configmaps", "new", "kube-root-ca.crt");
            has(s, "new") && map.is_some_and(|map| map["data"]["ca.crt"] == root.as_str())
        })
        .await;
    server.delete("namespaces", "", "new", "Background").await;
    server
        .eventually("the namespace ends and nothing is made in it", |s| {
            s.get("namespaces", "", "new").is_none() && !has(s, "new")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_secret_counts_as_long_as_its_secret_and_account() {
    let server = Server::start("serviceaccount-token").await;
    let account =
        json!({"metadata": {"name": "robot"}, "secrets": [{"name": "key"}, {"name": "other"}]});
    let account = server.create("serviceaccounts", "default", account).await;
    let secret =
        json!({"metadata": {"name": "key", "annotations": {ACCOUNT: "robot"}}, "type": TOKEN});
    server.create("secrets", "default", secret).await;
    let filled = |s: &Server| {
        let secret = s.get("secrets", "default", "key")?;
        secret.pointer("/data/token").is_some().then_some(secret)
    };
    server
        .eventually("the secret is filled", |s| filled(s).is_some())
        .await;
    let secret = filled(&server).expect("filled");
    assert_eq!(text(&secret, "/data/namespace"), "default");
    assert!(text(&secret, "/data/ca.crt").starts_with("-----BEGIN CERTIFICATE"));
    assert_eq!(
        meta::annotation(&secret, "kubernetes.io/service-account.uid"),
        Some(meta::uid(&account))
    );
    let token = text(&secret, "/data/token");
    let tokens = &server.api.authenticator.tokens;
    // Tokens are checked against the cache, which follows within moments.
    let user = |s: &Server| {
        let checked = s
            .api
            .authenticator
            .tokens
            .check(&token, &[], &mut Told::default())
            .expect("ours");
        checked.ok().map(|(user, _)| user.name)
    };
    server
        .eventually("the token is good", |s| {
            user(s).as_deref() == Some("system:serviceaccount:default:robot")
        })
        .await;
    let today = crate::clock::Clock.today();
    server
        .eventually("the secret says that it was used", |s| {
            let secret = s.get("secrets", "default", "key").unwrap_or_default();
            meta::label(&secret, "kubernetes.io/legacy-token-last-used") == Some(&today)
        })
        .await;
    assert!(
        tokens
            .check(&token, &["elsewhere".to_owned()], &mut Told::default())
            .expect("ours")
            .is_err()
    );

    server
        .delete("secrets", "default", "key", "Background")
        .await;
    server
        .eventually("the token is no longer good", |s| user(s).is_none())
        .await;
    server
        .eventually("the account no longer names it", |s| {
            let account = s.get("serviceaccounts", "default", "robot");
            account.is_some_and(|account| account["secrets"] == json!([{"name": "other"}]))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_with_its_account() {
    let server = Server::start("serviceaccount-token").await;
    let account = json!({"metadata": {"name": "robot"}});
    server
        .create("serviceaccounts", "default", account.clone())
        .await;
    let secret = |name: &str| json!({"metadata": {"name": name, "annotations": {ACCOUNT: "robot"}}, "type": TOKEN});
    server.create("secrets", "default", secret("key")).await;
    server
        .eventually("the secret is filled", |s| {
            let key = s.get("secrets", "default", "key").unwrap_or_default();
            key.pointer("/data/token").is_some()
        })
        .await;
    server
        .delete("serviceaccounts", "default", "robot", "Background")
        .await;
    server.create("serviceaccounts", "default", account).await;
    server
        .eventually("the old account's token is gone", |s| {
            s.get("secrets", "default", "key").is_none()
        })
        .await;
    let lone =
        json!({"metadata": {"name": "lone", "annotations": {ACCOUNT: "nobody"}}, "type": TOKEN});
    let created = server.try_create("secrets", "default", lone).await;
    assert_eq!(created, Ok(()));
    server
        .eventually("a token of nobody is gone", |s| {
            s.get("secrets", "default", "lone").is_none()
        })
        .await;
}
