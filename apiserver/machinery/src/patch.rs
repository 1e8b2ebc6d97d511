//! Patches on object trees: JSON Patch (RFC 6902), merge patch (RFC 7396) and strategic merge patch.
//! All work on decoded trees and know nothing of requests; server-side apply is in `managed_fields`.
//! Called by the patch handler with the object in the version of the request.

pub mod json;
pub mod merge;
pub mod reread;
pub mod strategic;

use std::fmt;

use crate::status::{FieldError, GroupKind, Status, reason};

/// Why a patch was refused, by what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The patch is malformed: 400.
    Malformed(String),
    /// The patch does not fit the object: 422 with a text that says no more than that; the text here is for logs.
    DoesNotApply(String),
    /// A directive that nobody knows: 422 with this text.
    UnknownDirective(String),
    /// More operations than are allowed: 413.
    TooManyOperations(usize),
    /// Structure that upstream answers with a bare 500 and this text.
    Unsupported(String),
}

impl PatchError {
    pub fn to_status(&self) -> Status {
        match self {
            Self::Malformed(text) => Status::bad_request(text.as_str()),
            Self::DoesNotApply(_) => Status::unprocessable(),
            Self::UnknownDirective(text) => Status::new(422, reason::INVALID, text.as_str()),
            Self::TooManyOperations(_) => Status::request_entity_too_large(self),
            Self::Unsupported(text) => Status::plain_error(text),
        }
    }
}

/// 422 for a patched document that is no object of its kind. `shown` is the document as JSON text
/// (`goformat::json_text`), or for a strategic merge patch the patch itself (`goformat::plain`).
pub fn undecodable(shown: String, why: impl fmt::Display) -> Status {
    let error = FieldError::invalid("patch", shown, why.to_string());
    Status::invalid(
        GroupKind {
            group: "",
            kind: "",
        },
        "",
        &[error],
    )
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text)
            | Self::DoesNotApply(text)
            | Self::UnknownDirective(text)
            | Self::Unsupported(text) => f.write_str(text),
            Self::TooManyOperations(count) => write!(
                f,
                "The allowed maximum operations in a JSON patch is {}, got {count}",
                json::MAX_OPERATIONS
            ),
        }
    }
}

impl std::error::Error for PatchError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecodable_documents_are_shown() {
        let status = undecodable(
            "map[data:map[n:3]]".into(),
            "cannot convert int64 to string",
        );
        assert_eq!(
            status.to_value().to_string(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":" \"\" is invalid: patch: Invalid value: \"map[data:map[n:3]]\": cannot convert int64 to string","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"map[data:map[n:3]]\": cannot convert int64 to string","field":"patch"}]},"code":422}"#
        );
    }
}
