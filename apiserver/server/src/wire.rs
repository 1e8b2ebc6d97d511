//! Protobuf framing of lists and watch events around encoded objects, without a tree of the whole.

use serde_json::Value;
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

/// An object's message in its envelope: runtime.Unknown{typeMeta=1, raw=2, contentEncoding=3, contentType=4}.
pub(crate) fn envelope(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + api_version.len() + kind.len() + 24);
    put_type_meta(&mut out, api_version, kind);
    put_bytes(&mut out, 2, message);
    out.extend_from_slice(&NO_ENCODING);
    out
}

fn put_type_meta(out: &mut Vec<u8>, api_version: &str, kind: &str) {
    let mut type_meta = Vec::with_capacity(api_version.len() + kind.len() + 4);
    put_bytes(&mut type_meta, 1, api_version.as_bytes());
    put_bytes(&mut type_meta, 2, kind.as_bytes());
    out.extend_from_slice(MAGIC);
    put_bytes(out, 1, &type_meta);
}

/// The beginning of a list in its envelope, up to its items: {metadata=1, items=2...}. `items_len` is what all items take
/// with what `put_item` writes around them.
pub(crate) fn list_head(
    api_version: &str,
    kind: &str,
    metadata: &Value,
    items_len: usize,
) -> Vec<u8> {
    let metadata = protobuf::encode_message(metadata, crate::reply::named("meta/v1.ListMeta"));
    let mut head = Vec::with_capacity(256);
    put_type_meta(&mut head, api_version, kind);
    head.push(tag(2));
    put_varint(&mut head, item_len(metadata.len()) + items_len);
    put_bytes(&mut head, 1, &metadata);
    head
}

/// What an item of this length takes in a list.
pub(crate) fn item_len(message: usize) -> usize {
    1 + varint_len(message) + message
}

pub(crate) fn put_item(out: &mut Vec<u8>, message: &[u8]) {
    put_bytes(out, 2, message);
}

/// The end of a list in its envelope.
pub(crate) fn list_tail() -> &'static [u8] {
    &NO_ENCODING
}

/// Appends a WatchEvent{type=1, object=2{raw=1}} around an object's envelope, its length in four bytes before it.
pub(crate) fn put_event(out: &mut Vec<u8>, kind: &str, object: &[u8]) {
    let raw_len = item_len(object.len());
    let length = item_len(kind.len()) + item_len(raw_len);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    put_bytes(out, 1, kind.as_bytes());
    out.push(tag(2));
    put_varint(out, raw_len);
    put_bytes(out, 1, object);
}

/// Appends a WatchEvent in JSON, a line, around the object that `object` appends.
pub(crate) fn put_event_line<E>(
    out: &mut Vec<u8>,
    kind: &str,
    object: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    object(out)?;
    out.extend_from_slice(b"}\n");
    Ok(())
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
        let items = [item("a"), item(&"b".repeat(200))];
        let items = items
            .iter()
            .map(|item| protobuf::encode_message(item, crate::reply::named("core/v1.ConfigMap")));
        let items: Vec<Vec<u8>> = items.collect();
        let length = items.iter().map(|item| item_len(item.len())).sum();
        let mut pieces = list_head("v1", "ConfigMapList", &metadata, length);
        items.iter().for_each(|item| put_item(&mut pieces, item));
        pieces.extend_from_slice(list_tail());
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
