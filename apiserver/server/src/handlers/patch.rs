//! PATCH in its four forms (apiserver pkg/endpoints/handlers/patch.go). The patch is applied to the live object in the
//! served version, again whenever another write gets in between.

use super::Call;
use super::create::{in_context, insert, track};
use super::decode::{Expected, unknown_conversion};
use super::params::{FieldValidation, WriteOptions};
use super::update::modify;
use crate::registry::before::Part;
use crate::reply::Reply;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use triad_machinery::codec::json::to_json_value;
use triad_machinery::codec::{Strictness, json as json_codec, yaml};
use triad_machinery::defaults::apply_defaults_at;
use triad_machinery::managed_fields;
use triad_machinery::patch::json::JsonPatch;
use triad_machinery::patch::reread::{Before, Reread};
use triad_machinery::patch::{merge, strategic, undecodable};
use triad_machinery::schema::schema;
use triad_machinery::status::Status;
use triad_machinery::{goformat, meta};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Json,
    Merge,
    Strategic,
    Apply,
}

const FORMS: [(&str, Form); 4] = [
    ("application/json-patch+json", Form::Json),
    ("application/merge-patch+json", Form::Merge),
    ("application/strategic-merge-patch+json", Form::Strategic),
    ("application/apply-patch+yaml", Form::Apply),
];

/// Those of custom kinds, which no strategy is known of.
const CUSTOM_FORMS: [&str; 3] = [FORMS[0].0, FORMS[1].0, FORMS[3].0];

/// A patch as a request wants it applied.
pub(super) struct Request {
    patch: Patch,
    validation: FieldValidation,
    /// What strict decoding found wrong with the patch itself.
    strict_errors: Vec<String>,
}

/// A decoded patch.
enum Patch {
    Json(JsonPatch),
    Merge(Value),
    Strategic(Value),
}

pub(crate) async fn patch(call: &mut Call, part: Part<'_>) -> Result<Reply, Status> {
    let form = form(call)?;
    let accepted = call.accepted_view()?;
    let options = WriteOptions::parse(&call.query, "PatchOptions", form == Form::Apply)?;
    let manager = call.manager(&options.field_manager);
    if form == Form::Apply {
        return apply(call, part, &options, &accepted).await;
    }
    let request = decode(call, form, options.validation)?;
    let subresource = if let Part::Sub(name) = part { name } else { "" };
    let old = call.fetch().await?;
    let changed = modify(call, part, options.dry_run, false, old, |call, live| {
        let mut object = patched(call, &request, live)?;
        track(call, Some(live), &mut object, &manager, subresource);
        Ok(object)
    })
    .await?;
    call.answer_outcome(200, changed, &accepted)
}

pub(super) fn form(call: &Call) -> Result<Form, Status> {
    let text = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let name = text.split(';').next().unwrap_or("").trim();
    FORMS
        .iter()
        .filter(|(_, form)| call.endpoint.custom.is_none() || *form != Form::Strategic)
        .find(|(form, _)| *form == name)
        .map(|(_, form)| *form)
        .ok_or_else(|| match call.endpoint.custom {
            Some(_) => Status::unsupported_media_type(&CUSTOM_FORMS),
            None => Status::no_route_for_media_type(),
        })
}

pub(super) fn strictness(report: bool) -> Strictness {
    if report {
        Strictness::Report
    } else {
        Strictness::Ignore
    }
}

pub(super) fn decode(
    call: &Call,
    form: Form,
    validation: FieldValidation,
) -> Result<Request, Status> {
    let typed = validation != FieldValidation::Ignore;
    let decoded = json_codec::decode_untyped(&call.body, strictness(typed))
        .map_err(|_| Status::bad_request("invalid JSON patch"))?;
    let mut strict_errors = decoded.strict_errors;
    let patch = match form {
        Form::Json => {
            let patch = JsonPatch::from_value(decoded.value, typed).map_err(|e| e.to_status())?;
            if typed {
                strict_errors.extend(patch.unknown_fields());
            }
            Patch::Json(patch)
        }
        Form::Merge => Patch::Merge(decoded.value),
        Form::Strategic | Form::Apply => Patch::Strategic(decoded.value),
    };
    Ok(Request {
        patch,
        validation,
        strict_errors,
    })
}

