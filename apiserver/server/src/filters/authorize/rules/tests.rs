//! How far bindings reach, and how fast that is known.

use super::*;
use serde_json::json;

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..User::default()
    }
}

/// Of cluster roles, roles, cluster role bindings and role bindings.
fn compiled([cluster_roles, roles, cluster_bindings, bindings]: [Vec<Value>; 4]) -> Compiled {
    let mut compiled = Compiled::default();
    for role in cluster_roles.iter().chain(&roles) {
        compiled.role(None, Some(role));
    }
    for binding in cluster_bindings.iter().chain(&bindings) {
        compiled.binding(None, Some(binding));
    }
    compiled
}

fn asks(verb: &str, resource: &str, subresource: &str, namespace: &str, name: &str) -> Attributes {
    Attributes {
        verb: verb.into(),
        resource_request: true,
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: namespace.into(),
        name: name.into(),
        ..Attributes::default()
    }
}

#[test]
fn bindings_reach_as_far_as_they_should() {
    let view = json!({"kind": "ClusterRole", "metadata": {"name": "view"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "*/scale"]}, {"verbs": ["get"], "nonResourceURLs": ["/api/*"]}]});
    let one = json!({"kind": "Role", "metadata": {"name": "one", "namespace": "a"}, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["secrets"], "resourceNames": ["s"]}]});
    let everywhere = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "Group", "name": "g"}]});
    let here = json!({"metadata": {"name": "b", "namespace": "a"}, "roleRef": {"kind": "Role", "name": "one"}, "subjects": [{"kind": "ServiceAccount", "name": "sa"}]});
    let rbac = compiled([vec![view], vec![one], vec![everywhere], vec![here]]);
    let member = user("x", &["g"]);
    assert!(
        rbac.allows(&member, &asks("get", "pods", "", "any", "p"))
            .is_some()
    );
    assert!(
        rbac.allows(&member, &asks("get", "deployments", "scale", "any", "p"))
            .is_some()
    );
    assert!(
        rbac.allows(&member, &asks("get", "pods", "log", "any", "p"))
            .is_none()
    );
    assert!(
        rbac.allows(&member, &asks("list", "pods", "", "any", ""))
            .is_none()
    );
    let path = |path: &str| Attributes {
        verb: "get".into(),
        path: path.into(),
        ..Attributes::default()
    };
    assert!(rbac.allows(&member, &path("/api/v1")).is_some());
    assert!(rbac.allows(&member, &path("/metrics")).is_none());
    let account = user("system:serviceaccount:a:sa", &[]);
    assert!(
        rbac.allows(&account, &asks("delete", "secrets", "", "a", "s"))
            .is_some()
    );
    assert!(
        rbac.allows(&account, &asks("delete", "secrets", "", "a", "t"))
            .is_none()
    );
    assert!(
        rbac.allows(&account, &asks("delete", "secrets", "", "b", "s"))
            .is_none()
    );
}

/// What wildcards stand for is exactly what upstream says: none reaches a subresource that it does not name.
#[test]
fn cis_5_1_3_wildcard_subresources_reach_no_further_than_they_say() {
    let rule = |resources: &[&str]| {
        Rule::new(&json!({"verbs": ["get"], "apiGroups": [""], "resources": resources}))
    };
    let reaches = |resources: &[&str], resource: &str, subresource: &str| {
        rule(resources).allows(&asks("get", resource, subresource, "n", "x"))
    };
    for (resources, resource, subresource, allowed) in [
        (["pods"], "pods", "", true),
        (["pods"], "pods", "exec", false),
        (["pods/log"], "pods", "", false),
        (["pods/log"], "pods", "logs", false),
        (["pods/*"], "pods", "exec", false),
        (["*/log"], "pods", "exec", false),
        (["*/log"], "log", "", false),
        (["*/*"], "pods", "exec", false),
        (["po*"], "pods", "", false),
        (["pods/"], "pods", "", false),
        (["*/"], "pods", "", false),
        (["*"], "pods", "exec", true),
    ] {
        let reached = reaches(&resources, resource, subresource);
        assert_eq!(reached, allowed, "{resources:?} {resource}/{subresource}");
    }
    let exec = Rule::new(
        &json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["own"]}),
    );
    assert!(!exec.allows(&asks("get", "pods", "exec", "n", "other")));
}

