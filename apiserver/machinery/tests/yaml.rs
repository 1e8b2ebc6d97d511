//! YAML 1.1 in, sigs.k8s.io/yaml's layout out, and the refusals.

use serde_json::{Value, json};
use triad_machinery::codec::{DecodeError, Strictness, yaml};
use triad_machinery::schema::schema;

#[test]
fn scalars_read_as_in_yaml_1_1() {
    for (text, value) in [
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("y", json!(true)),
        ("'yes'", json!("yes")),
        ("~", json!(null)),
        ("", json!(null)),
        ("010", json!(8)),
        ("0o10", json!(8)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("08", json!(8.0)),
        ("1_000", json!(1000)),
        ("-5", json!(-5)),
        ("1.0", json!(1.0)),
        ("1e3", json!("1e3")),
        ("1e+3", json!(1000.0)),
        (".5", json!(0.5)),
        ("5.", json!("5.")),
        (
            "18446744073709551615",
            json!(18_446_744_073_709_551_615_u64),
        ),
        ("2001-12-14", json!("2001-12-14")),
        ("12:30:45", json!("12:30:45")),
        ("!!str 5", json!("5")),
        ("!!int 5", json!(5)),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        (">-\n  a\n  b\n", json!("a b")),
        ("{a: 1, b: [x, y]}", json!({"a": 1, "b": ["x", true]})),
        ("{\"a\": 1}", json!({"a": 1})),
        (
            "y: yes\n1: a\n~: n0\n",
            json!({"true": true, "1": "a", "null": "n0"}),
        ),
        ("a: 1\n---\nb: 2\n", json!({"a": 1})),
        ("# nothing\n---\na: 1\n...\n{broken", json!({"a": 1})),
        (
            "base: &b {x: 1, y2: 2}\nmore: {<<: *b, x: 3}\n",
            json!({"base": {"x": 1, "y2": 2}, "more": {"x": 3, "y2": 2}}),
        ),
        ("a: &x [1]\nb: *x\n", json!({"a": [1], "b": [1]})),
    ] {
        assert_eq!(yaml::to_value(text.as_bytes()), Ok(value), "{text:?}");
    }
}

#[test]
fn what_is_refused() {
    let bomb: String = ["a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()]
        .into_iter()
        .chain(('b'..='j').map(|c| {
            let before = (c as u8 - 1) as char;
            format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 9].join(","))
        }))
        .collect();
    for (text, message) in [
        (bomb.as_str(), "yaml: document contains excessive aliasing"),
        (
            "a: b: c",
            "yaml: mapping values are not allowed in this context",
        ),
        ("a: *nope", "yaml: unknown anchor referenced"),
        (
            "<<: 5\n",
            "yaml: map merge requires map or sequence of maps as the value",
        ),
        ("!!int x", "yaml: cannot decode !!str `x` as a !!int"),
    ] {
        assert_eq!(
            yaml::to_value(text.as_bytes()),
            Err(DecodeError::Malformed(message.to_owned()))
        );
    }
    for text in [
        "a: &a [*a]",
        "[",
        "a: \"",
        "{a: 1",
        &"[".repeat(5000),
        "%YAML 9\n---\n",
    ] {
        assert!(yaml::to_value(text.as_bytes()).is_err(), "{text:.20}");
    }
    assert!(yaml::to_value(b"a: \xff").is_err());
}

#[test]
fn duplicates_are_reported_in_one_error() {
    let config_map = schema().kind("", "v1", "ConfigMap").unwrap();
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  nope: 1\n  labels:\n    x: '1'\n    x: '2'\ndata:\n  a: '1'\n  a: '2'\nspec: {}\n";
    let decoded = yaml::decode(text.as_bytes(), config_map, Strictness::Report).unwrap();
    assert_eq!(
        decoded.strict_errors.join(", "),
        "yaml: unmarshal errors:\n  line 8: key \"x\" already set in map\n  line 11: key \"a\" already set in map, unknown field \"metadata.nope\", unknown field \"spec\""
    );
    let warnings = yaml::warnings(&decoded.strict_errors);
    assert_eq!(warnings[1], "line 11: key \"a\" already set in map");
    assert_eq!(warnings.len(), 4);
    assert_eq!(decoded.value["data"]["a"], "2");
}

#[test]
fn layout_and_quoting() {
    let long = "configmaps is forbidden: User \"system:anonymous\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"x\"";
    let value = json!({
        "empty": "", "list": [1, "two", {"b": 1, "a": [[true]]}], "none": null, "yes": "no", "number": "5", "date": "2020-01-02T03:04:05Z", "colon": "a: b",
        "hash": "a #b", "lines": "a\nb\n", "line": "a\nb", "more": "a\n\n", "spaces": " a", "tab": "a\tb", "quote": "it's", "star": "*a", "clock": "12:30", "message": long,
        "k10": 1, "k9": 2, "float": 1e21, "small": 1e-7, "half": 0.5, "map": {}, "seq": [], "unicode": "ünï", "dash": "-", "dots": "...",
    });
    let text = String::from_utf8(yaml::from_json(&serde_json::to_vec(&value).unwrap())).unwrap();
    assert_eq!(
        text,
        r#"clock: "12:30"
colon: 'a: b'
dash: '-'
date: "2020-01-02T03:04:05Z"
dots: '...'
empty: ""
float: 1e+21
half: 0.5
hash: 'a #b'
k9: 2
k10: 1
line: |-
  a
  b
lines: |
  a
  b
list:
- 1
- two
- a:
  - - true
  b: 1
map: {}
message: 'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps"
  in API group "" in the namespace "x"'
more: |+
  a

none: null
number: "5"
quote: it's
seq: []
small: 1e-07
spaces: ' a'
star: '*a'
tab: "a\tb"
unicode: ünï
"yes": "no"
"#
    );
    assert_eq!(yaml::to_value(text.as_bytes()), Ok(value));
    assert_eq!(yaml::from_json(b"[]"), b"[]\n");
    let nothing: Value = yaml::to_value(b"# only a comment\n").unwrap();
    assert_eq!(nothing, Value::Null);
}
