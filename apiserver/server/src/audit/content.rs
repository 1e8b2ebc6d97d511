//! Objects as events show them: as JSON, whatever form they travelled in, without what must not be kept.
//!
//! What a Secret holds and tokens that a review or a request for one carries never get into an event, at no level: a policy that
//! is too generous must not hand credentials to whoever reads logs.

use crate::reply::named;
use bytes::Bytes;
use serde_json::{Map, Value};
use triad_machinery::codec::json::to_json_value;
use triad_machinery::codec::{protobuf, yaml};
use triad_machinery::meta;
use triad_machinery::schema::{TypeId, schema};

/// Repeats what was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The document in a body of a Content-Type; none where it cannot be read.
pub(super) fn document(content_type: &str, body: &[u8]) -> Option<Value> {
    if content_type.starts_with(PROTOBUF) {
        return of_protobuf(body);
    }
    if content_type.contains("yaml") {
        return yaml::to_value(body).ok();
    }
    serde_json::from_slice(body).ok()
}

fn of_protobuf(body: &[u8]) -> Option<Value> {
    let envelope = protobuf::open(body).ok()?;
    let found = &envelope.type_meta;
    let (group, version) = meta::group_version(&found.api_version);
    let ty = schema()
        .kind(group, version, &found.kind)
        .or_else(|| (found.kind == "Status").then(|| named("meta/v1.Status")))?;
    let mut object = protobuf::decode_enveloped(&envelope, ty).ok()?;
    meta::set_type(&mut object, &found.api_version, &found.kind);
    Some(to_json_value(&object, ty))
}

/// A decoded object as Go would write it.
pub(super) fn object(object: &Value, ty: TypeId) -> Value {
    to_json_value(object, ty)
}

/// The text of a document, without what must not be kept.
pub(super) fn text(mut document: Value, without_managed_fields: bool) -> Bytes {
    let kind = meta::kind(&document).to_owned();
    clean(&mut document, &kind, without_managed_fields);
    document.to_string().into()
}

/// Whether a patch of the resource may carry what must not be kept.
pub(super) fn is_secret(group: &str, resource: &str) -> bool {
    group.is_empty() && resource == "secrets"
}

fn clean(document: &mut Value, kind: &str, without_managed_fields: bool) {
    let Some(fields) = document.as_object_mut() else {
        return;
    };
    match kind {
        "Secret" => hide_secret(fields),
        "TokenReview" => forget(fields, "spec", "token"),
        "TokenRequest" => forget(fields, "status", "token"),
        _ => {}
    }
    if without_managed_fields {
        forget(fields, "metadata", "managedFields");
    }
    let of_list = kind.strip_suffix("List").unwrap_or(kind);
    for list in ["items", "rows"] {
        let entries = fields.get_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            let object = match list {
                "rows" => entry.get_mut("object"),
                _ => Some(entry),
            };
            let Some(entry) = object else {
                continue;
            };
            let own = meta::kind(entry).to_owned();
            let kind = if own.is_empty() { of_list } else { &own };
            clean(entry, kind, without_managed_fields);
        }
    }
}

fn hide_secret(secret: &mut Map<String, Value>) {
    secret.shift_remove("data");
    secret.shift_remove("stringData");
    let metadata = secret.get_mut("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
}

fn forget(fields: &mut Map<String, Value>, part: &str, field: &str) {
    let part = fields.get_mut(part).and_then(Value::as_object_mut);
    if let Some(part) = part {
        part.shift_remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(document: Value) -> Value {
        serde_json::from_slice(&text(document, true)).expect("JSON")
    }

    #[test]
    fn secrets_and_tokens_are_left_out_wherever_they_stand() {
        let secret = |kind: &str| {
            json!({"kind": kind, "metadata": {"name": "s", "annotations": {LAST_APPLIED: "canary", "a": "b"}, "managedFields": [{}]},
            "data": {"k": "canary"}, "stringData": {"k": "canary"}, "type": "Opaque"})
        };
        let wanted = json!({"kind": "Secret", "metadata": {"name": "s", "annotations": {"a": "b"}}, "type": "Opaque"});
        assert_eq!(shown(secret("Secret")), wanted);
        let mut item = secret("");
        item.as_object_mut().expect("a map").shift_remove("kind");
        for document in [
            json!({"kind": "SecretList", "items": [item]}),
            json!({"kind": "List", "items": [secret("Secret")]}),
            json!({"kind": "Table", "rows": [{"cells": ["s"], "object": secret("Secret")}]}),
            json!({"kind": "TokenReview", "spec": {"token": "canary"}}),
            json!({"kind": "TokenRequest", "spec": {"audiences": []}, "status": {"token": "canary"}}),
        ] {
            let text = shown(document).to_string();
            assert!(!text.contains("canary"), "{text}");
        }
        let map = json!({"kind": "ConfigMap", "data": {"k": "v"}});
        assert_eq!(shown(map.clone()), map, "others stay as they are");
    }
}
