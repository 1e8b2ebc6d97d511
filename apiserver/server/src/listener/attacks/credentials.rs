//! What proves nothing: tokens that are over, of others, for others or broken. Each is answered alike, and says nothing of why.

use super::*;

const UNAUTHORIZED: &str = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n";

/// The answer's code and body, without what only a person reads.
async fn answer(target: &Target, token: &str) -> (u16, Value) {
    let (code, body) = target.as_who(token, "GET /api/v1/namespaces", "", "").await;
    (code, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn cwe_287_what_proves_nothing_is_401_whatever_is_wrong_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = dir.path().join("key.pem");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    std::fs::write(&key, pair.serialize_pem()).expect("written");
    let keys = [
        format!("--service-account-signing-key-file={}", key.display()),
        format!("--service-account-key-file={}", key.display()),
    ];
    let with = |issuer: &'static str| {
        let flags = [
            keys[0].as_str(),
            keys[1].as_str(),
            issuer,
            "--enable-bootstrap-token-auth",
        ];
        flags.map(str::to_owned)
    };
    let (own, other) = (
        with("--service-account-issuer=https://own"),
        with("--service-account-issuer=https://other"),
    );
    let target = Target::start_with(&own.each_ref().map(String::as_str)).await;
    let elsewhere = Target::start_with(&other.each_ref().map(String::as_str)).await;
    let account = |target: &Target| target.server.get("serviceaccounts", "default", "a");
    for target in [&target, &elsewhere] {
        let account = json!({"metadata": {"name": "a"}});
        target
            .server
            .create("serviceaccounts", "default", account)
            .await;
    }
    let sign = |of: &Target, audience: &str, seconds: i64| {
        let account = account(of).expect("an account");
        let audiences = [audience.to_owned()];
        let tokens = &of.server.api.authenticator.tokens;
        let life = tokens.life(seconds, false, &audiences);
        tokens
            .sign(&account, &audiences, life, None)
            .expect("signed")
            .0
    };
    let good = sign(&target, "https://own", 600);
    assert_eq!(
        answer(&target, &good).await.0,
        403,
        "known, and without rights"
    );
    let mut forged = good.clone();
    forged.replace_range(forged.len() - 6.., "AAAAAA");
    let unauthorized: Value = serde_json::from_str(UNAUTHORIZED).expect("a status");
    for (what, token) in [
        ("expired", sign(&target, "https://own", -3600)),
        ("of another issuer", sign(&elsewhere, "https://other", 600)),
        ("for another audience", sign(&target, "https://vault", 600)),
        ("with a forged signature", forged),
        ("cut", good[..good.len() / 2].to_owned()),
        (
            "unsigned",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.".to_owned(),
        ),
        ("of nobody", "x".to_owned()),
        (
            "a bootstrap token that is not there",
            "abcdef.0123456789abcdef".to_owned(),
        ),
    ] {
        assert_eq!(
            answer(&target, &token).await,
            (401, unauthorized.clone()),
            "{what}"
        );
    }
    // Revoked: the account is another one by now.
    target
        .server
        .delete("serviceaccounts", "default", "a", "Background")
        .await;
    let again = json!({"metadata": {"name": "a"}});
    target
        .server
        .create("serviceaccounts", "default", again)
        .await;
    assert_eq!(answer(&target, &good).await, (401, unauthorized));
}

/// A bootstrap token counts from the moment that its Secret is there until it is gone; a password only where passwords are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_tokens_and_passwords_count_where_they_are_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let users = dir.path().join("users.csv");
    std::fs::write(&users, "canary-password,pat,9\n").expect("written");
    let flag = format!("--basic-auth-file={}", users.display());
    let target = Target::start_with(&[&flag, "--enable-bootstrap-token-auth"]).await;
    let secret = json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "stringData": {
        "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}});
    target.server.create("secrets", "kube-system", secret).await;
    let (code, body) = target
        .as_who("abcdef.0123456789abcdef", "GET /api/v1/secrets", "", "")
        .await;
    assert_eq!(code, 403);
    assert!(body.contains("system:bootstrap:abcdef"), "{body}");
    target
        .server
        .delete(
            "secrets",
            "kube-system",
            "bootstrap-token-abcdef",
            "Background",
        )
        .await;
    assert_eq!(answer(&target, "abcdef.0123456789abcdef").await.0, 401);

    use base64::Engine as _;
    let basic = |given: &str| {
        let given = base64::engine::general_purpose::STANDARD.encode(given);
        format!("Authorization: Basic {given}\r\n")
    };
    let line = "GET /api/v1/secrets";
    let (code, body) = target.ask(line, &basic("pat:canary-password"), "").await;
    assert_eq!(
        (code, body.contains("\\\"pat\\\" cannot list")),
        (403, true),
        "{body}"
    );
    assert_eq!(target.ask(line, &basic("pat:wrong"), "").await.0, 401);
    assert!(!target.log().contains("canary"), "no password in events");
    let plain = Target::start().await;
    let (code, body) = plain.ask(line, &basic("pat:canary-password"), "").await;
    assert_eq!(
        (code, body.contains("system:anonymous")),
        (403, true),
        "{body}"
    );
}
