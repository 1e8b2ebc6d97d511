//! AdmissionReview: what a webhook is asked, and what its answer means (apiserver pkg/admission/plugin/webhook/request).

use super::Trouble;
use crate::admission::dynamic::Subject;
use crate::audit::Trail;
use serde_json::{Value, json};
use triad_machinery::scheme::Resource;
use triad_machinery::status::Status;

const GROUP: &str = "admission.k8s.io";

/// The review, in the first version that the webhook and this server know, with the uid that the answer must bear.
pub(super) fn ask(
    versions: &[String],
    subject: Subject<'_>,
    matched: &'static Resource,
) -> Result<(String, Vec<u8>), String> {
    let known = versions
        .iter()
        .find(|version| ["v1", "v1beta1"].contains(&version.as_str()));
    let version = known.ok_or("could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)")?;
    let uid = uuid::Uuid::new_v4().to_string();
    let mut request = serde_json::Map::new();
    request.insert("uid".to_owned(), json!(uid));
    request.extend(subject.request(matched));
    request.insert("object".to_owned(), subject.shown(subject.object, matched));
    request.insert("oldObject".to_owned(), subject.shown(subject.old, matched));
    request.extend(subject.asked());
    let review = json!({"kind": "AdmissionReview", "apiVersion": format!("{GROUP}/{version}"), "request": request});
    Ok((uid, review.to_string().into_bytes()))
}

/// Who else is told what a webhook says.
pub(super) struct Heard<'a> {
    pub(super) warnings: &'a mut Vec<String>,
    pub(super) trail: &'a Trail,
}

/// What the answer says: the patch that it allows with, if any.
pub(super) fn read(
    name: &str,
    uid: &str,
    answer: &Value,
    mutating: bool,
    heard: Heard<'_>,
) -> Result<Option<Value>, Trouble> {
    let response = check(uid, answer, mutating)
        .map_err(|why| Trouble::Failed(format!("received invalid webhook response: {why}")))?;
    let texts = response["warnings"].as_array().into_iter().flatten();
    let texts = texts.filter_map(Value::as_str);
    heard.warnings.extend(texts.map(str::to_owned));
    let annotations = response["auditAnnotations"].as_object();
    for (key, value) in annotations.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        heard.trail.annotate(&format!("{name}/{key}"), value);
    }
    if response["allowed"] != true {
        return Err(Trouble::Rejected(rejection(name, &response["status"])));
    }
    match response["patch"]
        .as_str()
        .filter(|patch| mutating && !patch.is_empty())
    {
        None => Ok(None),
        Some(encoded) => patch(encoded)
            .map(Some)
            .map_err(|why| Trouble::Refused(Status::internal(why))),
    }
}

fn patch(encoded: &str) -> Result<Value, String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// VerifyAdmissionResponse.
fn check<'a>(uid: &str, answer: &'a Value, mutating: bool) -> Result<&'a Value, String> {
    let text = |field: &str| answer[field].as_str().unwrap_or("");
    let response = answer
        .get("response")
        .filter(|response| response.is_object());
    let response = response.ok_or("webhook response was absent")?;
    if text("apiVersion") == "admission.k8s.io/v1beta1" {
        return Ok(response);
    }
    let given = response["uid"].as_str().unwrap_or("");
    if given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let (group, version) = triad_machinery::meta::group_version(text("apiVersion"));
    if (group, version, text("kind")) != (GROUP, "v1", "AdmissionReview") {
        let kind = text("kind");
        return Err(format!(
            "expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {group}/{version}, Kind={kind}"
        ));
    }
    let patched = response["patch"]
        .as_str()
        .is_some_and(|patch| !patch.is_empty());
    let typed = response.get("patchType").is_some_and(|of| !of.is_null());
    match (mutating, patched, typed) {
        (true, true, false) => {
            Err("webhook returned response.patch but not response.patchType".to_owned())
        }
        (true, false, true) => {
            Err("webhook returned response.patchType but not response.patch".to_owned())
        }
        (true, true, true) if response["patchType"] != "JSONPatch" => Err(format!(
            "webhook returned invalid response.patchType of {}",
            response["patchType"]
        )),
        (false, true, _) => Err("validating webhook may not return response.patch".to_owned()),
        (false, _, true) => Err("validating webhook may not return response.patchType".to_owned()),
        _ => Ok(response),
    }
}

/// The webhook's own Status, with what makes it a refusal.
fn rejection(name: &str, given: &Value) -> Status {
    let text = |field: &str| given[field].as_str().unwrap_or("");
    let denied = format!("admission webhook {name:?} denied the request");
    let message = match (text("message"), text("reason")) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = given["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| *code >= 400);
    let mut status = Status::new(code.unwrap_or(400), "", message);
    status.reason = text("reason").to_owned().into();
    status
}