/// Applies a patch to the live object, which stays what it is and gets its defaults.
fn patched(call: &mut Call, request: &Request, live: &Value) -> Result<Value, Status> {
    let expected = call.expected();
    let mut object = patched_as(&expected, call, request, live)?;
    if let Patch::Strategic(_) = request.patch {
        // The patched document is read as what the live object is, whatever it says.
        meta::set_type(&mut object, &expected.api_version(), expected.kind);
    }
    complete(call, &mut object)?;
    Ok(object)
}

/// What follows once a patch of whichever form has been applied: the object is still itself, and gets its defaults.
fn complete(call: &Call, object: &mut Value) -> Result<(), Status> {
    check_identity(call, object)?;
    call.normalise(object);
    apply_defaults_at(object, call.expected().ty, &crate::clock::Clock.now());
    Ok(())
}

/// Applies a patch to an object: the JSON that Go would write, patched, then decoded again.
pub(super) fn patched_as(
    expected: &Expected<'_>,
    call: &mut Call,
    request: &Request,
    live: &Value,
) -> Result<Value, Status> {
    let Request {
        patch,
        validation,
        strict_errors,
    } = request;
    let validation = *validation;
    let original = to_json_value(live, expected.ty);
    let document = original.clone();
    let typed = validation != FieldValidation::Ignore;
    let mut handled = Value::Null;
    let document = match patch {
        Patch::Json(patch) => patch.apply(document),
        Patch::Merge(patch) => merge::apply(document, patch, typed),
        Patch::Strategic(patch) => {
            handled = patch.clone();
            strategic::apply(document, &mut handled, schema(), expected.ty)
        }
    }
    .map_err(|error| error.to_status())?;
    let refuse = |why: String| {
        let shown = match patch {
            Patch::Json(_) | Patch::Merge(_) => goformat::json_text(&document),
            Patch::Strategic(_) => goformat::plain(&handled),
        };
        undecodable(shown, why)
    };
    let custom = call.endpoint.custom.as_ref();
    let decoded = match custom.filter(|_| expected.is_custom()) {
        Some(custom) => custom.reread(&document).map_err(refuse)?,
        None => {
            let before = Before {
                object: live,
                document: &original,
            };
            let reread = Reread::new(before, &document, expected.ty);
            if let Patch::Json(_) | Patch::Merge(_) = patch {
                other_kind(&document, expected).map_err(refuse)?;
            } else if let Some(why) = strategic::misfit(&reread.changed, schema(), expected.ty) {
                return Err(refuse(why));
            }
            reread
                .decode(strictness(typed))
                .map_err(|error| refuse(error.to_string()))?
        }
    };
    let mut errors = strict_errors.clone();
    errors.extend(decoded.strict_errors);
    if validation == FieldValidation::Strict && !errors.is_empty() {
        return Err(refuse(format!(
            "strict decoding error: {}",
            errors.join(", ")
        )));
    }
    call.judge(errors, expected, validation)?;
    let mut object = decoded.value;
    if managed_fields::asks_to_forget(&document) {
        // By an empty list, which decoding does not keep.
        managed_fields::ask_to_forget(&mut object);
    }
    call.patched = Some(document);
    Ok(object)
}

/// What is said of a document that a patch made another kind: it is read as that kind, then does not fit.
fn other_kind(document: &Value, expected: &Expected<'_>) -> Result<(), String> {
    let (kind, api_version) = (meta::kind(document), meta::api_version(document));
    let (group, version) = meta::group_version(api_version);
    if kind.is_empty() || api_version.is_empty() {
        return Ok(());
    }
    let Some(ty) = schema().kind(group, version, kind) else {
        return Err(format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            goformat::quote(kind),
            goformat::quote(api_version)
        ));
    };
    if kind == expected.kind && group == expected.group {
        return Ok(());
    }
    json_codec::from_json_value(document, ty, Strictness::Ignore)
        .map_err(|error| error.to_string())?;
    Err(unknown_conversion(version, kind, expected.ty))
}

