//! Protobuf as upstream's generated gogo code has it: the `k8s\0` envelope around objects, and bare messages. Driven by the schema;
//! corrupt input gives upstream's messages.

mod decode;
mod encode;
mod pick;
mod special;
mod wire;

use serde_json::{Map, Value};

pub use self::pick::Pick;
pub(crate) use self::wire::{Cursor, Tag, put_bytes, put_varint};
use super::DecodeError;
use super::json::{Gvk, TypeMeta};
use crate::schema::{Schema, TypeId, schema};

/// What stored and sent objects begin with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// runtime.Unknown: what the envelope says and carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub type_meta: TypeMeta,
    /// The message of the object itself.
    pub raw: &'a [u8],
    pub content_encoding: String,
    pub content_type: String,
}

/// Opens an envelope, magic included.
pub fn open(data: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let malformed = |message: &str| DecodeError::Malformed(message.to_owned());
    if data.is_empty() {
        return Err(malformed("empty data"));
    }
    let body = data.strip_prefix(MAGIC).ok_or_else(|| {
        malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    })?;
    if body.is_empty() {
        return Err(malformed("empty body"));
    }
    decode::envelope(body).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// The message in an envelope that says nothing unusual; none where `open` must look at it.
#[must_use]
pub fn raw(data: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(data.strip_prefix(MAGIC)?);
    let mut raw = None;
    while !cursor.is_empty() {
        let tag = cursor.tag("").ok()?;
        match (tag.number, tag.wire_type) {
            (2, 2) if raw.is_none() => raw = Some(cursor.bytes().ok()?),
            (1, 2) => drop(cursor.bytes().ok()?),
            (3 | 4, 2) if cursor.bytes().ok()?.is_empty() => {}
            _ => return None,
        }
    }
    raw
}

/// Decodes an object of a built-in type from its envelope. kind and apiVersion come from the envelope.
pub fn decode(data: &[u8], root: TypeId) -> Result<Value, DecodeError> {
    let envelope = open(data)?;
    decode_enveloped(&envelope, root)
}

/// Decodes what an opened envelope carries.
pub fn decode_enveloped(envelope: &Envelope<'_>, root: TypeId) -> Result<Value, DecodeError> {
    let mut map = Map::new();
    if schema().has_type_meta(root) {
        let TypeMeta { kind, api_version } = envelope.type_meta.clone();
        map.set("kind", Value::String(kind));
        map.set("apiVersion", Value::String(api_version));
        map.retain(|_, v| v != "");
    }
    decode_into(schema(), envelope.raw, root, map)
}

/// Decodes a bare message.
pub fn decode_message(data: &[u8], root: TypeId) -> Result<Value, DecodeError> {
    decode_into(schema(), data, root, Map::new())
}

/// Decodes of a bare message what `pick` asks for: in normal form, but for structs that are empty only because nothing in them
/// was asked for.
pub fn decode_picked(data: &[u8], root: TypeId, pick: &Pick) -> Result<Value, DecodeError> {
    let mut map = Map::new();
    decode::Decoder::picking(schema(), pick)
        .message(Cursor::new(data), root, &mut map)
        .map_err(|error| DecodeError::Unfit(error.to_string()))?;
    Ok(Value::Object(map))
}

fn decode_into(
    schema: &Schema,
    data: &[u8],
    root: TypeId,
    mut map: Map<String, Value>,
) -> Result<Value, DecodeError> {
    decode::Decoder::new(schema)
        .message(Cursor::new(data), root, &mut map)
        .map_err(|error| DecodeError::Unfit(error.to_string()))?;
    Ok(Value::Object(map))
}

/// Encodes an object in its envelope. `gvk` replaces the tree's own kind and apiVersion.
pub fn encode(value: &Value, root: TypeId, gvk: Option<Gvk<'_>>) -> Vec<u8> {
    let own = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    let gvk = gvk.unwrap_or(Gvk {
        api_version: own("apiVersion"),
        kind: own("kind"),
    });
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(MAGIC);
    let mut meta = Vec::with_capacity(gvk.api_version.len() + gvk.kind.len() + 4);
    put_bytes(&mut meta, 1, gvk.api_version.as_bytes());
    put_bytes(&mut meta, 2, gvk.kind.as_bytes());
    put_bytes(&mut out, 1, &meta);
    encode::Encoder::new(schema(), &mut out).nested(2, |e| e.message(root, value));
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    out
}

/// Encodes a bare message.
pub fn encode_message(value: &Value, root: TypeId) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    encode::Encoder::new(schema(), &mut out).message(root, value);
    out
}
