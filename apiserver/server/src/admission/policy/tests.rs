//! Policies over a whole server: worked examples, and what happens when they fail.

use crate::testing::Server;
use serde_json::{Value, json};

const REGISTRATION: &str = "admissionregistration.k8s.io";

async fn server() -> Server {
    Server::start_with("none", &["--disable-admission-plugins=ServiceAccount"]).await
}

async fn level(server: &Server) {
    server
        .api
        .cacher
        .wait_for(server.api.store.revision())
        .await;
}

/// A policy with this specification, bound to everything with this of a binding.
async fn policy(server: &Server, kind: &str, name: &str, spec: Value, binding: Value) {
    let resource = if kind == "Validating" {
        "validating"
    } else {
        "mutating"
    };
    let api = format!("{REGISTRATION}/v1");
    let object = json!({"apiVersion": api, "kind": format!("{kind}AdmissionPolicy"), "metadata": {"name": name}, "spec": spec});
    server
        .create(
            &format!("{resource}admissionpolicies.{REGISTRATION}"),
            "",
            object,
        )
        .await;
    let mut bound = json!({"apiVersion": api, "kind": format!("{kind}AdmissionPolicyBinding"), "metadata": {"name": name}, "spec": binding});
    bound["spec"]["policyName"] = json!(name);
    server
        .create(
            &format!("{resource}admissionpolicybindings.{REGISTRATION}"),
            "",
            bound,
        )
        .await;
    level(server).await;
}

fn of(plural: &str) -> Value {
    json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}]})
}

fn map(name: &str, labels: Value, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", "labels": labels}, "data": data})
}

async fn refused(server: &Server, object: Value) -> String {
    let status = server
        .try_create("configmaps", "default", object)
        .await
        .expect_err("refused");
    assert_eq!((status.code, &*status.reason), (422, "Invalid"));
    status.message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_required_with_a_message_of_its_own() {
    let server = server().await;
    let spec = json!({"matchConstraints": of("configmaps"),
        "variables": [{"name": "team", "expression": "object.metadata.?labels[?'team'].orValue('')"}],
        "matchConditions": [{"name": "not-system", "expression": "!object.metadata.name.startsWith('kube-')"}],
        "validations": [{"expression": "variables.team != ''", "messageExpression": "'label team is missing from ' + request.name"}]});
    policy(
        &server,
        "Validating",
        "team",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    server
        .try_create(
            "configmaps",
            "default",
            map("fine", json!({"team": "a"}), json!({})),
        )
        .await
        .expect("labelled");
    server
        .try_create("configmaps", "default", map("kube-x", json!({}), json!({})))
        .await
        .expect("exempt");
    assert_eq!(
        refused(&server, map("bare", json!({}), json!({}))).await,
        "configmaps \"bare\" is forbidden: ValidatingAdmissionPolicy 'team' with binding 'team' denied request: label team is missing from bare"
    );
}

/// A definition of limits, stored as v1 and served as v2 too.
fn limits() -> Value {
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "most": {"type": "integer"}, "least": {"type": "integer", "default": 2}}}}})
    };
    let names =
        json!({"plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList"});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": LIMITS},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version("v1", true), version("v2", false)]}})
}

