//! JSON: the texts of refusals, what strict decoding finds, how odd input reads, and how values are written.

use serde_json::{Value, json};
use triad_machinery::codec::{DecodeError, Strictness, json};
use triad_machinery::schema::{TypeId, schema};

fn kind(group: &str, version: &str, kind: &str) -> TypeId {
    schema().kind(group, version, kind).unwrap()
}

fn pod(text: &str) -> Result<Value, DecodeError> {
    json::decode(text.as_bytes(), kind("", "v1", "Pod"), Strictness::Ignore).map(|d| d.value)
}

fn malformed(message: &str) -> DecodeError {
    DecodeError::Malformed(message.to_owned())
}

#[test]
fn syntax_errors_are_gos() {
    for (text, message) in [
        ("", "unexpected end of JSON input"),
        ("{\"kind\":", "unexpected end of JSON input"),
        (
            "\u{1f}",
            "invalid character '\\x1f' looking for beginning of value",
        ),
        (
            "{a",
            "invalid character 'a' looking for beginning of object key string",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        (
            "{\"a\":1 \"b\"}",
            "invalid character '\"' after object key:value pair",
        ),
        (
            "{\"spec\":[1 2]}",
            "invalid character '2' after array element",
        ),
        ("{} x", "invalid character 'x' after top-level value"),
        (
            "{\"a\":\"\n\"}",
            "invalid character '\\n' in string literal",
        ),
        (
            "{\"a\":\"\\x\"}",
            "invalid character 'x' in string escape code",
        ),
        (
            "{\"a\":\"\\u12g4\"}",
            "invalid character 'g' in \\u hexadecimal character escape",
        ),
        ("{\"a\":-x}", "invalid character 'x' in numeric literal"),
        (
            "{\"a\":1.x}",
            "invalid character 'x' after decimal point in numeric literal",
        ),
        (
            "{\"a\":1ex}",
            "invalid character 'x' in exponent of numeric literal",
        ),
        (
            "{\"a\":trux}",
            "invalid character 'x' in literal true (expecting 'e')",
        ),
        (
            "{\"a\":01}",
            "invalid character '1' after object key:value pair",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        (
            "{\"metadata\":{\"creationTimestamp\":\"x\"}",
            "unexpected end of JSON input",
        ),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        (
            "'",
            "invalid character '\\'' looking for beginning of value",
        ),
    ] {
        assert_eq!(pod(text), Err(malformed(message)), "{text:?}");
    }
}

#[test]
fn type_errors_are_gos() {
    for (text, message) in [
        (
            "[]",
            "json: cannot unmarshal array into Go value of type v1.Pod",
        ),
        (
            r#"{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}"#,
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            r#"{"spec":{"containers":[{"ports":"x"}]}}"#,
            "json: cannot unmarshal string into Go struct field Container.spec.containers.ports of type []v1.ContainerPort",
        ),
        (
            r#"{"spec":{"containers":[5]}}"#,
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"spec":{"priority":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            r#"{"spec":{"priority":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            r#"{"spec":{"hostNetwork":"true"}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            r#"{"spec":{"overhead":{"cpu":"x y"}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"2020-02-30T00:00:00Z"}}"#,
            "parsing time \"2020-02-30T00:00:00Z\": day out of range",
        ),
        (
            r#"{"spec":{"volumes":[{"emptyDir":[]}]}}"#,
            "json: cannot unmarshal array into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            r#"{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]}}"#,
            "json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
        (
            r#"{"kind":5}"#,
            "json: cannot unmarshal number into Go struct field Pod.TypeMeta.kind of type string",
        ),
        // The first mismatch counts, but an unmarshaler that refuses ends it all.
        (
            r#"{"spec":{"priority":"a","hostNetwork":1}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            r#"{"spec":{"priority":"a","overhead":{"cpu":"1q"}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        assert_eq!(
            pod(text),
            Err(DecodeError::Unfit(message.to_owned())),
            "{text}"
        );
    }
    let secret = kind("", "v1", "Secret");
    let bad = json::decode(
        br#"{"data":{"a":"bad value!"}}"#,
        secret,
        Strictness::Ignore,
    );
    assert_eq!(
        bad,
        Err(DecodeError::Unfit(
            "illegal base64 data at input byte 3".to_owned()
        ))
    );
}

#[test]
fn strict_decoding_finds_the_unknown_and_the_repeated() {
    let text = br#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"c","imag":"x","image":"i","image":"j","ports":[{"cPort":1}]},{"resources":{"limit":{}}}],"Containers":[]},"metadata":{"labels":{"x":"1","x":"2"}},"metadata":{"name":"a"}}"#;
    let decoded = json::decode(text, kind("", "v1", "Pod"), Strictness::Report).unwrap();
    assert_eq!(
        decoded.strict_errors,
        [
            r#"unknown field "spec.containers[0].imag""#,
            r#"duplicate field "spec.containers[0].image""#,
            r#"unknown field "spec.containers[0].ports[0].cPort""#,
            r#"unknown field "spec.containers[1].resources.limit""#,
            r#"unknown field "spec.Containers""#,
            r#"duplicate field "metadata.labels.x""#,
            r#"duplicate field "metadata""#,
        ]
    );
    // What comes twice is merged, as Go decodes into what is there.
    assert_eq!(
        decoded.value["metadata"],
        json!({"labels": {"x": "2"}, "name": "a"})
    );
    assert_eq!(decoded.value["spec"]["containers"][0]["image"], "j");
}

#[test]
fn trees_are_in_normal_form() {
    let text = r#"{"kind":"Pod","metadata":{"name":"","labels":{},"annotations":null,"generation":0,"creationTimestamp":null,"finalizers":[],"nope":1},
        "spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":1024}},"securityContext":{}}, null],"priority":0,"hostNetwork":false,
        "activeDeadlineSeconds":0,"terminationGracePeriodSeconds":null},"status":{"startTime":"2020-01-02T03:04:05.678+02:00"}}"#;
    assert_eq!(
        pod(text).unwrap(),
        json!({"kind": "Pod", "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1024"}}, "securityContext": {}}, {}],
            "priority": 0, "activeDeadlineSeconds": 0}, "status": {"startTime": "2020-01-02T01:04:05Z"}})
    );
    let written = json::encode(&pod("{}").unwrap(), kind("", "v1", "Pod"), None);
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#
    );
    let gvk = json::Gvk {
        api_version: "v1",
        kind: "Pod",
    };
    let written = json::encode(&json!({"kind": "X"}), kind("", "v1", "Pod"), Some(gvk));
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":null},"status":{}}"#
    );
}

