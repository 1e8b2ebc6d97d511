use super::{DecodeError, json::Gvk};
use crate::schema::TypeId;
use serde_json::Value;
pub struct Document { pub json: Vec<u8>, pub strict_errors: Vec<String> }
pub fn to_json(d: &[u8]) -> Result<Document, DecodeError> { Ok(Document { json: d.to_vec(), strict_errors: vec![] }) }
pub fn to_value(d: &[u8]) -> Result<Value, DecodeError> { serde_json::from_slice(d).map_err(|e| DecodeError::Malformed(e.to_string())) }
pub fn encode(v: &Value, t: TypeId, g: Option<Gvk<'_>>) -> Vec<u8> { super::json::encode(v, t, g) }
