//! Events, as both groups write them (pkg/apis/core/validation/events.go). Objects come in the form of the core group.

use super::at::{At, Errors};
use super::{formats, same};

const SHORT: usize = 128;
const NOTE: usize = 1024;

/// `new_style`: written through events.k8s.io/v1, which asks for more.
pub(crate) fn create(object: &At<'_>, new_style: bool, errors: &mut Errors) {
    common(object, new_style, errors);
    if !new_style {
        return;
    }
    series(object, errors);
    errors.need(&object.get("eventTime"));
    let kind = object.get("type");
    if !matches!(kind.text(), "Normal" | "Warning") {
        errors.invalid_value(&kind, "", format!("has invalid value: {}", kind.text()));
    }
    for field in ["firstTimestamp", "lastTimestamp"] {
        if object.get(field).given() {
            errors.invalid_value(&object.get(field), "", "needs to be unset");
        }
    }
    if object.get("count").int() != 0 {
        errors.invalid_value(&object.get("count"), "", "needs to be unset");
    }
    let source = object.get("source");
    if !source.get("component").empty() || !source.get("host").empty() {
        errors.invalid_value(&source, "", "needs to be unset");
    }
}

fn series(object: &At<'_>, errors: &mut Errors) {
    let series = object.get("series");
    if !series.given() {
        return;
    }
    if series.get("count").int() < 2 {
        errors.invalid_value(&series.get("count"), "", "should be at least 2");
    }
    errors.need(&series.get("lastObservedTime"));
}

fn common(object: &At<'_>, new_style: bool, errors: &mut Errors) {
    let own = object.get("metadata").get("namespace").text();
    let other = object.get("involvedObject").get("namespace");
    let timed = object.get("eventTime").given();
    let fits = match (timed, other.text()) {
        (false, "") => matches!(own, "" | "default"),
        (false, namespace) => namespace == own,
        (true, "") => matches!(own, "default" | "kube-system"),
        (true, _) => true,
    };
    if !fits {
        errors.invalid(&other, "does not match event.namespace");
    }
    if !timed {
        return;
    }
    let shown = if new_style {
        "reportingController"
    } else {
        "reportingComponent"
    };
    let controller = object.get_as("reportingComponent", shown);
    errors.need(&controller);
    formats::label_key(&controller, errors);
    for (field, most) in [
        ("reportingInstance", SHORT),
        ("action", SHORT),
        ("reason", SHORT),
        ("message", NOTE),
    ] {
        let at = object.get(field);
        if field != "message" {
            errors.need(&at);
        }
        if at.text().len() > most {
            errors.invalid_value(&at, "", format!("can have at most {most} characters"));
        }
    }
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, new_style: bool, errors: &mut Errors) {
    common(object, new_style, errors);
    if !new_style {
        return;
    }
    if !same(object.get("series").value, old.get("series").value) {
        series(object, errors);
    }
    const FIELDS: &[(&str, &str)] = &[
        ("involvedObject", "core/v1.ObjectReference"),
        ("reason", ""),
        ("message", ""),
        ("source", "core/v1.EventSource"),
        ("firstTimestamp", ""),
        ("lastTimestamp", ""),
        ("count", ""),
        ("reason", ""),
        ("type", ""),
        ("eventTime", ""),
        ("action", ""),
        ("related", "core/v1.ObjectReference"),
        ("reportingComponent", ""),
        ("reportingInstance", ""),
    ];
    for (field, ty) in FIELDS {
        let shown = if *field == "reportingComponent" {
            "reportingController"
        } else {
            field
        };
        let (now, then) = (object.get_as(field, shown), old.get(field));
        if !same(now.value, then.value) {
            let value = if now.given() || *field == "related" {
                super::go_value::internal(ty, now.value)
            } else {
                "".into()
            };
            errors.invalid_value(&now, value, formats::IMMUTABLE);
        }
    }
}
