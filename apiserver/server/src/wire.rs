//! Protobuf framing of lists and watch events around encoded objects, without a tree of the whole.

use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use triad_machinery::codec::protobuf::{self, MAGIC};

/// Empty contentEncoding and contentType, as every envelope ends.
const NO_ENCODING: [u8; 4] = [tag(3), 0, tag(4), 0];

/// A length-delimited field's tag (field number, wire type 2).
const fn tag(number: u8) -> u8 {
    number << 3 | 2
}

fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(tag(number));
    put_varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn varint_len(number: usize) -> usize {
    (usize::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// A list in its envelope: runtime.Unknown{typeMeta=1, raw=2, contentEncoding=3, contentType=4} around
/// {metadata=1, items=2...}. The items' bytes are shared, not copied.
pub(crate) fn list_envelope(
    api_version: &str,
    kind: &str,
    metadata: &Value,
    items: Vec<Bytes>,
) -> VecDeque<Bytes> {
    let metadata = protobuf::encode_message(metadata, crate::reply::named("meta/v1.ListMeta"));
    let items_len: usize = items
        .iter()
        .map(|item| 1 + varint_len(item.len()) + item.len())
        .sum();
    let mut type_meta = Vec::new();
    put_bytes(&mut type_meta, 1, api_version.as_bytes());
    put_bytes(&mut type_meta, 2, kind.as_bytes());
    let mut head = MAGIC.to_vec();
    put_bytes(&mut head, 1, &type_meta);
    head.push(tag(2));
    put_varint(
        &mut head,
        1 + varint_len(metadata.len()) + metadata.len() + items_len,
    );
    put_bytes(&mut head, 1, &metadata);
    let mut pieces = VecDeque::with_capacity(items.len() * 2 + 2);
    pieces.push_back(Bytes::from(head));
    for item in items {
        let mut prefix = vec![tag(2)];
        put_varint(&mut prefix, item.len());
        pieces.push_back(Bytes::from(prefix));
        pieces.push_back(item);
    }
    pieces.push_back(Bytes::from_static(&NO_ENCODING));
    pieces
}

/// A WatchEvent{type=1, object=2{raw=1}} around an object's envelope.
pub(crate) fn watch_event(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(object.len() + 6);
    put_bytes(&mut raw, 1, object);
    let mut event = Vec::with_capacity(raw.len() + kind.len() + 10);
    put_bytes(&mut event, 1, kind.as_bytes());
    put_bytes(&mut event, 2, &raw);
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_in_pieces_is_the_list_encoded_whole() {
        let item =
            |name: &str| json!({"metadata": {"name": name, "namespace": "n"}, "data": {"k": "v"}});
        let metadata = json!({"resourceVersion": "300"});
        let list = json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": [item("a"), item(&"b".repeat(200))]});
        let whole = protobuf::encode(&list, crate::reply::named("core/v1.ConfigMapList"), None);
        let items = [item("a"), item(&"b".repeat(200))]
            .iter()
            .map(|item| {
                protobuf::encode_message(item, crate::reply::named("core/v1.ConfigMap")).into()
            })
            .collect();
        let pieces: Vec<u8> = list_envelope("v1", "ConfigMapList", &metadata, items)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(pieces, whole);
    }

    #[test]
    fn varints_are_as_long_as_they_are_said_to_be() {
        for number in [0, 1, 127, 128, 16383, 16384, usize::from(u16::MAX), 1 << 31] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(out.len(), varint_len(number), "{number}");
        }
    }
}
