//! Label and field selectors: parsing, matching, and upstream's words for what cannot be parsed.
//! Knows nothing of resources: which field labels exist is the registry's business.

pub mod field;
pub mod label;

pub use field::FieldSelector;
pub use label::LabelSelector;

/// A selector that cannot be used; the text is for the client, under `BadRequest` or in a field error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError(pub String);

impl std::fmt::Display for SelectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SelectorError {}
