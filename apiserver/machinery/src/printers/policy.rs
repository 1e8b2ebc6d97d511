//! Cells of events, roles, certificates, admission policies, flow schemas, registrations and migrations.

use serde_json::Value;

use super::path::{at, condition, first_of, list, number, or, text};
use crate::duration::{GoDuration, age};
use crate::goformat::plain;

fn any<'a>(object: &'a Value, paths: &[&str]) -> &'a str {
    paths
        .iter()
        .map(|path| text(object, path))
        .find(|text| !text.is_empty())
        .unwrap_or("")
}

const FIRST_SEEN: [&str; 3] = ["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"];

pub(super) fn last_seen(event: &Value, now: i64) -> Value {
    let last = any(
        event,
        &[
            "series.lastObservedTime",
            "lastTimestamp",
            "deprecatedLastTimestamp",
        ],
    );
    age(
        if last.is_empty() {
            any(event, &FIRST_SEEN)
        } else {
            last
        },
        now,
    )
    .into()
}

pub(super) fn event_object(event: &Value, _: i64) -> Value {
    let about = at(event, "involvedObject")
        .or_else(|| at(event, "regarding"))
        .unwrap_or(&Value::Null);
    let kind = text(about, "kind").to_lowercase();
    match text(about, "name") {
        "" => kind.into(),
        name => format!("{kind}/{name}").into(),
    }
}

pub(super) fn event_source(event: &Value, _: i64) -> Value {
    let component = any(
        event,
        &[
            "source.component",
            "deprecatedSource.component",
            "reportingComponent",
            "reportingController",
        ],
    );
    match any(
        event,
        &["source.host", "deprecatedSource.host", "reportingInstance"],
    ) {
        "" => component.into(),
        host => format!("{component}, {host}").into(),
    }
}

pub(super) fn event_count(event: &Value, _: i64) -> Value {
    if at(event, "series").is_some() {
        return number(event, "series.count").into();
    }
    match number(event, "count").max(number(event, "deprecatedCount")) {
        0 => 1.into(),
        count => count.into(),
    }
}

pub(super) fn users(binding: &Value, _: i64) -> Value {
    subjects(binding, "User")
}

pub(super) fn groups(binding: &Value, _: i64) -> Value {
    subjects(binding, "Group")
}

pub(super) fn accounts(binding: &Value, _: i64) -> Value {
    subjects(binding, "ServiceAccount")
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let shown = |subject: &Value| match (kind, text(subject, "namespace")) {
        ("ServiceAccount", namespace) if !namespace.is_empty() => {
            format!("{namespace}/{}", text(subject, "name"))
        }
        _ => text(subject, "name").to_owned(),
    };
    let named = list(binding, "subjects")
        .iter()
        .filter(|subject| text(subject, "kind") == kind);
    named.map(shown).collect::<Vec<_>>().join(", ").into()
}

pub(super) fn request_duration(request: &Value, _: i64) -> Value {
    match at(request, "spec.expirationSeconds").and_then(Value::as_i64) {
        Some(seconds) => GoDuration::from_seconds(seconds).human().into(),
        None => "<none>".into(),
    }
}

pub(super) fn request_condition(request: &Value, _: i64) -> Value {
    let has = |kind: &str| condition(request, kind).is_some();
    let mut out = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        out.push_str(",Failed");
    }
    if !text(request, "status.certificate").is_empty() {
        out.push_str(",Issued");
    }
    out.into()
}

pub(super) fn pod_certificate_state(request: &Value, _: i64) -> Value {
    let known = ["Issued", "Denied", "Failed"];
    let mut kinds = list(request, "status.conditions")
        .iter()
        .map(|c| text(c, "type"));
    kinds
        .rfind(|kind| known.contains(kind))
        .unwrap_or("Pending")
        .into()
}

pub(super) fn param_kind(policy: &Value, _: i64) -> Value {
    match at(policy, "spec.paramKind") {
        Some(kind) => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")).into(),
        None => "<unset>".into(),
    }
}

pub(super) fn param_ref(binding: &Value, _: i64) -> Value {
    let Some(parameter) = at(binding, "spec.paramRef") else {
        return "<unset>".into();
    };
    match (
        text(parameter, "name"),
        text(parameter, "namespace"),
        at(parameter, "selector"),
    ) {
        ("", _, Some(selector)) => selector_text(selector).into(),
        ("", _, None) => "<unset>".into(),
        (name, "", _) => format!("*/{name}").into(),
        (name, namespace, _) => format!("{namespace}/{name}").into(),
    }
}

/// `LabelSelector.String()` as generated for Go.
fn selector_text(selector: &Value) -> String {
    let labels = at(selector, "matchLabels")
        .cloned()
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}: {},", plain(v)))
        .collect();
    pairs.sort();
    let expressions: String = list(selector, "matchExpressions")
        .iter()
        .map(|e| {
            let values = plain(e.get("values").unwrap_or(&Value::Array(Vec::new())));
            format!(
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:{values},}},",
                text(e, "key"),
                text(e, "operator")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}",
        pairs.concat()
    )
}

pub(super) fn dangling(schema: &Value, _: i64) -> Value {
    condition(schema, "Dangling")
        .map_or("?", |c| text(c, "status"))
        .into()
}

pub(super) fn service_of(registration: &Value, _: i64) -> Value {
    match at(registration, "spec.service") {
        Some(service) => format!("{}/{}", text(service, "namespace"), text(service, "name")).into(),
        None => "Local".into(),
    }
}

pub(super) fn available(registration: &Value, _: i64) -> Value {
    let Some(condition) = condition(registration, "Available") else {
        return "Unknown".into();
    };
    match (text(condition, "status"), text(condition, "reason")) {
        ("True", _) => "True".into(),
        (status, "") => status.into(),
        (status, reason) => format!("{status} ({reason})").into(),
    }
}

pub(super) fn crd_versions(definition: &Value, _: i64) -> Value {
    let served = |version: &&Value| version.get("served").and_then(Value::as_bool) == Some(true);
    let shown = |version: &Value| {
        let stored = version.get("storage").and_then(Value::as_bool) == Some(true);
        format!(
            "{}{}",
            text(version, "name"),
            if stored { "(storage)" } else { "" }
        )
    };
    let mut versions: Vec<String> = list(definition, "spec.versions")
        .iter()
        .filter(served)
        .map(shown)
        .collect();
    versions.sort();
    versions.join(",").into()
}

pub(super) fn established(definition: &Value, _: i64) -> Value {
    condition(definition, "Established")
        .is_some_and(|c| text(c, "status") == "True")
        .into()
}

pub(super) fn migration_resource(migration: &Value, _: i64) -> Value {
    let (group, resource) = (
        text(migration, "spec.resource.group"),
        text(migration, "spec.resource.resource"),
    );
    if group.is_empty() {
        resource.into()
    } else {
        format!("{resource}.{group}").into()
    }
}

pub(super) fn migration_status(migration: &Value, _: i64) -> Value {
    let known = ["Running", "Failed", "Succeeded"];
    let conditions = list(migration, "status.conditions").iter();
    let mut kinds = conditions
        .filter(|c| text(c, "status") == "True")
        .map(|c| text(c, "type"));
    kinds
        .rfind(|kind| known.contains(kind))
        .unwrap_or("Unknown")
        .into()
}

pub(super) fn storage_versions(object: &Value, _: i64) -> Value {
    let versions = list(object, "status.storageVersions").iter();
    let shown = versions
        .map(|v| format!("{}={}", text(v, "apiServerID"), text(v, "encodingVersion")))
        .collect();
    or(&first_of(shown, 3, ","), "<unset>").into()
}
