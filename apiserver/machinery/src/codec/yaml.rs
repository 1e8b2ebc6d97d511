//! YAML as Kubernetes has it: YAML 1.1 in, turned into JSON values and then decoded as JSON; out with sorted keys, in the layout of
//! sigs.k8s.io/yaml. Events come from serde-saphyr's parser; what plain scalars mean in 1.1 is said here (`resolve`).

mod key_order;
mod node;
mod plain;
mod resolve;
mod scalar_style;
mod value;
mod writer;

use serde_json::Value;

use super::json::{self, Gvk};
use super::{DecodeError, Decoded, Strictness};
use crate::schema::TypeId;

/// The first document as a JSON value; later ones are not looked at. Keys become strings, the last of equal ones counts.
pub fn to_value(data: &[u8]) -> Result<Value, DecodeError> {
    read(data).map(|(value, _)| value)
}

/// The first document as JSON text.
pub fn to_json(data: &[u8]) -> Result<Vec<u8>, DecodeError> {
    to_value(data).map(|value| json::encode_untyped(&value))
}

/// Decodes an object of a built-in type. Keys that come twice are reported as one error, as upstream does.
pub fn decode(data: &[u8], root: TypeId, strictness: Strictness) -> Result<Decoded, DecodeError> {
    let (value, duplicates) = read(data)?;
    let mut decoded = json::decode(&json::encode_untyped(&value), root, strictness)?;
    if strictness == Strictness::Report && !duplicates.is_empty() {
        decoded.strict_errors.insert(
            0,
            format!("yaml: unmarshal errors:\n  {}", duplicates.join("\n  ")),
        );
    }
    Ok(decoded)
}

/// Encodes an object, with a newline at the end.
pub fn encode(value: &Value, root: TypeId, gvk: Option<Gvk<'_>>) -> Vec<u8> {
    from_json(&json::encode(value, root, gvk))
}

/// JSON text as YAML. Text that is no JSON gives an empty document.
pub fn from_json(text: &[u8]) -> Vec<u8> {
    let value = json::decode_untyped(text, Strictness::Ignore).map_or(Value::Null, |d| d.value);
    writer::write(&value)
}

/// Strict errors as single warnings: YAML's come several to an error.
pub fn warnings(strict_errors: &[String]) -> Vec<String> {
    let single = |error: &String| match error.strip_prefix("yaml: unmarshal errors:\n") {
        Some(lines) => lines.lines().map(|l| l.trim().to_owned()).collect(),
        None => vec![error.clone()],
    };
    strict_errors.iter().flat_map(single).collect()
}

/// The value, and Go's lines about duplicate keys.
fn read(data: &[u8]) -> Result<(Value, Vec<String>), DecodeError> {
    if let Some(value) = plain::value(data) {
        return Ok((value, Vec::new()));
    }
    let refuse = |message: String| DecodeError::Malformed(format!("yaml: {message}"));
    let text =
        std::str::from_utf8(data).map_err(|_| refuse("invalid leading UTF-8 octet".to_owned()))?;
    let document = node::parse(text).map_err(refuse)?;
    value::convert(&document).map_err(refuse)
}
