//! Request bodies to objects: the form by Content-Type, kind and version checked, fields validated as asked, defaults set.

use super::Call;
use super::params::FieldValidation;
use crate::negotiate::{Media, content};
use serde_json::Value;
use triad_machinery::codec::json::TypeMeta;
use triad_machinery::codec::{DecodeError, Decoded, Strictness, json, protobuf, yaml};
use triad_machinery::defaults::apply_defaults_at;
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::status::Status;
use triad_machinery::{goformat, managed_fields, meta};

/// Bytes of a body that error texts quote.
const QUOTED_BYTES: usize = 30;

/// What a body must be.
pub(crate) struct Expected<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) ty: TypeId,
    /// Other versions that say the same.
    pub(crate) also: &'a [&'a str],
}

impl Expected<'_> {
    /// Whether it is of a custom kind.
    pub(super) fn is_custom(&self) -> bool {
        schema().get(self.ty).name == "meta/v1.Unstructured"
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

impl Call {
    pub(crate) fn expected(&self) -> Expected<'static> {
        let resource = self.endpoint.resource;
        Expected {
            group: &resource.group,
            version: &resource.version,
            kind: &resource.kind,
            ty: self.endpoint.ty,
            also: &[],
        }
    }

    /// Decodes the body as the endpoint's own kind and sets its defaults.
    pub(crate) fn decode_object(&mut self, validation: FieldValidation) -> Result<Value, Status> {
        let expected = self.expected();
        let body = self.body.clone();
        let mut object = match self.endpoint.custom.clone() {
            Some(custom) => self.decode_custom(&custom, &body, validation)?,
            None => self.decode_body(&body, &expected, validation)?,
        };
        if forgets(&body, &object, content(&self.headers)?) {
            managed_fields::ask_to_forget(&mut object);
        }
        self.normalise(&mut object);
        apply_defaults_at(&mut object, expected.ty, &crate::clock::Clock.now());
        self.trail.sent(&object, expected.ty);
        Ok(object)
    }

    /// What upstream's conversion of a decoded object does before anyone sees it.
    pub(crate) fn normalise(&self, object: &mut Value) {
        if let Some(registry) = &self.endpoint.registry {
            registry.strategy.normalise(object);
        }
    }

    /// Decodes bytes of the request's Content-Type as `expected`, without defaults.
    pub(crate) fn decode_body(
        &mut self,
        body: &[u8],
        expected: &Expected<'_>,
        validation: FieldValidation,
    ) -> Result<Value, Status> {
        let media = content(&self.headers)?;
        let unrecognized = |error: String| {
            Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): {error} ({})",
                expected.kind,
                quoted(body)
            ))
        };
        let strictness = super::patch::strictness(validation != FieldValidation::Ignore);
        let decoded = match media {
            Media::Protobuf => {
                let envelope = protobuf::open(body).map_err(|e| unrecognized(e.to_string()))?;
                self.check_kind(&envelope.type_meta, expected)?;
                protobuf::decode_enveloped(&envelope, expected.ty).map(|value| Decoded {
                    value,
                    strict_errors: Vec::new(),
                })
            }
            Media::Json => {
                let decoded = json::decode(body, expected.ty, strictness);
                let found = match &decoded {
                    Ok(decoded) if strictness == Strictness::Report => stated_once(decoded),
                    _ => None,
                };
                let found = match found {
                    Some(found) => found,
                    None => json::interpret(body).map_err(|e| unrecognized(e.to_string()))?,
                };
                self.check_kind(&found, expected)?;
                decoded
            }
            Media::Yaml => {
                let text = yaml::to_json(body).map_err(|e| unrecognized(e.to_string()))?;
                let found = json::interpret(&text).map_err(|e| unrecognized(e.to_string()))?;
                self.check_kind(&found, expected)?;
                yaml::decode(body, expected.ty, strictness)
            }
        };
        let decoded = decoded.map_err(|error| cannot_be_handled(expected, &error))?;
        self.judge(decoded.strict_errors, expected, validation)?;
        let mut value = decoded.value;
        meta::set_type(&mut value, &expected.api_version(), expected.kind);
        Ok(value)
    }

    /// Decodes the body of a subresource that takes a kind of another group, in version v1 or one of `also`.
    pub(super) fn decode_named(
        &mut self,
        group: &str,
        kind: &str,
        also: &[&str],
        validation: FieldValidation,
    ) -> Result<Value, Status> {
        let ty = schema()
            .kind(group, "v1", kind)
            .ok_or_else(|| Status::internal(format!("the schema table has no {kind}")))?;
        let expected = Expected {
            group,
            version: "v1",
            kind,
            ty,
            also,
        };
        let body = self.body.clone();
        let object = self.decode_body(&body, &expected, validation)?;
        self.trail.sent(&object, ty);
        Ok(object)
    }

    fn check_kind(&self, found: &TypeMeta, expected: &Expected<'_>) -> Result<(), Status> {
        let (kind, api_version) = (found.kind.as_str(), found.api_version.as_str());
        let (group, version) = meta::group_version(api_version);
        let kind = if kind.is_empty() { expected.kind } else { kind };
        let known = api_version.is_empty()
            || group == expected.group
                && (version == expected.version || expected.also.contains(&version))
                && kind == expected.kind;
        if known && kind == expected.kind {
            return Ok(());
        }
        let (group, version) = if api_version.is_empty() {
            (expected.group, expected.version)
        } else {
            (group, version)
        };
        let gv = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        if schema().kind(group, version, kind).is_none() {
            let text = format!(
                "no kind {} is registered for version {} in scheme",
                goformat::quote(kind),
                goformat::quote(&gv)
            );
            return Err(Status::bad_request(format!(
                "{kind} in version {} cannot be handled as a {}: {text} \"pkg/runtime/scheme.go:111\"",
                goformat::quote(version),
                expected.kind
            )));
        }
        if kind == expected.kind {
            return Err(Status::bad_request(format!(
                "the API version in the data ({gv}) does not match the expected API version ({})",
                expected.api_version()
            )));
        }
        Err(Status::bad_request(format!(
            "{kind} in version {} cannot be handled as a {}: {}",
            goformat::quote(version),
            expected.kind,
            unknown_conversion(version, kind, expected.ty),
        )))
    }

    /// Turns unknown and duplicate fields into warnings or an error.
    pub(crate) fn judge(
        &mut self,
        strict_errors: Vec<String>,
        expected: &Expected<'_>,
        validation: FieldValidation,
    ) -> Result<(), Status> {
        if strict_errors.is_empty() {
            return Ok(());
        }
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => self.warnings.extend(yaml::warnings(&strict_errors)),
            FieldValidation::Strict => {
                let text = format!("strict decoding error: {}", strict_errors.join(", "));
                return Err(Status::bad_request(format!(
                    "{} in version {} cannot be handled as a {}: {text}",
                    expected.kind,
                    goformat::quote(expected.version),
                    expected.kind
                )));
            }
        }
        Ok(())
    }
}