/// What is said of an object that lost its name.
pub(super) fn nameless(asked: &str) -> Status {
    Status::bad_request(format!(
        "the name of the object ({asked} based on URL) was undeterminable: name must be provided"
    ))
}

/// A patch can neither rename an object, nor move it, nor make it another kind.
fn check_identity(call: &Call, object: &mut Value) -> Result<(), Status> {
    let resource = call.endpoint.resource;
    let (kind, api_version) = (meta::kind(object), meta::api_version(object));
    if (!kind.is_empty() && kind != &*resource.kind)
        || (!api_version.is_empty() && api_version != resource.group_version())
    {
        return Err(Status::bad_request(format!(
            "the patched object is {api_version} {kind}, the path is of {} {}",
            resource.group_version(),
            resource.kind
        )));
    }
    meta::set_type(object, &resource.group_version(), &resource.kind);
    let (asked, given) = (call.name(), meta::name(object));
    if given.is_empty() {
        return Err(nameless(asked));
    }
    if given != asked {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({asked})"
        )));
    }
    super::create::match_namespace(call, object)
}

/// The body of a server-side apply as a document.
pub(super) fn configuration(body: &[u8]) -> Result<Value, Status> {
    let config = yaml::to_value(body).map_err(|error| {
        // What looks like JSON passes as it is until it is read as YAML.
        let how = if body.trim_ascii_start().starts_with(b"{") {
            "error decoding patch: error converting YAML to JSON"
        } else {
            "error encoding patch"
        };
        Status::bad_request(format!("{how}: {error}"))
    })?;
    let kind = match &config {
        Value::Object(_) => return Ok(config),
        Value::Null => return Err(Status::bad_request("invalid object type: /, Kind=")),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
    };
    Err(Status::bad_request(format!(
        "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )))
}

/// Server-side apply: the body says what its manager wants, the rest of the object stays.
async fn apply(
    call: &mut Call,
    part: Part<'_>,
    options: &WriteOptions,
    accepted: &crate::negotiate::Accepted,
) -> Result<Reply, Status> {
    let expected = call.expected();
    let body = call.body.clone();
    let config = configuration(&body)?;
    let strict_errors = if options.validation == FieldValidation::Ignore {
        Vec::new()
    } else {
        yaml::decode(&body, expected.ty, Strictness::Report)
            .map_or_else(|_| Vec::new(), |decoded| decoded.strict_errors)
    };
    // What the configuration says twice is judged only once it has been applied.
    let judge = |call: &mut Call| {
        if options.validation == FieldValidation::Strict && !strict_errors.is_empty() {
            return Err(Status::bad_request(format!(
                "error strict decoding YAML: {}",
                strict_errors.join(", ")
            )));
        }
        call.warnings.extend(yaml::warnings(&strict_errors));
        Ok(())
    };
    let subresource = if let Part::Sub(name) = part { name } else { "" };
    let force = options.force.unwrap_or(false);
    let applied = |call: &Call, live: Option<&Value>| {
        let result = in_context(
            &call.endpoint,
            &options.field_manager,
            subresource,
            |context| managed_fields::apply(live, &config, context, force),
        );
        result.map_err(|error| error.to_status())
    };
    let old = match call.fetch().await {
        Ok(old) => old,
        Err(status) if status.code == 404 && part == Part::Main => {
            if !meta::uid(&config).is_empty() {
                let why = format!(
                    "uid mismatch: the provided object specified uid {}, and no existing object was found",
                    meta::uid(&config)
                );
                return Err(Status::conflict(
                    call.endpoint.group_resource(),
                    call.name(),
                    why,
                ));
            }
            let mut object = applied(call, None)?;
            judge(call)?;
            complete(call, &mut object)?;
            let created = insert(call, object, options.dry_run).await?;
            return call.answer_outcome(201, created, accepted);
        }
        Err(status) => return Err(status),
    };
    let changed = modify(call, part, options.dry_run, false, old, |call, live| {
        let mut object = applied(call, Some(live))?;
        judge(call)?;
        complete(call, &mut object)?;
        Ok(object)
    })
    .await?;
    call.answer_outcome(200, changed, accepted)
}
