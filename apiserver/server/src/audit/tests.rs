//! Audit over whole servers: what a request leaves behind.

use super::event::Event;
use super::policy::Stage;
use super::*;
use crate::testing::Server;
use serde_json::{Value, json};
use std::path::PathBuf;

const EVERYTHING: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse, omitManagedFields: true}]\n";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(policy: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("policy.yaml"), policy).expect("written");
        Place { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn server(&self, more: &[&str]) -> Server {
        let policy = format!("--audit-policy-file={}", self.file("policy.yaml").display());
        let log = format!("--audit-log-path={}", self.file("audit.log").display());
        let admission = "--disable-admission-plugins=ServiceAccount";
        let mut flags = vec![policy.as_str(), log.as_str(), admission];
        flags.extend(more);
        Server::start_with("none", &flags).await
    }

    fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("audit.log")).expect("a log");
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("a document a line")
    }

    /// The events of one stage about objects of a name.
    fn about(&self, name: &str, stage: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["objectRef"]["name"] == name && event["stage"] == stage);
        events
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"k": "<v>"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_leaves_what_was_asked_and_what_came_of_it() {
    let place = Place::new(EVERYTHING);
    let server = place.server(&[]).await;
    server.create("configmaps", "default", map("m")).await;
    let refused = server.try_create("configmaps", "default", map("m")).await;
    refused.expect_err("is there already");
    server
        .delete("configmaps", "default", "m", "Background")
        .await;
    let done = place.about("m", "ResponseComplete");
    let codes: Vec<&Value> = done.iter().map(|e| &e["responseStatus"]["code"]).collect();
    assert_eq!(codes, [201, 409, 200]);
    let made = &done[0];
    assert_eq!(
        (&made["kind"], &made["apiVersion"], &made["level"]),
        (
            &json!("Event"),
            &json!("audit.k8s.io/v1"),
            &json!("RequestResponse")
        )
    );
    assert_eq!(made["verb"], "create");
    assert_eq!(made["requestURI"], "/api/v1/namespaces/default/configmaps");
    assert_eq!(made["user"]["username"], "system:apiserver");
    assert_eq!(made["requestObject"]["data"], json!({"k": "<v>"}));
    assert_eq!(made["responseObject"]["kind"], "ConfigMap");
    assert!(made["responseObject"]["metadata"]["uid"].is_string());
    assert_eq!(
        made["responseObject"]["metadata"].get("managedFields"),
        None
    );
    let status = json!({"metadata": {}, "status": "Failure", "message": "configmaps \"m\" already exists", "reason": "AlreadyExists",
        "details": {"name": "m", "kind": "configmaps"}, "code": 409});
    assert_eq!(done[1]["responseStatus"], status);
    assert_eq!(
        done[2]["requestObject"]["propagationPolicy"], "Background",
        "the options of a deletion"
    );
    assert_eq!(
        done[2]["responseStatus"]["status"], "Success",
        "what answers with a Status"
    );
    let begun = place.events();
    let begun = begun
        .iter()
        .find(|event| event["auditID"] == made["auditID"]);
    let begun = begun.expect("the first stage");
    assert_eq!(begun["stage"], "RequestReceived");
    assert_eq!(begun["stageTimestamp"], begun["requestReceivedTimestamp"]);
    assert_eq!(begun.get("responseStatus"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_leaves_out_stages_and_requests() {
    let place = Place::new(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- {level: Metadata, resources: [{group: '', resources: [configmaps]}], verbs: [create]}\n",
    );
    let server = place.server(&[]).await;
    server.create("configmaps", "default", map("m")).await;
    server
        .delete("configmaps", "default", "m", "Background")
        .await;
    let mut events = place.events();
    events.retain(|event| event["objectRef"]["name"] == "m");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["verb"], "create");
    assert_eq!(events[0].get("requestObject"), None);
    assert_eq!(
        events[0]["responseStatus"],
        json!({"metadata": {}, "code": 201})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_into_an_event() {
    let place = Place::new(EVERYTHING);
    let server = place.server(&[]).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, "stringData": {"k": "canary"}, "data": {"k2": "Y2FuYXJ5"}});
    server.create("secrets", "default", secret).await;
    server
        .patch(
            "secrets",
            "default",
            "s",
            json!({"stringData": {"k": "canary"}}),
        )
        .await;
    assert_eq!(place.about("s", "ResponseComplete").len(), 2);
    let text = std::fs::read_to_string(place.file("audit.log")).expect("a log");
    assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_levels_of_pods_say_what_they_found() {
    let place = Place::new(EVERYTHING);
    let server = place.server(&[]).await;
    let group = "admissionregistration.k8s.io";
    let rules = json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}]});
    let policy = json!({"apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {"matchConstraints": rules, "validations": [{"expression": "true"}, {"expression": "object.metadata.name != 'm'", "message": "no m"}],
            "auditAnnotations": [{"key": "who", "valueExpression": "' ' + request.userInfo.username"}, {"key": "none", "valueExpression": "null"}]}});
    server
        .create(&format!("validatingadmissionpolicies.{group}"), "", policy)
        .await;
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Audit"]}});
    server
        .create(
            &format!("validatingadmissionpolicybindings.{group}"),
            "",
            binding,
        )
        .await;
    server.create("configmaps", "default", map("m")).await;
    let done = place.about("m", "ResponseComplete");
    let said = &done[0]["annotations"];
    assert_eq!(said["p/who"], "system:apiserver");
    assert_eq!(said.get("p/none"), None);
    let failures = said["validation.policy.admission.k8s.io/validation_failure"].as_str();
    let failures: Value = serde_json::from_str(failures.expect("failures")).expect("JSON");
    assert_eq!(
        failures,
        json!([{"message": "no m", "policy": "p", "binding": "b", "expressionIndex": 1, "validationActions": ["Audit"]}])
    );
    let patch = json!({"metadata": {"labels": {"pod-security.kubernetes.io/audit": "restricted"}}});
    server.patch("namespaces", "", "default", patch).await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server.create("pods", "default", pod).await;
    let said = &place.about("pod", "ResponseComplete")[0]["annotations"];
    assert_eq!(
        said["pod-security.kubernetes.io/enforce-policy"],
        "privileged:latest"
    );
    let violations = said["pod-security.kubernetes.io/audit-violations"].as_str();
    assert!(violations.is_some_and(|text| {
        text.starts_with(
            "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation",
        )
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_form_has_one_line_an_event_whatever_it_holds() {
    let place = Place::new(EVERYTHING);
    let server = place.server(&["--audit-log-format=legacy"]).await;
    server.create("configmaps", "default", map("m")).await;
    let event = Event {
        level: Level::Metadata,
        id: "a\nb".to_owned(),
        uri: "/x\r\nAUDIT: id=\"forged\"".to_owned(),
        verb: "get".to_owned(),
        user: None,
        impersonated: None,
        constraint: None,
        from: Vec::new(),
        agent: "\u{2028}\"agent\"".to_owned(),
        object: None,
        status: None,
        code: None,
        request: None,
        response: None,
        received: "t".to_owned(),
        annotations: Default::default(),
    };
    let forms = Forms {
        line: true,
        cut: false,
    };
    let written = event.write(Stage::RequestReceived, "t", forms);
    assert_eq!(
        written.line,
        r#"t AUDIT: id="a\nb" stage="RequestReceived" ip="<unknown>" method="get" user="<none>" groups="<none>" as="<self>" asgroups="<lookup>" user-agent="\u2028\"agent\"" namespace="<none>" uri="/x\r\nAUDIT: id=\"forged\"" response="<deferred>""#
    );
    assert!(!written.alone().contains(&b'\n'));
    let read: Value = serde_json::from_slice(written.alone()).expect("JSON");
    assert_eq!(read["requestURI"], "/x\r\nAUDIT: id=\"forged\"");
    let text = std::fs::read_to_string(place.file("audit.log")).expect("a log");
    assert!(text.lines().all(|line| line.contains(" AUDIT: id=\"")));
    assert!(text.contains("as=\"<self>\" asgroups=\"<lookup>\" user-agent=\"kube-controller-manager\" namespace=\"default\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_cut_and_what_still_is_is_counted() {
    let place = Place::new(EVERYTHING);
    let cut = [
        "--audit-log-truncate-enabled",
        "--audit-log-truncate-max-event-size=3000",
    ];
    let server = place.server(&cut).await;
    let mut large = map("large");
    large["data"] = json!({"k": "x".repeat(5000)});
    server.create("configmaps", "default", large).await;
    let done = place.about("large", "ResponseComplete");
    assert_eq!(done[0]["annotations"]["audit.k8s.io/truncated"], "true");
    assert_eq!(done[0].get("responseObject"), None);
    let mut page = String::new();
    render(server.api.audit.as_ref(), &mut page);
    assert!(
        page.contains("apiserver_audit_error_total{plugin=\"truncate\"} 0"),
        "{page}"
    );
    assert!(
        page.contains("apiserver_audit_level_total{level=\"RequestResponse\"}"),
        "{page}"
    );
}

/// A request whose first event is lost must not go on where that is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn strict_means_that_nothing_happens_unseen() {
    let place = Place::new(EVERYTHING);
    let full = [
        "--audit-log-path=/dev/full",
        "--audit-log-mode=blocking-strict",
        "--audit-log-maxsize=0",
    ];
    let server = place.server(&full).await;
    let refused = server
        .try_create("configmaps", "default", map("unseen"))
        .await;
    assert_eq!(
        refused.expect_err("refused").message,
        "Internal error occurred: failed to store audit event"
    );
    assert!(server.get("configmaps", "default", "unseen").is_none());
}