/// What an object says that it is; none where a look at the body might find that said twice, or in other letters (which count there):
/// where the strict decoder has found something.
fn stated_once(decoded: &Decoded) -> Option<TypeMeta> {
    let (kind, api_version) = (
        meta::kind(&decoded.value),
        meta::api_version(&decoded.value),
    );
    decoded.strict_errors.is_empty().then(|| TypeMeta {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    })
}

/// One kind given where another is taken: both by their Go names, the second that of the internal type.
pub(super) fn unknown_conversion(version: &str, kind: &str, to: TypeId) -> String {
    let package = &schema().package_of(to).name;
    let package = package.split('/').next().unwrap_or("");
    let name = &schema().get(to).go_name;
    format!("converting ({version}.{kind}) to ({package}.{name}): unknown conversion")
}

pub(crate) fn cannot_be_handled(expected: &Expected<'_>, error: &DecodeError) -> Status {
    Status::bad_request(format!(
        "{} in version {} cannot be handled as a {}: {error}",
        expected.kind,
        goformat::quote(expected.version),
        expected.kind
    ))
}

/// Whether the body asks to forget all field managers: by an empty list, which decoding does not keep.
fn forgets(body: &[u8], object: &Value, media: Media) -> bool {
    if media == Media::Protobuf
        || object.pointer("/metadata/managedFields").is_some()
        || memchr::memmem::find(body, b"managedFields").is_none()
    {
        return false;
    }
    let raw = if media == Media::Yaml {
        yaml::to_value(body).ok()
    } else {
        json::decode_untyped(body, Strictness::Ignore)
            .ok()
            .map(|decoded| decoded.value)
    };
    raw.is_some_and(|raw| managed_fields::asks_to_forget(&raw))
}

/// The beginning of a body as upstream shows it: text as it is, anything else in hex.
pub(crate) fn quoted(body: &[u8]) -> String {
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    let head = &body[..body.len().min(QUOTED_BYTES)];
    let more = if body.len() > QUOTED_BYTES {
        " ..."
    } else {
        ""
    };
    if head.first() == Some(&b'{') && head.is_ascii() {
        return format!("{}{more}", String::from_utf8_lossy(head));
    }
    let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the decoder says of kind and apiVersion is what a look at the body finds, wherever it says something.
    #[test]
    fn what_is_stated_once_is_what_is_found() {
        let ty = schema().kind("", "v1", "ConfigMap").expect("a kind");
        for (body, once) in [
            (
                r#"{"kind":"ConfigMap","apiVersion":"v1","data":{"kind":"x"}}"#,
                true,
            ),
            (
                r#"{"metadata":{"name":"a"},"apiVersion":"apps/v1","kind":"Pod"}"#,
                true,
            ),
            (r#"{"kind":null,"apiVersion":"","data":{}}"#, true),
            ("{}", true),
            ("null", true),
            (r#"{"kind":"Pod","kind":"ConfigMap"}"#, false),
            (r#"{"kind":"ConfigMap","KIND":"Pod"}"#, false),
            (
                r#"{"kind":"ConfigMap","ApiVersion":"v2","apiVersion":"v1"}"#,
                false,
            ),
            (r#"{"kind":"ConfigMap","unknown":1}"#, false),
        ] {
            let decoded = json::decode(body.as_bytes(), ty, Strictness::Report).expect("JSON");
            let stated = stated_once(&decoded);
            assert_eq!(stated.is_some(), once, "{body}");
            let found = json::interpret(body.as_bytes()).expect("JSON");
            assert!(stated.is_none_or(|stated| stated == found), "{body}");
        }
    }
}
