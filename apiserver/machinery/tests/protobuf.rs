//! Protobuf: the envelope, the texts of refusals, and records that other writers may send.

use serde_json::json;
use triad_machinery::codec::{DecodeError, Strictness, json, protobuf};
use triad_machinery::schema::{TypeId, schema};

fn config_map() -> TypeId {
    schema().kind("", "v1", "ConfigMap").unwrap()
}

#[test]
fn refusals_have_upstreams_texts() {
    let envelope = |body: &[u8]| [&b"k8s\0"[..], body].concat();
    for (data, error) in [
        (Vec::new(), DecodeError::Malformed("empty data".to_owned())),
        (envelope(b""), DecodeError::Malformed("empty body".to_owned())),
        (
            b"notmagic".to_vec(),
            DecodeError::Malformed(
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]".to_owned(),
            ),
        ),
        (envelope(b"garbage"), DecodeError::Malformed("proto: illegal wireType 7".to_owned())),
        (envelope(b"\x12\x02\xff\xff"), DecodeError::Unfit("unexpected EOF".to_owned())),
        (envelope(b"\x12\x02\x08\x01"), DecodeError::Unfit("proto: wrong wireType = 0 for field ObjectMeta".to_owned())),
        (envelope(b"\x12\x01\x02"), DecodeError::Unfit("proto: ConfigMap: illegal tag 0 (wire type 2)".to_owned())),
        (envelope(b"\x12\x01\x0c"), DecodeError::Unfit("proto: ConfigMap: wiretype end group for non-group".to_owned())),
        (envelope(b"\x12\x0b\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), DecodeError::Unfit("proto: integer overflow".to_owned())),
        (envelope(b"\x12\x0b\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), DecodeError::Unfit("proto: negative length found during unmarshaling".to_owned())),
    ] {
        assert_eq!(protobuf::decode(&data, config_map()), Err(error), "{data:?}");
    }
}

#[test]
fn an_envelope_says_what_it_carries() {
    let tree = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "z"}, "data": {"b": "2", "a": "1"}});
    let bytes = protobuf::encode(&tree, config_map(), None);
    assert!(bytes.starts_with(b"k8s\0\n\x0f\n\x02v1\x12\x09ConfigMap\x12"));
    assert!(bytes.ends_with(b"\x1a\0\"\0"));
    let envelope = protobuf::open(&bytes).unwrap();
    assert_eq!(
        (
            envelope.type_meta.kind.as_str(),
            envelope.type_meta.api_version.as_str()
        ),
        ("ConfigMap", "v1")
    );
    assert_eq!(protobuf::decode(&bytes, config_map()).unwrap(), tree);
    let gvk = json::Gvk {
        api_version: "v1",
        kind: "Other",
    };
    let renamed = protobuf::encode(&tree, config_map(), Some(gvk));
    assert_eq!(protobuf::open(&renamed).unwrap().type_meta.kind, "Other");
}

#[test]
fn records_merge_as_gogo_merges_them() {
    // name twice, metadata twice, an unknown field and an unknown group between.
    let message = b"\x0a\x06\x0a\x01a\x0a\x01b\x98\x06\x05\x9b\x06\x08\x01\x9c\x06\x0a\x03\x1a\x01n\x12\x04\x0a\x00\x12\x00";
    let tree = protobuf::decode_message(message, config_map()).unwrap();
    assert_eq!(
        tree,
        json!({"metadata": {"name": "b", "namespace": "n"}, "data": {"": ""}})
    );
}

#[test]
fn nesting_is_bounded() {
    let props = schema()
        .type_named("apiextensions/v1.JSONSchemaProps")
        .unwrap();
    let nested = |depth: usize| {
        let text = format!("{}{}{}", "{\"not\":".repeat(depth), "{}", "}".repeat(depth));
        json::decode(text.as_bytes(), props, Strictness::Ignore)
            .unwrap()
            .value
    };
    let tree = nested(5_000);
    let message = protobuf::encode_message(&tree, props);
    assert_eq!(
        protobuf::decode_message(&message, props).as_ref(),
        Ok(&tree)
    );
    let not = schema()
        .struct_of(props)
        .unwrap()
        .field("not")
        .unwrap()
        .number;
    let mut message = protobuf::encode_message(&nested(9_000), props);
    for _ in 0..2_000 {
        let mut outer = varint(u64::from(not) << 3 | 2);
        outer.extend(varint(message.len() as u64));
        outer.extend(&message);
        message = outer;
    }
    let error = DecodeError::Unfit("proto: message nested too deep".to_owned());
    assert_eq!(protobuf::decode_message(&message, props), Err(error));
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn negative_numbers_take_ten_bytes() {
    let scale = schema().type_named("autoscaling/v1.ScaleSpec").unwrap();
    assert_eq!(
        protobuf::encode_message(&json!({"replicas": -1}), scale),
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    );
    assert_eq!(protobuf::encode_message(&json!({}), scale), b"\x08\0");
}
