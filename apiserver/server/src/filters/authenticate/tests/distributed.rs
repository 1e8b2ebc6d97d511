//! Claims that lie elsewhere, with issuers that are really there.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_lie_elsewhere_are_fetched_and_proved() {
    let issuers = Issuers::start().await;
    let file = issuers.write(&issuers.configuration(""));
    let flag = format!("--authentication-config={}", file.display());
    let server = Server::start_with("none", &[&flag]).await;
    let of = |endpoint: String, more: Value| {
        let mut claims = json!({"upn": "alice", "_claim_names": {"groups": "here", "other": "there"},
            "_claim_sources": {"here": {"endpoint": endpoint, "access_token": "secret"}}});
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        issuers.token("v1", claims)
    };
    // By the issuer itself, and by another one.
    for version in ["v1", "d1"] {
        let token = of(format!("{}/groups", issuers.url(version)), json!({}));
        let user = review(&server, &token).await.expect("known");
        let groups = ["aad:far", "aad:away", "system:authenticated"];
        assert_eq!(user.groups, groups, "{version}");
    }
    // What a token says itself is not asked for, nor what is in it as a token of its own.
    let nowhere = || "https://127.0.0.1:1/groups".to_owned();
    for (more, groups) in [
        (
            json!({"groups": ["near"]}),
            vec!["aad:near", "system:authenticated"],
        ),
        (
            json!({"_claim_names": {"other": "here"}}),
            vec!["system:authenticated"],
        ),
        (
            json!({"_claim_sources": {"here": {"JWT": "x"}}}),
            vec!["system:authenticated"],
        ),
    ] {
        let user = review(&server, &of(nowhere(), more.clone())).await;
        assert_eq!(user.expect("known").groups, groups, "{more}");
    }
    let at = |path: &str| format!("{}/{path}", issuers.url("d1"));
    let refused = [
        (
            nowhere(),
            json!({}),
            "while getting distributed claim \"groups\": Get \"https://127.0.0.1:1/groups\": dial tcp",
        ),
        (
            at("groups").replace("https", "http"),
            json!({}),
            "URL scheme must be https",
        ),
        (
            at("large"),
            json!({}),
            "the answer has more than 1048576 bytes",
        ),
        (
            at("of-others"),
            json!({}),
            "verify distributed claim token: oidc: expected audience \"api\" got [\"others\"]",
        ),
        (at("without"), json!({}), "did not contain claim: groups"),
        (
            at("null"),
            json!({}),
            "getting untrusted issuer from endpoint",
        ),
        (
            nowhere(),
            json!({"_claim_names": ["groups"]}),
            "error parsing distributed claim names",
        ),
        (
            nowhere(),
            json!({"_claim_names": {"groups": "gone"}}),
            "contained a source gone missing in _claims_sources",
        ),
        (
            nowhere(),
            json!({"_claim_sources": 1}),
            "could not parse claim sources",
        ),
    ];
    for (endpoint, more, why) in refused {
        let refused = review(&server, &of(endpoint, more)).await;
        let said = refused.expect_err("refused");
        assert!(
            said.contains("oidc: could not expand distributed claims: "),
            "{said}"
        );
        assert!(said.contains(why), "{said}");
    }
}
