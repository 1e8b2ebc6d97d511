//! OpenAPI of what is served: the Swagger 2.0 document of everything and an OpenAPI 3.0 document of each group-version, made
//! from the schema, the scheme and the descriptions (upstream: kube-openapi's builder and builder3 and the generator of types).
//! Keys stand in the order in which upstream writes them. Nothing is kept here; `protobuf` turns a document into gnostic's form.

mod custom;
mod definitions;
mod descriptions;
mod discovery;
mod documents;
mod frame;
mod gnostic;
mod installer;
mod lists;
mod merge;
mod names;
mod operation_id;
mod option_params;
mod property;
mod route;
mod target;
mod v2;
mod v3;

#[cfg(test)]
mod tests;

pub use custom::{
    DESCRIBED_BY as CUSTOM_DESCRIBED_BY, Shown as ShownCustom, definitions as custom_definitions,
    v2_part as custom_v2, v3_document as custom_v3,
};
pub use descriptions::Descriptions;
pub use documents::Documents;
pub use frame::{Section, V2Frame};
pub use gnostic::{v2_protobuf, v3_protobuf};
pub use merge::{Known, merged_kinds};
pub use v2::V2Part;

use serde_json::{Value, json};

/// Which of the two languages a schema is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Swagger 2.0: no defaults, `$ref` beside other keys.
    V2,
    /// OpenAPI 3.0: a `$ref` with anything beside it is wrapped in `allOf`.
    V3,
}

impl Form {
    fn place(self) -> &'static str {
        match self {
            Form::V2 => "#/definitions/",
            Form::V3 => "#/components/schemas/",
        }
    }

    /// A reference to a named schema, with what it is for here.
    fn reference(self, name: &str, description: Option<String>) -> Value {
        let reference = json!({"$ref": format!("{}{name}", self.place())});
        match (description, self) {
            (None, _) => reference,
            (Some(text), Form::V2) => {
                json!({"description": text, "$ref": reference["$ref"]})
            }
            (Some(text), Form::V3) => json!({"description": text, "allOf": [reference]}),
        }
    }
}
