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
