//! Field errors: what validation finds, with upstream's rendering of the offending value.
//! Called by every validation; `Status::invalid` gathers them into one answer.

use std::fmt;

use serde_json::Value;

use super::Cause;
use crate::goformat::{json_text, quote};

/// The kinds of field errors; the wire name is the cause's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldErrorKind {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooShort,
    TooMany,
    TooFew,
    Internal,
    TypeInvalid,
}

/// One thing wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub kind: FieldErrorKind,
    /// A path such as `metadata.labels`; upstream's nil path is `<nil>`.
    pub field: String,
    /// The offending value as it would be marshalled; `None` leaves it out of the text.
    pub value: Option<Value>,
    pub detail: String,
}

impl FieldErrorKind {
    /// The cause's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooShort => "FieldValueTooShort",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooShort => "Too short",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required | Self::Forbidden | Self::TooLong | Self::TooShort | Self::Internal
        )
    }
}

impl FieldError {
    fn new(
        kind: FieldErrorKind,
        field: impl Into<String>,
        value: Option<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            field: field.into(),
            value,
            detail: detail.into(),
        }
    }

    pub fn invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(FieldErrorKind::Invalid, field, Some(value.into()), detail)
    }

    /// Invalid, the value left out.
    pub fn invalid_omitted(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Invalid, field, None, detail)
    }

    pub fn type_invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(
            FieldErrorKind::TypeInvalid,
            field,
            Some(value.into()),
            detail,
        )
    }

    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Required, field, None, detail)
    }

    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, None, detail)
    }

    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::Duplicate, field, Some(value.into()), "")
    }

    /// Duplicate, the value left out.
    pub fn duplicate_omitted(field: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Duplicate, field, None, "")
    }

    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::NotFound, field, Some(value.into()), "")
    }

    /// `supported` is listed in the order given; upstream sorts most of its lists beforehand.
    pub fn not_supported(
        field: impl Into<String>,
        value: impl Into<Value>,
        supported: &[&str],
    ) -> Self {
        let detail = match supported {
            [] => String::new(),
            _ => {
                let quoted: Vec<String> = supported.iter().map(|v| quote(v)).collect();
                format!("supported values: {}", quoted.join(", "))
            }
        };
        Self::new(
            FieldErrorKind::NotSupported,
            field,
            Some(value.into()),
            detail,
        )
    }

    /// `max_bytes` below zero: no limit is named.
    pub fn too_long(field: impl Into<String>, max_bytes: i64) -> Self {
        let detail = if max_bytes < 0 {
            "value is too long".to_owned()
        } else {
            format!("may not be more than {max_bytes} byte{}", plural(max_bytes))
        };
        Self::new(FieldErrorKind::TooLong, field, None, detail)
    }

    /// As `too_long`, of characters.
    pub fn too_long_characters(field: impl Into<String>, max: i64) -> Self {
        let detail = format!("may not be more than {max} character{}", plural(max));
        Self::new(FieldErrorKind::TooLong, field, None, detail)
    }

    pub fn too_short(field: impl Into<String>, min_bytes: i64) -> Self {
        let detail = if min_bytes < 0 {
            "value is too short".to_owned()
        } else {
            format!("must be at least {min_bytes} byte{}", plural(min_bytes))
        };
        Self::new(FieldErrorKind::TooShort, field, None, detail)
    }

    pub fn too_many(field: impl Into<String>, actual: i64, max: i64) -> Self {
        let detail = if max < 0 {
            "has too many items".to_owned()
        } else {
            format!("must have at most {max} item{}", plural(max))
        };
        Self::new(
            FieldErrorKind::TooMany,
            field,
            (actual >= 0).then(|| actual.into()),
            detail,
        )
    }

    pub fn too_few(field: impl Into<String>, actual: i64, min: i64) -> Self {
        let detail = if min < 0 {
            "has too few items".to_owned()
        } else {
            format!("must have at least {min} item{}", plural(min))
        };
        Self::new(
            FieldErrorKind::TooFew,
            field,
            (actual >= 0).then(|| actual.into()),
            detail,
        )
    }

    pub fn internal(field: impl Into<String>, error: impl fmt::Display) -> Self {
        Self::new(FieldErrorKind::Internal, field, None, error.to_string())
    }

    /// The message without the field, as causes carry it.
    pub fn body(&self) -> String {
        let mut text = self.kind.text().to_owned();
        if let Some(value) = self.value.as_ref().filter(|_| self.kind.shows_value()) {
            text.push_str(": ");
            match value {
                Value::String(s) => text.push_str(&quote(s)),
                other => text.push_str(&json_text(other)),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    pub fn to_cause(&self) -> Cause {
        Cause {
            reason: self.kind.reason().into(),
            message: self.body(),
            field: self.field.clone(),
        }
    }
}

fn plural(count: i64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_render_values_as_upstream_does() {
        let cases = [
            (
                FieldError::invalid("spec.x", "a\"b\n", "bad"),
                r#"spec.x: Invalid value: "a\"b\n": bad"#,
            ),
            (
                FieldError::invalid("spec.x", 3, ""),
                "spec.x: Invalid value: 3",
            ),
            (
                FieldError::invalid("spec.x", json!({"a": "<b>"}), "d"),
                r#"spec.x: Invalid value: {"a":"\u003cb\u003e"}: d"#,
            ),
            (
                FieldError::invalid("spec.x", Value::Null, "d"),
                "spec.x: Invalid value: null: d",
            ),
            (FieldError::required("a", ""), "a: Required value"),
            (
                FieldError::not_supported("a", "x", &["B", "A"]),
                r#"a: Unsupported value: "x": supported values: "B", "A""#,
            ),
            (
                FieldError::too_long("a", 63),
                "a: Too long: may not be more than 63 bytes",
            ),
            (
                FieldError::too_many("a", 9, 1),
                "a: Too many: 9: must have at most 1 item",
            ),
            (
                FieldError::duplicate("a[1]", "x"),
                r#"a[1]: Duplicate value: "x""#,
            ),
        ];
        for (error, want) in cases {
            assert_eq!(error.to_string(), want);
        }
    }
}
