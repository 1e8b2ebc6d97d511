//! JSON as Go's encoders and the API server's decoders have it: schema-driven both ways, byte for byte.

mod compact;
mod filled;
mod interpret;
mod known_key;
mod mismatch;
mod pretty;
mod reader;
mod special;
mod strict;
mod syntax;
mod text;
mod typed;
mod untyped;
mod writer;

use serde_json::Value;

use self::reader::{Fail, Reader};
use self::strict::Strict;
use self::typed::Decoder;
use super::{DecodeError, Decoded, Strictness};
use crate::nesting::{guarded, is_deep};
use crate::schema::{Schema, TypeId, schema};

pub use interpret::{TypeMeta, interpret};
pub use pretty::{Indenter, pretty};

pub(crate) use compact::{is_compact, is_html_safe};
pub(crate) use filled::filled;
pub(crate) use known_key::{field_key, name_in};
pub(crate) use reader::text_of;
pub(crate) use text::{write_float, write_int, write_string, write_text};
pub use writer::Gvk;
pub(crate) use writer::{Slots, sorted, write_raw, zero_text};

/// Decodes an object of a built-in type.
pub fn decode(data: &[u8], root: TypeId, strictness: Strictness) -> Result<Decoded, DecodeError> {
    decode_with(schema(), data, root, strictness)
}

/// Decodes an object of a type of any schema.
pub fn decode_with(
    schema: &Schema,
    data: &[u8],
    root: TypeId,
    strictness: Strictness,
) -> Result<Decoded, DecodeError> {
    run(schema, data, strictness, |decoder| decoder.document(root))
}

/// Decodes without a schema: integers that fit into i64 stay integers, other numbers are floats.
pub fn decode_untyped(data: &[u8], strictness: Strictness) -> Result<Decoded, DecodeError> {
    run(schema(), data, strictness, |decoder| {
        let value = decoder.any(false)?;
        decoder.reader.end()?;
        Ok(value)
    })
}

/// Encodes an object compactly, without a newline. `gvk` replaces the tree's own kind and apiVersion.
pub fn encode(value: &Value, root: TypeId, gvk: Option<Gvk<'_>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    encode_into(&mut out, value, root, gvk);
    out
}

/// Appends an object to a buffer.
pub fn encode_into(out: &mut Vec<u8>, value: &Value, root: TypeId, gvk: Option<Gvk<'_>>) {
    encode_with(schema(), out, value, root, gvk);
}

/// Appends an object of a type of any schema.
pub fn encode_with(
    schema: &Schema,
    out: &mut Vec<u8>,
    value: &Value,
    root: TypeId,
    gvk: Option<Gvk<'_>>,
) {
    writer::Writer::new(schema, out).root(value, root, gvk);
}

/// Encodes a tree without a schema, as Go writes a map of interfaces: keys sorted.
pub fn encode_untyped(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    writer::write_any(&mut out, value);
    out
}

/// Encodes raw JSON as protobuf carries it: keys keep their order, HTML is not escaped.
pub(crate) fn encode_raw(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    writer::write_stored(&mut out, value);
    out
}

/// Decodes raw JSON.
pub(crate) fn decode_raw(data: &[u8]) -> Result<Value, DecodeError> {
    let decoded = run(schema(), data, Strictness::Ignore, |decoder| {
        let value = decoder.any(true)?;
        decoder.reader.end()?;
        Ok(value)
    })?;
    Ok(decoded.value)
}

/// The tree that Go would marshal: every field that is written, in its order. Patches and managed fields work on this form.
pub fn to_json_value(value: &Value, root: TypeId) -> Value {
    guarded(is_deep(&[value]), || filled(value, schema(), root))
}

/// Brings a tree from outside (a patched one, say) into the normal form of a type.
pub fn from_json_value(
    value: &Value,
    root: TypeId,
    strictness: Strictness,
) -> Result<Decoded, DecodeError> {
    decode(&encode_untyped(value), root, strictness)
}

fn run<F>(
    schema: &Schema,
    data: &[u8],
    strictness: Strictness,
    read: F,
) -> Result<Decoded, DecodeError>
where
    F: FnOnce(&mut Decoder<'_, '_>) -> Result<Value, Fail>,
{
    let mut decoder = Decoder {
        reader: Reader::new(data),
        schema,
        stack: Vec::with_capacity(16),
        depth: 0,
        saved: None,
        strict: (strictness == Strictness::Report).then(Strict::default),
    };
    let result = read(&mut decoder).map(|value| (value, decoder.saved, decoder.strict));
    match result {
        Ok((_, Some(message), _)) => Err(DecodeError::Unfit(message)),
        Ok((value, None, strict)) => Ok(Decoded {
            value,
            strict_errors: strict.map(|s| s.errors).unwrap_or_default(),
        }),
        Err(Fail::Syntax) => Err(DecodeError::Malformed(syntax_message(data))),
        Err(Fail::Fatal(message)) => Err(match syntax::check(data) {
            Err(syntax) => DecodeError::Malformed(syntax),
            Ok(()) => DecodeError::Unfit(message),
        }),
    }
}

pub(crate) fn syntax_message(data: &[u8]) -> String {
    syntax::check(data)
        .err()
        .unwrap_or_else(|| "unexpected end of JSON input".to_owned())
}
