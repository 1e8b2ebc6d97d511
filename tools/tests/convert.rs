//! `triadctl convert` from the outside: encodings, strictness, versions and exit codes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn convert(input: &[u8], arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_triadctl"))
        .arg("convert")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that is refused may not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;

#[test]
fn an_object_goes_round_through_all_encodings() {
    let json = text(&convert(DEPLOYMENT.as_bytes(), &[]));
    assert!(json.starts_with(r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},"spec":{"replicas":2,"selector":null,"#));
    assert!(json.ends_with("}\n"));
    let yaml = text(&convert(json.as_bytes(), &["-o", "yaml"]));
    assert!(yaml.starts_with("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n"));
    let protobuf = convert(yaml.as_bytes(), &["--output", "protobuf"]).stdout;
    assert!(protobuf.starts_with(b"k8s\0"));
    assert_eq!(
        text(&convert(&protobuf, &["-f", "-", "--output=json"])),
        json
    );
    assert!(
        text(&convert(&protobuf, &["--pretty"])).starts_with("{\n  \"kind\": \"Deployment\",\n")
    );
}

#[test]
fn removed_versions_are_known() {
    let old = br#"{"apiVersion":"extensions/v1beta1","kind":"Deployment","metadata":{"name":"a"}}"#;
    assert!(text(&convert(old, &[])).contains(r#""apiVersion":"extensions/v1beta1""#));
    let new = text(&convert(old, &["--output-version", "apps/v1"]));
    assert!(
        new.starts_with(r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"a"}"#)
    );
}

#[test]
fn exit_codes_say_who_can_mend_it() {
    let unknown = DEPLOYMENT.replace("replicas", "replicaz");
    assert!(convert(unknown.as_bytes(), &[]).status.success());
    let strict = convert(unknown.as_bytes(), &["--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&strict.stderr)
            .contains(r#"strict decoding error: unknown field "spec.replicaz""#)
    );
    for input in [
        "",
        "[]",
        "{\"kind\":",
        "{\"kind\":\"Nope\",\"apiVersion\":\"v1\"}",
        "a: b: c",
        "k8s\0\u{1}",
    ] {
        assert_eq!(
            convert(input.as_bytes(), &[]).status.code(),
            Some(1),
            "{input:?}"
        );
    }
    assert_eq!(
        convert(DEPLOYMENT.as_bytes(), &["--output-version", "batch/v1"])
            .status
            .code(),
        Some(1)
    );
    assert_eq!(convert(b"", &["--nope"]).status.code(), Some(2));
    assert_eq!(convert(b"", &["-o", "xml"]).status.code(), Some(2));
    assert_eq!(
        convert(b"", &["-f", "/no/such/file"]).status.code(),
        Some(3)
    );
}

#[test]
fn manifests_of_versions_that_are_gone_come_out_as_todays() {
    let manifests = "# an old chart
apiVersion: extensions/v1beta1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
---
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: web}
spec: {backend: {serviceName: web, servicePort: 80}}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: c}
spec: {schedule: \"* * * * *\", jobTemplate: {spec: {template: {spec: {containers: []}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: as-it-is}
";
    let out = text(&convert(manifests.as_bytes(), &["--latest", "-o", "yaml"]));
    let documents: Vec<&str> = out.split("---\n").collect();
    assert_eq!(documents.len(), 4);
    assert!(documents[0].starts_with("apiVersion: apps/v1\nkind: Deployment\n"));
    assert!(documents[1].starts_with("apiVersion: networking.k8s.io/v1\nkind: Ingress\n"));
    assert!(documents[1].contains(
        "defaultBackend:\n    service:\n      name: web\n      port:\n        number: 80\n"
    ));
    assert!(documents[2].starts_with("apiVersion: batch/v1\nkind: CronJob\n"));
    assert!(documents[3].starts_with("apiVersion: v1\n"));
}

#[test]
fn a_list_of_anything_is_converted_item_by_item() {
    let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"policy/v1beta1","kind":"PodDisruptionBudget","metadata":{"name":"b"}},{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}]}"#;
    let out = text(&convert(list.as_bytes(), &["--latest"]));
    assert!(out.contains(r#""apiVersion":"policy/v1""#), "{out}");
    assert!(out.contains(r#""kind":"Secret""#));
}

#[test]
fn several_objects_are_no_one_message() {
    let two = b"apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret\n";
    assert_eq!(convert(two, &["-o", "protobuf"]).status.code(), Some(1));
}