#[test]
fn strings_and_numbers_are_written_as_go_does() {
    let config_map = kind("", "v1", "ConfigMap");
    let tree = json!({"data": {"b": "<a> & \u{2028}\u{7f}\u{0}\u{8}\"\\\n", "a": "é"}});
    assert_eq!(
        String::from_utf8(json::encode(&tree, config_map, None)).unwrap(),
        "{\"metadata\":{},\"data\":{\"a\":\"é\",\"b\":\"\\u003ca\\u003e \\u0026 \\u2028\u{7f}\\u0000\\b\\\"\\\\\\n\"}}"
    );
    for (number, text) in [
        (1.0, "1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-7"),
        (1.5e-6, "0.0000015"),
        (-0.25, "-0.25"),
        (1e300, "1e+300"),
    ] {
        assert_eq!(
            String::from_utf8(json::encode_untyped(&json!(number))).unwrap(),
            text
        );
    }
}

#[test]
fn odd_strings_read_as_in_go() {
    let name = |raw: &[u8]| {
        let text = [b"{\"metadata\":{\"name\":\"", raw, b"\"}}"].concat();
        let decoded = json::decode(&text, kind("", "v1", "Pod"), Strictness::Ignore).unwrap();
        decoded.value["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(name(b"a\xff\xe2\x82b"), "a\u{fffd}\u{fffd}\u{fffd}b");
    assert_eq!(name(b"\\ud83d\\ude00\\ud83d\\u0041\\/"), "😀\u{fffd}A/");
    assert_eq!(name(b"\xed\xa0\x80"), "\u{fffd}\u{fffd}\u{fffd}");
}

#[test]
fn deep_nesting_is_bounded() {
    let nest = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(pod(&nest(5_000)).is_ok());
    assert_eq!(
        pod(&nest(20_000)),
        Err(malformed("invalid character '[' exceeded max depth"))
    );
    assert!(json::decode_untyped(nest(5_000).as_bytes(), Strictness::Report).is_ok());
    assert!(json::decode_untyped(nest(20_000).as_bytes(), Strictness::Report).is_err());
    // Trees as deep as that are written, compared and dropped on an ordinary stack; cloning them takes up to 6 MiB of it.
    let deepest = || {
        json::decode_untyped(nest(9_998).as_bytes(), Strictness::Ignore)
            .unwrap()
            .value
    };
    assert!(deepest() == deepest());
    assert!(json::encode_untyped(&deepest()) == nest(9_998).as_bytes());
    let crd = kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let schema = format!("{}{}{}", "{\"not\":".repeat(4_000), "{}", "}".repeat(4_000));
    let text =
        format!("{{\"spec\":{{\"versions\":[{{\"schema\":{{\"openAPIV3Schema\":{schema}}}}}]}}}}");
    let tree = json::decode(text.as_bytes(), crd, Strictness::Ignore)
        .unwrap()
        .value;
    assert!(json::encode(&tree, crd, None).len() > 28_000);
}

#[test]
fn kind_and_version_are_found_first() {
    let meta =
        json::interpret(br#" {"Kind":"A","kind":"B","apiVersion":"apps/v1","x":[{"kind":"no"}]} "#)
            .unwrap();
    assert_eq!(
        (meta.kind.as_str(), meta.group_version()),
        ("B", ("apps", "v1"))
    );
    assert_eq!(json::interpret(b"null").unwrap(), json::TypeMeta::default());
    assert_eq!(
        json::interpret(b"[]"),
        Err(malformed(
            r#"couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#
        ))
    );
    assert_eq!(
        json::interpret(br#"{"kind":5}"#),
        Err(malformed(
            "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string"
        ))
    );
}

#[test]
fn to_json_value_is_what_go_would_marshal() {
    let tree = pod(r#"{"spec":{"containers":[{"name":"a"}]},"kind":"Pod"}"#).unwrap();
    let filled = json::to_json_value(&tree, kind("", "v1", "Pod"));
    assert_eq!(
        filled,
        json!({"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "a", "resources": {}}]}, "status": {}})
    );
    let back = json::from_json_value(&filled, kind("", "v1", "Pod"), Strictness::Report).unwrap();
    assert_eq!((back.value, back.strict_errors.len()), (tree, 0));
}
