//! Bytes to object trees and back: JSON, YAML and protobuf, all driven by the schema.
//!
//! A tree is a `serde_json::Value` in normal form: unknown fields, nulls and zero values are gone (absent means Go's zero), numbers,
//! quantities and times are canonical, byte fields are base64 strings. Encoders never depend on the order of a tree's keys.
//!
//! Trees may be 10,000 levels deep. Codecs mind the stack themselves; whoever clones or walks trees on threads of its own gives
//! these 16 MiB.

pub(crate) mod base64;
mod deep;
pub mod duration;
mod go_quote;
pub mod json;
pub(crate) mod message;
mod normal;
pub mod protobuf;
pub mod query;
pub mod time;
pub mod yaml;

pub use message::{Known, Message, Revised};
pub(crate) use message::{is_plain, quantity};
pub(crate) use normal::is_zero;

use std::fmt;

/// Whether unknown and duplicate fields are looked for. They never make a decode fail by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    Ignore,
    /// Collect them in `Decoded::strict_errors`, in upstream's words.
    Report,
}

/// A decoded object.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub value: serde_json::Value,
    /// `unknown field "spec.foo"`, `duplicate field "spec.replicas"`; at most 100.
    pub strict_errors: Vec<String>,
}

/// Why bytes did not become an object. The messages are those of upstream's decoders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes are not what their media type says: nothing about their kind can be known.
    Malformed(String),
    /// Well-formed, but not a value of the type.
    Unfit(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (DecodeError::Malformed(message) | DecodeError::Unfit(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for DecodeError {}
