//! Cells of volumes, claims, storage classes and drivers.

use serde_json::Value;

use super::columns::Columns;
use super::path::{at, list, text};
use crate::duration::parse_time;
use crate::goformat::plain;
use crate::meta;

pub(super) fn phase(object: &Value, _: i64) -> Value {
    match at(object, "metadata.deletionTimestamp") {
        Some(_) => "Terminating".into(),
        None => text(object, "status.phase").into(),
    }
}

pub(super) fn claim_capacity(claim: &Value, _: i64) -> Value {
    match (
        text(claim, "spec.volumeName"),
        at(claim, "status.capacity.storage"),
    ) {
        ("", _) => "".into(),
        (_, Some(storage)) => storage.clone(),
        (_, None) => "0".into(),
    }
}

pub(super) fn claim_access_modes(claim: &Value, _: i64) -> Value {
    match text(claim, "spec.volumeName") {
        "" => "".into(),
        _ => modes(list(claim, "status.accessModes")).into(),
    }
}

pub(super) fn access_modes(volume: &Value, _: i64) -> Value {
    modes(list(volume, "spec.accessModes")).into()
}

fn modes(modes: &[Value]) -> String {
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| modes.iter().any(|m| m.as_str() == Some(mode));
    known
        .iter()
        .filter(|(mode, _)| has(mode))
        .map(|(_, short)| *short)
        .collect::<Vec<_>>()
        .join(",")
}

pub(super) fn claim_of(volume: &Value, _: i64) -> Value {
    match at(volume, "spec.claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "namespace"), text(claim, "name")).into(),
        None => "".into(),
    }
}

/// The class of a volume or a claim; an annotation of old comes first.
pub(super) fn class(object: &Value, _: i64) -> Value {
    let annotated = meta::annotation(object, "volume.beta.kubernetes.io/storage-class");
    annotated
        .unwrap_or_else(|| text(object, "spec.storageClassName"))
        .into()
}

pub(super) fn audiences(driver: &Value, _: i64) -> Value {
    match at(driver, "spec.tokenRequests").and_then(Value::as_array) {
        Some(requests) => requests
            .iter()
            .map(|r| text(r, "audience"))
            .collect::<Vec<_>>()
            .join(",")
            .into(),
        None => "<unset>".into(),
    }
}

pub(super) fn name(class: &Value, _: i64) -> Value {
    meta::name(class).into()
}

/// Whether cells of these columns depend on the other objects of a list: those of storage classes.
pub(super) fn depends_on_others(columns: &Columns) -> bool {
    columns.has("VolumeBindingMode")
}

/// Which of the storage classes of a list takes claims without a class: of those marked the youngest, then the first
/// by name. None for lists of other kinds.
pub(super) fn effective_default<'a>(
    columns: &Columns,
    objects: impl Iterator<Item = &'a Value>,
) -> Option<String> {
    if !depends_on_others(columns) {
        return None;
    }
    let marks = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let is_default = |class: &&Value| {
        marks
            .iter()
            .any(|mark| meta::annotation(class, mark) == Some("true"))
    };
    let rank = |class: &&Value| {
        (
            std::cmp::Reverse(parse_time(meta::creation_timestamp(class))),
            meta::name(class).to_owned(),
        )
    };
    objects
        .filter(is_default)
        .min_by_key(rank)
        .map(|class| meta::name(class).to_owned())
}

pub(super) fn quota_requests(quota: &Value, _: i64) -> Value {
    quota_part(quota, false)
}

pub(super) fn quota_limits(quota: &Value, _: i64) -> Value {
    quota_part(quota, true)
}

fn quota_part(quota: &Value, limits: bool) -> Value {
    let Some(hard) = at(quota, "status.hard").and_then(Value::as_object) else {
        return "".into();
    };
    let used = |resource: &str| {
        let used = quota
            .pointer("/status/used")
            .and_then(|used| used.get(resource));
        used.map_or_else(|| "0".into(), plain)
    };
    let mut shown: Vec<String> = hard
        .iter()
        .filter(|(resource, _)| resource.starts_with("limits.") == limits)
        .map(|(resource, hard)| format!("{resource}: {}/{}", used(resource), plain(hard)))
        .collect();
    shown.sort();
    shown.join(", ").into()
}
