//! Who may act as whom, by roles of a whole server.

use super::*;
use crate::testing::Server;
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

async fn server(rules: Value) -> Server {
    let server = Server::start_with("none", &["--authorization-mode=RBAC"]).await;
    let role = json!({"metadata": {"name": "r"}, "rules": rules});
    server
        .create(&format!("clusterroles.{RBAC}"), "", role)
        .await;
    let binding = json!({"metadata": {"name": "b"}, "subjects": [{"kind": "User", "apiGroup": RBAC, "name": "caller"}],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "r"}});
    server
        .create(&format!("clusterrolebindings.{RBAC}"), "", binding)
        .await;
    server
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources})
}

async fn act(
    server: &Server,
    caller: &User,
    given: &[(&str, &str)],
) -> Result<Option<Acting>, Status> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name: HeaderName = name.parse().expect("a name");
        headers.append(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    let asked = || Attributes {
        verb: "list".to_owned(),
        resource_request: true,
        version: "v1".to_owned(),
        resource: "pods".to_owned(),
        namespace: "default".to_owned(),
        ..Attributes::default()
    };
    let acting = impersonate(&server.api.authorizer, caller, &mut headers, asked).await;
    assert!(acting.is_err() || headers.is_empty(), "{headers:?}");
    acting
}

fn caller() -> User {
    User {
        name: "caller".to_owned(),
        ..User::default()
    }
}

#[test]
fn nobody_is_overlooked_for_the_letters_of_a_name() {
    let named = |name: &[u8]| {
        let value = HeaderValue::from_bytes(name).expect("a value");
        wanted(&mut HeaderMap::from_iter([(
            HeaderName::from_static(USER),
            value,
        )]))
    };
    let zoe = named("zo\u{eb}".as_bytes()).expect("read").expect("named");
    assert_eq!(zoe.name, "zo\u{eb}");
    assert_eq!(named(b"zo\xeb").expect_err("refused").code, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn acting_as_anybody_needs_each_part() {
    let core = rule(
        &["impersonate"],
        &[""],
        &["users", "groups", "serviceaccounts"],
    );
    let server = server(json!([core])).await;
    let caller = caller();
    let bob = [("Impersonate-User", "bob")];
    let acting = act(&server, &caller, &bob).await;
    let acting = acting
        .unwrap_or_else(|status| panic!("{status}"))
        .expect("somebody");
    assert_eq!(acting.user.groups, ["system:authenticated"]);
    assert_eq!(acting.constraint, None);
    let account = [("Impersonate-User", "system:serviceaccount:ns:a")];
    let acting = act(&server, &caller, &account).await;
    let acting = acting
        .unwrap_or_else(|status| panic!("{status}"))
        .expect("somebody");
    assert_eq!(
        acting.user.groups,
        [
            "system:serviceaccounts",
            "system:serviceaccounts:ns",
            "system:authenticated"
        ]
    );
    for more in [
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-a.io%2fb", "c"),
    ] {
        let refused = act(&server, &caller, &[bob[0], more]).await;
        let refused = refused.err().expect("refused");
        assert_eq!(refused.code, 403);
        assert!(
            refused.message.contains("User \"caller\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"default\""),
            "the narrower way is what is told: {refused}"
        );
    }
    let nobody = [("Impersonate-Group", "g"), ("Impersonate-Extra-k", "v")];
    let refused = act(&server, &caller, &nobody).await.err().expect("refused");
    assert_eq!(
        (refused.code, refused.message.as_ref()),
        (
            400,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, Extra:map[string][]string{\"k\":[]string{\"v\"}}} without impersonating a user name"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_way_allows_what_is_done_that_way_alone() {
    let auth = &["authentication.k8s.io"];
    let rules = json!([
        rule(&["impersonate:user-info"], auth, &["users", "groups"]),
        rule(&["impersonate-on:user-info:list"], &[""], &["pods"]),
        rule(&["impersonate:associated-node"], auth, &["nodes"]),
        rule(&["impersonate-on:associated-node:list"], &[""], &["pods"]),
    ]);
    let server = server(rules).await;
    let bob = ("Impersonate-User", "bob");
    let acting = act(&server, &caller(), &[bob, ("Impersonate-Group", "g")]).await;
    let acting = acting
        .unwrap_or_else(|status| panic!("{status}"))
        .expect("bob");
    assert_eq!(acting.constraint.as_deref(), Some("impersonate:user-info"));
    assert_eq!(acting.user.groups, ["g", "system:authenticated"]);
    for (given, why) in [
        (
            [bob, ("Impersonate-Group", "system:masters")],
            "impersonating the system:masters group is not allowed",
        ),
        (
            [bob, ("Impersonate-Extra-plain", "x")],
            "impersonating an invalid key in extra is not allowed",
        ),
        (
            [
                ("Impersonate-User", "system:node:n"),
                ("Impersonate-Group", "g"),
            ],
            "cannot impersonate resource \"users\"",
        ),
        (
            [
                ("Impersonate-User", "system:node:n"),
                ("Impersonate-Uid", ""),
            ],
            "cannot impersonate-on:arbitrary-node:list",
        ),
    ] {
        let refused = act(&server, &caller(), &given).await.err().expect(why);
        assert!(refused.message.contains(why), "{refused}");
    }
    let binding =
        json!({"subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "agent"}]});
    server
        .patch(&format!("clusterrolebindings.{RBAC}"), "", "b", binding)
        .await;
    let mut agent = User {
        name: "system:serviceaccount:default:agent".to_owned(),
        ..User::default()
    };
    let node = |name: &str| vec![name.to_owned()];
    agent.extra = [(
        "authentication.kubernetes.io/node-name".to_owned(),
        node("n"),
    )]
    .into();
    let acting = act(&server, &agent, &[("Impersonate-User", "system:node:n")]).await;
    let acting = acting
        .unwrap_or_else(|status| panic!("{status}"))
        .expect("the node");
    assert_eq!(acting.user.groups, ["system:nodes", "system:authenticated"]);
    let other = act(&server, &agent, &[("Impersonate-User", "system:node:m")]).await;
    assert_eq!(other.err().expect("not its node").code, 403);
}
