//! Any bytes as the stored form of a kind: refused, or an object that is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triad_machinery::codec::protobuf;
use triad_machinery::schema::schema;

const KINDS: [(&str, &str, &str); 4] = [
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "Node"),
    ("resource.k8s.io", "v1", "ResourceSlice"),
];

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    let (group, version, kind) = KINDS[usize::from(*which) % KINDS.len()];
    let root = schema()
        .kind(group, version, kind)
        .expect("a built-in kind");
    // The envelope is read on its own: it names the kind to readers of the store.
    let _ = protobuf::open(data);
    if let Ok(value) = protobuf::decode_message(data, root) {
        let bytes = protobuf::encode_message(&value, root);
        let again = protobuf::decode_message(&bytes, root).expect("what was written is read");
        assert_eq!(bytes, protobuf::encode_message(&again, root));
    }
});
