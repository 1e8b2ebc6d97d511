//! Any bytes as JSON of any kind: refused, or an object that comes back from all three encodings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triad_machinery::codec::{Strictness, json, protobuf};
use triad_machinery::schema::schema;

const KINDS: [(&str, &str, &str); 6] = [
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "Service"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema"),
];

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let (group, version, kind) = KINDS[usize::from(*which) % KINDS.len()];
    let root = schema()
        .kind(group, version, kind)
        .expect("a built-in kind");
    let Ok(decoded) = json::decode(data, root, Strictness::Ignore) else {
        return;
    };
    let text = json::encode(&decoded.value, root, None);
    let again = json::decode(&text, root, Strictness::Ignore).expect("what was written is read");
    assert_eq!(text, json::encode(&again.value, root, None));
    let bytes = protobuf::encode_message(&decoded.value, root);
    let value = protobuf::decode_message(&bytes, root).expect("what was written is read");
    assert_eq!(bytes, protobuf::encode_message(&value, root));
});
