//! What a file of issuers may say.

use super::*;

const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";

fn read(rest: &str) -> Result<Configured, String> {
    let options = Options {
        anonymous: true,
        ..Options::default()
    };
    let own = ["https://kubernetes.default.svc".to_owned()];
    of_file(format!("{HEAD}{rest}").as_bytes(), &options, &own)
}

#[test]
fn who_may_come_without_proof() {
    let allowed = |text: &str, path: &str| {
        let read = read(text).unwrap_or_else(|why| panic!("{why}"));
        let info = RequestInfo {
            path: path.to_owned(),
            ..RequestInfo::default()
        };
        read.anonymous.allows(&info)
    };
    assert!(allowed("", "/api"), "as the flag says");
    assert!(!allowed("anonymous: {enabled: false}", "/livez"));
    let some = "anonymous: {enabled: true, conditions: [{path: /livez}]}";
    assert!(allowed(some, "/livez") && !allowed(some, "/livez/") && !allowed(some, "/api"));
    let given = Options {
        anonymous_given: true,
        ..Options::default()
    };
    let text = format!("{HEAD}{some}");
    let refused = of_file(text.as_bytes(), &given, &[])
        .err()
        .expect("refused");
    assert!(
        refused.starts_with("--anonymous-auth flag cannot be set"),
        "{refused}"
    );
}

#[test]
fn what_is_wrong_with_an_issuer_is_named() {
    let issuer = |issuer: &str, rest: &str| {
        format!(
            "jwt: [{{issuer: {{{issuer}}}, claimMappings: {{username: {{claim: sub, prefix: ''}}}}{rest}}}]"
        )
    };
    let fine = "url: 'https://x', audiences: [a]";
    assert!(read(&issuer(fine, "")).is_ok());
    let wrong: &[(String, &str)] = &[
        (
            issuer("audiences: [a]", ""),
            "jwt[0].issuer.url: Required value",
        ),
        (
            issuer("url: 'http://x', audiences: [a]", ""),
            "URL scheme must be https",
        ),
        (
            issuer("url: 'https://kubernetes.default.svc', audiences: [a]", ""),
            "URL must not overlap with disallowed issuers",
        ),
        (
            issuer("url: 'https://u:p@x?q=1', audiences: [a]", ""),
            "URL must not contain a username or password",
        ),
        (
            issuer(
                "url: 'https://x', discoveryURL: 'https://x/', audiences: [a]",
                "",
            ),
            "discoveryURL must be different from URL",
        ),
        (
            issuer("url: 'https://x'", ""),
            "jwt[0].issuer.audiences: Required value",
        ),
        (
            issuer("url: 'https://x', audiences: [a, b]", ""),
            "audienceMatchPolicy must be MatchAny for multiple audiences",
        ),
        (
            issuer(
                "url: 'https://x', audiences: [a], certificateAuthority: nonsense",
                "",
            ),
            "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\"",
        ),
        (
            issuer(
                fine,
                ", claimValidationRules: [{claim: hd, expression: 'true'}]",
            ),
            "claim and expression can't both be set",
        ),
        (
            issuer(
                fine,
                ", claimValidationRules: [{expression: 'claims.x'}, {expression: '1'}]",
            ),
            "jwt[0].claimValidationRules[1].expression: Invalid value: \"1\": must evaluate to bool",
        ),
        (
            issuer(fine, ", userValidationRules: [{expression: 'user.nope'}]"),
            "undefined field 'nope'",
        ),
        (
            issuer(fine, ", userValidationRule: []"),
            "strict decoding error: unknown field \"jwt.userValidationRule\"",
        ),
        (
            format!("jwt: [{{issuer: {{{fine}}}, claimMappings: {{username: {{claim: sub}}}}}}]"),
            "prefix is required when claim is set",
        ),
        (
            format!(
                "jwt: [{{issuer: {{{fine}}}, claimMappings: {{username: {{expression: 'claims.email'}}}}}}]"
            ),
            "claims.email_verified must be used",
        ),
        (
            format!(
                "jwt: [{{issuer: {{{fine}}}, claimMappings: {{username: {{claim: sub, prefix: ''}}, extra: [{{key: a.kubernetes.io/x, valueExpression: claims.x}}]}}}}]"
            ),
            "reserved for Kubernetes use",
        ),
        (
            "anonymous: {enabled: false, conditions: [{path: /x}]}".to_owned(),
            "enabled should be set to true when conditions are defined",
        ),
    ];
    for (text, why) in wrong {
        let refused = read(text).err().unwrap_or_else(|| panic!("taken: {text}"));
        assert!(refused.contains(why), "{why} in {refused}");
    }
    let verified = format!(
        "jwt: [{{issuer: {{{fine}}}, claimValidationRules: [{{expression: 'claims.?email_verified.orValue(true) == true'}}], claimMappings: {{username: {{expression: 'claims.email'}}}}}}]"
    );
    assert!(read(&verified).is_ok(), "{:?}", read(&verified).err());
}
