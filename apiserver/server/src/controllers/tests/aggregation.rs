//! Aggregated cluster roles follow the roles that they select.

use crate::testing::Server;
use serde_json::{Value, json};

const ROLES: &str = "clusterroles.rbac.authorization.k8s.io";

fn role(name: &str, label: &str, resource: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {label: "true"}}, "rules": [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}]})
}

fn resources(server: &Server, name: &str) -> Vec<String> {
    let role = server.get(ROLES, "", name).unwrap_or_default();
    let rules = role["rules"].as_array().cloned().unwrap_or_default();
    rules
        .iter()
        .map(|rule| rule["resources"][0].as_str().unwrap_or("").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregated_role_holds_the_rules_of_those_it_selects() {
    let server = Server::start("clusterrole-aggregation").await;
    server
        .eventually("the system's own view role is filled", |s| {
            resources(s, "view")
                .iter()
                .any(|resource| !resource.is_empty())
        })
        .await;
    let selectors =
        json!([{"matchLabels": {"to-sum": "true"}}, {"matchLabels": {"to-too": "true"}}]);
    let sum = json!({"metadata": {"name": "sum"}, "aggregationRule": {"clusterRoleSelectors": selectors}});
    server.create(ROLES, "", sum).await;
    server.create(ROLES, "", role("b", "to-sum", "pods")).await;
    server.create(ROLES, "", role("c", "to-sum", "pods")).await;
    server
        .create(ROLES, "", role("a", "to-too", "secrets"))
        .await;
    server
        .eventually("by selector, then by name, each rule once", |s| {
            resources(s, "sum") == ["pods", "secrets"]
        })
        .await;
    let unlabelled = json!({"metadata": {"labels": null}});
    server.patch(ROLES, "", "a", unlabelled).await;
    server
        .eventually("a role no longer selected counts no longer", |s| {
            resources(s, "sum") == ["pods"]
        })
        .await;
    server.delete(ROLES, "", "b", "Background").await;
    server.delete(ROLES, "", "c", "Background").await;
    server
        .eventually("without any, none is left", |s| {
            resources(s, "sum").is_empty()
        })
        .await;
}
