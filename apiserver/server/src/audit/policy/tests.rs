//! Policies and the requests that they are about.

use super::*;
use crate::query::Query;

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

fn read(rest: &str) -> Result<Policy, String> {
    Policy::read(format!("{HEAD}{rest}").as_bytes())
}

fn level(policy: &Policy, user: Option<&str>, method: &str, path: &str) -> Level {
    let user = user.map(|name| User {
        name: name.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..User::default()
    });
    let info = RequestInfo::new(method, path, &Query::default());
    policy.judge(user.as_ref(), &info).level
}

#[test]
fn the_first_rule_that_matches_counts() {
    let policy = read(
        "omitStages: [RequestReceived]
rules:
- {level: None, users: ['system:kube-proxy'], verbs: [watch, get]}
- {level: None, userGroups: ['system:authenticated'], nonResourceURLs: ['/api*', /version]}
- {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [controller-leader]}], namespaces: [kube-system]}
- {level: RequestResponse, omitManagedFields: true, omitStages: [Panic], resources: [{group: '', resources: ['pods/log', '*/status', 'services/*']}]}
- {level: Metadata, resources: [{group: apps}, {group: '*', resources: [secrets]}]}
",
    );
    let policy = policy.unwrap_or_else(|why| panic!("{why}"));
    let at = |user, method, path| level(&policy, user, method, path);
    let someone = Some("alice");
    assert_eq!(
        at(Some("system:kube-proxy"), "GET", "/api/v1/nodes"),
        Level::None
    );
    for (path, wanted) in [
        ("/apis", Level::None),
        ("/version", Level::None),
        ("/healthz", Level::None),
        (
            "/api/v1/namespaces/kube-system/configmaps/controller-leader",
            Level::Request,
        ),
        (
            "/api/v1/namespaces/default/configmaps/controller-leader",
            Level::None,
        ),
        ("/api/v1/namespaces/a/pods/p/log", Level::RequestResponse),
        ("/api/v1/namespaces/a/pods/p", Level::None),
        ("/api/v1/namespaces/a/pods/p/status", Level::RequestResponse),
        ("/api/v1/namespaces/a/services/s", Level::RequestResponse),
        (
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            Level::Metadata,
        ),
        ("/api/v1/namespaces/a/secrets/s", Level::Metadata),
    ] {
        assert_eq!(at(someone, "GET", path), wanted, "{path}");
    }
    let info = RequestInfo::new("GET", "/api/v1/namespaces/a/services/s", &Query::default());
    let verdict = policy.judge(None, &info);
    assert!(verdict.omit_managed_fields);
    assert_eq!(
        verdict.omit_stages,
        [Stage::Panic, Stage::RequestReceived],
        "the rule's and the policy's"
    );
    assert_eq!(
        at(None, "GET", "/version"),
        Level::None,
        "no user is in no group"
    );
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    for (text, why) in [
        ("rules: []", "loaded illegal policy with 0 rules"),
        ("rules: [{}]", "rules[0].level: Required value"),
        (
            "rules: [{level: All}]",
            "rules[0].level: Unsupported value: \"All\"",
        ),
        (
            "rules: [{level: None, nonResourceURLs: [api, '/*x']}]",
            "must begin with a '/' character",
        ),
        (
            "rules: [{level: None, nonResourceURLs: ['/*x']}]",
            "must be the final character",
        ),
        (
            "rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]",
            "rules cannot apply to both",
        ),
        (
            "rules: [{level: None, resources: [{group: rbac.k8s.io/v1}]}]",
            "rules[0].resources.group: Invalid value: \"rbac.k8s.io/v1\"",
        ),
        (
            "rules: [{level: None, resources: [{resourceNames: [x]}]}]",
            "requires at least one resource",
        ),
        (
            "rules: [{level: None}]\nomitStages: [Never]",
            "omitStages[0]: Invalid value: \"Never\": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic",
        ),
        ("rules: {level: None}", "rules is no list"),
    ] {
        let refused = read(text).err().unwrap_or_else(|| panic!("{text}: taken"));
        assert!(refused.contains(why), "{refused}");
    }
    let refused = Policy::read(b"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n").err();
    assert!(refused.is_some_and(|why| why.contains("no kind \"Policy\" is registered")));
}