/// What single changes make is what one would have made anew.
#[test]
fn changes_are_followed() {
    let role = |name: &str, verbs: &[&str]| json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": [{"verbs": verbs, "apiGroups": [""], "resources": ["pods"]}]});
    let binding = |namespace: &str, name: &str, role: &str, subjects: &[&str]| {
        let subjects: Vec<Value> = subjects
            .iter()
            .map(|name| json!({"kind": "User", "name": name}))
            .collect();
        json!({"metadata": {"name": name, "namespace": namespace}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects})
    };
    let mut rbac = Compiled::default();
    let may = |rbac: &Compiled, name: &str, verb: &str, namespace: &str| {
        rbac.allows(&user(name, &[]), &asks(verb, "pods", "", namespace, ""))
            .is_some()
    };
    let first = binding("", "b", "view", &["u", "v", "u"]);
    rbac.binding(None, Some(&first));
    let before = rbac.clone();
    assert!(!may(&rbac, "u", "list", "n"), "there is no such role yet");
    let lacks = rbac.missing(&user("u", &[]), &asks("list", "pods", "", "n", ""));
    assert!(lacks.contains("\"view\" not found"), "{lacks}");
    let view = role("view", &["list"]);
    rbac.role(None, Some(&view));
    assert!(may(&rbac, "u", "list", "n") && may(&rbac, "v", "list", ""));
    assert!(!may(&before, "u", "list", "n"), "a copy stays as it was");
    let wider = role("view", &["list", "delete"]);
    rbac.role(Some(&view), Some(&wider));
    assert!(may(&rbac, "u", "delete", "n"));
    let second = binding("n", "b", "view", &["u"]);
    rbac.binding(None, Some(&second));
    let fewer = binding("", "b", "view", &["v"]);
    rbac.binding(Some(&first), Some(&fewer));
    assert!(may(&rbac, "u", "list", "n") && !may(&rbac, "u", "list", "m"));
    assert!(may(&rbac, "v", "list", "m"));
    rbac.role(Some(&wider), None);
    assert!(!may(&rbac, "v", "list", "m"));
    rbac.binding(Some(&second), None);
    rbac.binding(Some(&fewer), None);
    assert!(
        rbac.users.is_empty() && rbac.roles.is_empty(),
        "nothing is left"
    );
}

/// 10,000 bindings, a tenth of them for one group in as many namespaces.
fn ten_thousand() -> Compiled {
    let role = |name: &str| {
        json!({"metadata": {"name": name}, "rules": [
        {"verbs": ["get", "list", "watch"], "apiGroups": ["", "apps"], "resources": ["pods", "configmaps", "deployments"]},
        {"verbs": ["create", "delete"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"]}]})
    };
    let roles: Vec<Value> = (0..100).map(|at| role(&format!("role-{at}"))).collect();
    let binding = |at: usize, kind: &str, name: String| {
        json!({"metadata": {"name": format!("b{at}"), "namespace": format!("ns-{at}")},
        "roleRef": {"kind": "ClusterRole", "name": format!("role-{}", at % 100)}, "subjects": [{"kind": kind, "name": name}]})
    };
    let bindings = (0..10_000).map(|at| match at % 10 {
        0 => binding(at, "Group", "everybody".to_owned()),
        _ => binding(at, "User", format!("user-{}", at % 1000)),
    });
    compiled([roles, Vec::new(), Vec::new(), bindings.collect()])
}

#[test]
fn a_decision_looks_at_the_bindings_of_its_namespace_alone() {
    let compiled = ten_thousand();
    let user = user("user-1", &["everybody", "system:authenticated"]);
    for (namespace, looked_at) in [("ns-9990", 1), ("ns-9001", 1), ("ns-9991", 0), ("", 0)] {
        let grants = compiled.grants(&user, namespace).count();
        assert_eq!(grants, looked_at, "{namespace}");
    }
}

fn binding(name: &str, user: &str) -> Value {
    json!({"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": user}]})
}

/// 10,000 cluster role bindings, one for each of as many users.
fn ten_thousand_everywhere() -> Compiled {
    let role = json!({"metadata": {"name": "view"}, "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]});
    let bindings = (0..10_000).map(|at| binding(&format!("b{at}"), &format!("user-{at}")));
    let bindings = bindings.collect();
    compiled([vec![role], Vec::new(), bindings, Vec::new()])
}

#[test]
#[ignore = "it measures: run it by name, with --ignored --nocapture"]
fn the_time_of_a_decision_among_ten_thousand_bindings() {
    let mut criterion = criterion::Criterion::default().without_plots();
    let user = user("user-1", &["everybody", "system:authenticated"]);
    let (within, everywhere) = (ten_thousand(), ten_thousand_everywhere());
    for (name, compiled, asked, allowed) in [
        (
            "allowed in a namespace",
            &within,
            asks("list", "pods", "", "ns-9990", ""),
            true,
        ),
        (
            "refused in a namespace",
            &within,
            asks("delete", "secrets", "", "ns-9991", "s"),
            false,
        ),
        (
            "allowed everywhere",
            &everywhere,
            asks("list", "pods", "", "", ""),
            true,
        ),
        (
            "refused everywhere",
            &everywhere,
            asks("delete", "secrets", "", "ns-1", "s"),
            false,
        ),
    ] {
        assert_eq!(compiled.allows(&user, &asked).is_some(), allowed, "{name}");
        criterion.bench_function(&format!("10,000 bindings: {name}"), |bencher| {
            bencher.iter(|| compiled.allows(&user, std::hint::black_box(&asked)));
        });
    }
    let another = binding("b", "user-1");
    criterion.bench_function("10,000 bindings: one more and one less", |bencher| {
        bencher.iter(|| {
            let mut more = everywhere.clone();
            more.binding(None, Some(&another));
            let mut less = more.clone();
            less.binding(Some(&another), None);
            (more, less)
        });
    });
}
