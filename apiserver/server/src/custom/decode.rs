//! Request bodies to objects of a custom kind (apiserver pkg/endpoints/handlers/create.go with the decoder of
//! apiextensions-apiserver pkg/apiserver/customresource_handler.go).

use super::Face;
use crate::handlers::Call;
use crate::handlers::decode::{cannot_be_handled, quoted};
use crate::handlers::params::FieldValidation;
use crate::negotiate::{Media, content};
use serde_json::Value;
use triad_machinery::codec::{DecodeError, Strictness, json, yaml};
use triad_machinery::custom::coerce;
use triad_machinery::meta;
use triad_machinery::status::{FieldError, GroupKind, Status};

impl Call {
    /// Decodes the body as the endpoint's kind, without defaults.
    pub(crate) fn decode_custom(
        &mut self,
        face: &Face,
        body: &[u8],
        validation: FieldValidation,
    ) -> Result<Value, Status> {
        let expected = self.expected();
        let unrecognized = |error: String| {
            Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): {error} ({})",
                expected.kind,
                quoted(body)
            ))
        };
        let text;
        let (found, decoded) = match content(&self.headers)? {
            Media::Yaml => {
                text = yaml::to_json(body).map_err(|error| unrecognized(error.to_string()))?;
                (
                    json::interpret(&text),
                    yaml::decode(body, expected.ty, Strictness::Report),
                )
            }
            Media::Json => (
                json::interpret(body),
                json::decode(body, expected.ty, Strictness::Report),
            ),
            Media::Protobuf => return Err(Status::unsupported_media_type(&TEXTS)),
        };
        let found = found.map_err(|error| unrecognized(error.to_string()))?;
        if found.kind.is_empty() {
            let shown = String::from_utf8_lossy(body);
            return Err(unrecognized(format!(
                "Object 'Kind' is missing in '{shown}'"
            )));
        }
        let decoded = decoded.map_err(|error| cannot_be_handled(&expected, &error))?;
        let mut object = decoded.value;
        let ours = found.kind == expected.kind && found.api_version == expected.api_version();
        let unknown = match ours {
            true => coerce(&face.version, &mut object)
                .map_err(|why| cannot_be_handled(&expected, &DecodeError::Unfit(why)))?,
            false => Vec::new(),
        };
        let errors = decoded.strict_errors.into_iter().chain(unknown);
        self.judge(errors.collect(), &expected, validation)?;
        if found.api_version != expected.api_version() {
            return Err(Status::bad_request(format!(
                "the API version in the data ({}) does not match the expected API version ({})",
                found.api_version,
                expected.api_version()
            )));
        }
        if !ours {
            let why = format!("must be {}", expected.kind);
            let error = FieldError::invalid("kind", found.kind.as_str(), why);
            let kind = GroupKind {
                group: expected.group,
                kind: &found.kind,
            };
            return Err(Status::invalid(kind, meta::name(&object), &[error]));
        }
        Ok(object)
    }
}

/// What bodies may be.
const TEXTS: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