const LIMITS: &str = "limits.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn parameters_may_be_of_a_custom_kind() {
    let server = server().await;
    let spec = json!({"matchConstraints": of("configmaps"), "paramKind": {"apiVersion": "example.com/v2", "kind": "Limit"},
        "validations": [{"expression": "params.apiVersion == 'example.com/v2' && object.data.size() <= params.most && object.data.size() >= params.least"}]});
    let binding = json!({"validationActions": ["Deny"], "paramRef": {"name": "limit", "parameterNotFoundAction": "Deny"}});
    policy(&server, "Validating", "size", spec, binding).await;
    let data = |count: usize| -> Value {
        let entries = (0..count).map(|number| (format!("k{number}"), json!("v")));
        Value::Object(entries.collect())
    };
    // Nobody has defined the kind yet: the policy cannot judge, and refuses.
    let why = refused(&server, map("early", json!({}), data(1))).await;
    assert!(
        why.ends_with("failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v2, Kind=Limit'"),
        "{why}"
    );
    server
        .create(
            "customresourcedefinitions.apiextensions.k8s.io",
            "",
            limits(),
        )
        .await;
    let served = |server: &Server| {
        let customs = &server.api.endpoints.customs;
        customs.in_version("example.com", "v2", "Limit").is_some()
    };
    server.eventually("the kind is served", served).await;
    let why = refused(&server, map("unlimited", json!({}), data(1))).await;
    assert!(why.contains("no params found"), "{why}");

    let limit = json!({"apiVersion": "example.com/v1", "kind": "Limit", "metadata": {"name": "limit", "labels": {"a": "b"}}, "most": 2});
    let registry = server.api.endpoints.customs.registry(LIMITS);
    let registry = registry.expect("what is established is served");
    let made = server.client.create(&registry, "default", &limit).await;
    made.expect("a limit");
    level(&server).await;
    let made = server.try_create("configmaps", "default", map("fine", json!({}), data(2)));
    made.await.expect("as many as there may be");
    for (name, count) in [("large", 3), ("small", 1)] {
        let why = refused(&server, map(name, json!({}), data(count))).await;
        assert!(why.contains("failed expression"), "{why}");
    }
    // The same by its labels.
    let spec = json!({"matchConstraints": of("configmaps"), "paramKind": {"apiVersion": "example.com/v1", "kind": "Limit"},
        "validations": [{"expression": "object.data.size() + 1 <= params.most", "message": "more than the selected limit"}]});
    let binding = json!({"validationActions": ["Deny"], "paramRef": {"selector": {"matchLabels": {"a": "b"}}, "parameterNotFoundAction": "Deny"}});
    policy(&server, "Validating", "selected", spec, binding).await;
    let why = refused(&server, map("two", json!({}), data(2))).await;
    assert!(why.ends_with("more than the selected limit"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_selectors_narrow_what_is_judged() {
    let server = server().await;
    let limit = map("limit", json!({}), json!({"most": "2"}));
    server.create("configmaps", "default", limit).await;
    let spec = json!({"matchConstraints": of("configmaps"), "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "!has(object.data) || object.data.size() <= int(params.data.most)"}]});
    let binding = json!({"validationActions": ["Deny"], "paramRef": {"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"},
        "matchResources": {"objectSelector": {"matchLabels": {"limited": "yes"}}}});
    policy(&server, "Validating", "size", spec, binding).await;
    let data = || json!({"a": "1", "b": "2", "c": "3"});
    server
        .try_create("configmaps", "default", map("free", json!({}), data()))
        .await
        .expect("not selected");
    let why = refused(&server, map("large", json!({"limited": "yes"}), data())).await;
    assert!(
        why.ends_with(
            "failed expression: !has(object.data) || object.data.size() <= int(params.data.most)"
        ),
        "{why}"
    );
    server
        .delete("configmaps", "default", "limit", "Background")
        .await;
    level(&server).await;
    let why = refused(&server, map("small", json!({"limited": "yes"}), json!({}))).await;
    assert!(why.ends_with("failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_refuse_unless_the_policy_lets_them_pass() {
    let server = server().await;
    let spec = |policy: &str| json!({"matchConstraints": of("configmaps"), "failurePolicy": policy, "validations": [{"expression": "object.data.absent == 'x'"}]});
    policy(
        &server,
        "Validating",
        "lenient",
        spec("Ignore"),
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    server
        .try_create(
            "configmaps",
            "default",
            map("a", json!({}), json!({"k": "v"})),
        )
        .await
        .expect("ignored");
    policy(
        &server,
        "Validating",
        "strict",
        spec("Fail"),
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    let why = refused(&server, map("b", json!({}), json!({"k": "v"}))).await;
    assert!(
        why.ends_with(
            "expression 'object.data.absent == 'x'' resulted in error: no such key: absent"
        ),
        "{why}"
    );
}

/// One policy must not take more than its budget, however its expressions are written.
#[tokio::test(flavor = "multi_thread")]
async fn the_budget_is_the_policys_and_ends_it() {
    let server = server().await;
    let all: Vec<Value> = (0..30)
        .map(|n| json!({"expression": format!("authorizer.path('/{n}').check('get').allowed()")}))
        .collect();
    let spec = json!({"matchConstraints": of("configmaps"), "validations": all});
    policy(
        &server,
        "Validating",
        "dear",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    let why = refused(&server, map("a", json!({}), json!({}))).await;
    assert!(why.ends_with("validation failed due to running out of cost budget, no further validation rules will be run"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_is_injected_once_and_later_policies_see_it() {
    let server = server().await;
    let absent = "!object.spec.containers.exists(c, c.name == 'sidecar')";
    let sidecar = json!({"matchConstraints": of("pods"), "reinvocationPolicy": "IfNeeded", "failurePolicy": "Fail",
        "matchConditions": [{"name": "absent", "expression": absent}],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'sidecar', image: 'mesh/proxy:1'}]}}"}}]});
    policy(&server, "Mutating", "b-sidecar", sidecar, json!({})).await;
    let count = json!({"matchConstraints": of("pods"), "reinvocationPolicy": "IfNeeded", "failurePolicy": "Fail",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
            "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'containers': string(object.spec.containers.size())}}]"}}]});
    policy(&server, "Mutating", "a-count", count, json!({})).await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "own", "image": "i"}]}});
    let made = server.create("pods", "default", pod).await;
    let names: Vec<&str> = made["spec"]["containers"]
        .as_array()
        .expect("containers")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(names, ["own", "sidecar"]);
    assert_eq!(
        made["spec"]["containers"][1]["imagePullPolicy"], "IfNotPresent",
        "defaults are filled in"
    );
    // It ran before the sidecar was there, and was asked again.
    assert_eq!(made["metadata"]["annotations"]["containers"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_do_not_judge_policies() {
    let server = server().await;
    let everything = json!({"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]});
    let spec = json!({"matchConstraints": everything, "validations": [{"expression": "false"}]});
    policy(
        &server,
        "Validating",
        "never",
        spec,
        json!({"validationActions": ["Deny"]}),
    )
    .await;
    let resource = format!("validatingadmissionpolicybindings.{REGISTRATION}");
    server.delete(&resource, "", "never", "Background").await;
    level(&server).await;
    server
        .try_create("configmaps", "default", map("a", json!({}), json!({})))
        .await
        .expect("free again");
}
