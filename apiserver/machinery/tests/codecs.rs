//! Generated objects of every kind: what one encoding writes, it and the others read back; defaulting twice is defaulting once.

#[path = "generated/object.rs"]
mod object;

use proptest::prelude::*;
use serde_json::Value;
use triad_machinery::codec::{Strictness, json, protobuf, yaml};
use triad_machinery::defaults::apply_defaults_at;
use triad_machinery::schema::{TypeId, schema};

use object::Generator;

fn kinds() -> Vec<TypeId> {
    schema()
        .type_ids()
        .filter(|id| schema().get(*id).registered || schema().has_type_meta(*id))
        .collect()
}

/// A random object in normal form.
fn object(id: TypeId, seed: u64) -> Value {
    let raw = Generator::new(seed).object(id);
    let text = json::encode_untyped(&raw);
    let decoded =
        json::decode(&text, id, Strictness::Report).unwrap_or_else(|e| panic!("{e}: {raw}"));
    assert_eq!(decoded.strict_errors, Vec::<String>::new());
    decoded.value
}

fn check_kind(id: TypeId, seed: u64) {
    let name = &schema().get(id).name;
    let tree = object(id, seed);
    let text = json::encode(&tree, id, None);
    let read = json::decode(&text, id, Strictness::Report).unwrap();
    assert_eq!(
        (&read.value, read.strict_errors.len()),
        (&tree, 0),
        "{name} in JSON, seed {seed}"
    );
    assert_eq!(json::encode(&read.value, id, None), text);
    let indented = json::decode(&json::pretty(&text), id, Strictness::Ignore).unwrap();
    assert_eq!(indented.value, tree, "{name} in indented JSON, seed {seed}");
    let document = yaml::encode(&tree, id, None);
    let read = yaml::decode(&document, id, Strictness::Report).map(|d| d.value);
    assert_eq!(
        read.as_ref(),
        Ok(&tree),
        "{name} in YAML, seed {seed}:\n{}",
        String::from_utf8_lossy(&document)
    );
    if !schema().get(id).proto.is_empty() {
        let message = protobuf::encode(&tree, id, None);
        assert_eq!(
            protobuf::decode(&message, id).as_ref(),
            Ok(&tree),
            "{name} in protobuf, seed {seed}"
        );
        let bare = protobuf::encode_message(&tree, id);
        let read = protobuf::decode_message(&bare, id).unwrap();
        assert_eq!(
            protobuf::encode_message(&read, id),
            bare,
            "{name} as a bare message, seed {seed}"
        );
    }
    let mut once = tree.clone();
    apply_defaults_at(&mut once, id, "2020-01-02T03:04:05Z");
    let mut twice = once.clone();
    apply_defaults_at(&mut twice, id, "2021-01-02T03:04:05Z");
    assert_eq!(twice, once, "{name} defaulted twice, seed {seed}");
}

#[test]
fn every_kind_survives_every_encoding() {
    let kinds = kinds();
    assert!(kinds.len() > 300, "{}", kinds.len());
    for id in kinds {
        (0..6).for_each(|seed| check_kind(id, seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_kind_survives_any_encoding(kind in 0_usize..10_000, seed: u64) {
        let kinds = kinds();
        check_kind(kinds[kind % kinds.len()], seed);
    }

    #[test]
    fn no_bytes_upset_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let pod = schema().kind("", "v1", "Pod").unwrap();
        let _ = protobuf::decode_message(&bytes, pod);
        let _ = protobuf::open(&bytes);
        let _ = json::decode(&bytes, pod, Strictness::Report);
        let _ = json::interpret(&bytes);
        let _ = yaml::decode(&bytes, pod, Strictness::Report);
    }

    /// Messages that were cut, or had a byte changed, are refused or read as something else; nothing worse.
    #[test]
    fn damaged_messages_are_survived(kind in 0_usize..10_000, seed: u64, at in 0_usize..4000, byte: u8, cut: bool) {
        let kinds = kinds();
        let id = kinds[kind % kinds.len()];
        let tree = object(id, seed);
        for mut bytes in [protobuf::encode(&tree, id, None), json::encode(&tree, id, None)] {
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let _ = protobuf::decode(&bytes, id);
            if let Ok(decoded) = json::decode(&bytes, id, Strictness::Report) {
                let text = json::encode(&decoded.value, id, None);
                prop_assert!(json::decode(&text, id, Strictness::Ignore).is_ok());
            }
        }
    }

    /// The quick path and the explaining one agree on what JSON is.
    #[test]
    fn what_is_refused_has_a_reason(text in r#"[\{\}\[\],:"a01.eE+\-tnull \\u]{0,24}"#) {
        if let Err(error) = json::decode_untyped(text.as_bytes(), Strictness::Ignore) {
            prop_assert!(serde_json::from_str::<Value>(&text).is_err() || error.to_string().contains("cannot unmarshal number"), "{text:?}: {error}");
        } else {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok() || text.contains("\\u"), "{text:?}");
        }
    }
}
