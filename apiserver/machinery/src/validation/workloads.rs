//! Deployments, replica sets, stateful sets, daemon sets, replication controllers and controller revisions
//! (pkg/apis/apps/validation/validation.go, pkg/apis/core/validation/validation.go).

use serde_json::{Value, json};

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::{formats, go_value, selectors};
use crate::selector::label::LabelSelector;

pub(super) const MISMATCH: &str = "`selector` does not match template `labels`";

/// Rules of a template against the selector above it. Says whether the selector could be read.
fn template(spec: &At<'_>, what: &str, settings: &Settings, errors: &mut Errors) {
    let template = spec.get("template");
    pods::template(&template, settings, errors);
    let pod = template.get("spec");
    if pod.get("restartPolicy").text() != "Always" {
        errors.unsupported(&pod.get("restartPolicy"), &["Always"]);
    }
    if pod.get("activeDeadlineSeconds").given() {
        errors.forbidden(
            &pod.get("activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {what} is not Supported"),
        );
    }
}

/// Whether labels match; None when the selector itself is wrong.
pub(super) fn matches(selector: &At<'_>, labels: &At<'_>) -> Option<bool> {
    if !selector.given() {
        return Some(false);
    }
    let pairs: Vec<(&str, &str)> = labels
        .entries()
        .into_iter()
        .map(|(k, v)| (k, v.text()))
        .collect();
    let object = json!({"metadata": {"labels": pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>()}});
    LabelSelector::from_object(selector.value)
        .ok()
        .map(|s| s.matches_object(&object))
}

fn selector_matches(spec: &At<'_>, unreadable: &str, errors: &mut Errors) -> bool {
    let (selector, labels) = (
        spec.get("selector"),
        spec.get("template").get("metadata").get("labels"),
    );
    match matches(&selector, &labels) {
        Some(true) => true,
        Some(false) if !selector.given() || !selectors::selects_all(&selector) => {
            errors.invalid_value(&labels, labels.sorted(), MISMATCH);
            true
        }
        Some(false) => true,
        None => {
            errors.invalid_value(&selector, selectors::shown(&selector), unreadable);
            false
        }
    }
}

pub(super) fn selector(spec: &At<'_>, what: &str, errors: &mut Errors) {
    let selector = spec.get("selector");
    if !selector.given() {
        return errors.required(&selector, "");
    }
    selectors::label_selector(&selector, errors);
    if selectors::selects_all(&selector) {
        errors.invalid_value(
            &selector,
            selector.value.clone(),
            format!("empty selector is invalid for {what}"),
        );
    }
}

pub(crate) fn deployment(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let spec = object.get("spec");
    errors.not_negative(&spec.get("replicas"));
    selector(&spec, "deployment", errors);
    if selector_matches(&spec, "invalid label selector", errors) {
        template(&spec, "ReplicaSet", settings, errors);
    }
    deployment_strategy(&spec.get("strategy"), errors);
    errors.not_negative(&spec.get("minReadySeconds"));
    errors.not_negative(&spec.get("revisionHistoryLimit"));
    let deadline = spec.get("progressDeadlineSeconds");
    if deadline.given() {
        errors.not_negative(&deadline);
        if deadline.int() <= spec.get("minReadySeconds").int() {
            errors.invalid(&deadline, "must be greater than minReadySeconds");
        }
    }
}

fn deployment_strategy(at: &At<'_>, errors: &mut Errors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").text() {
        "Recreate" if rolling.given() => errors.forbidden(
            &rolling,
            "may not be specified when strategy `type` is 'Recreate'",
        ),
        "Recreate" => {}
        "RollingUpdate" if !rolling.given() => {
            errors.required(&rolling, "this should be defaulted and never be nil")
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            int_or_percent(&unavailable, errors);
            int_or_percent(&surge, errors);
            if amount(&unavailable) == 0 && amount(&surge) == 0 {
                errors.invalid_value(
                    &unavailable,
                    shown(&unavailable),
                    "may not be 0 when `maxSurge` is 0",
                );
            }
            at_most_all(&unavailable, errors);
        }
        _ => {
            let shown = go_value::internal("apps/v1.DeploymentStrategy", at.value);
            errors.0.push(crate::status::FieldError::not_supported(
                &at.path,
                shown,
                &["Recreate", "RollingUpdate"],
            ));
        }
    }
}

/// A number shown as Go shows it where none was given.
fn shown(at: &At<'_>) -> Value {
    if at.given() {
        at.value.clone()
    } else {
        json!(0)
    }
}

/// Not negative, or digits and a percent sign (ValidatePositiveIntOrPercent).
pub(crate) fn int_or_percent(at: &At<'_>, errors: &mut Errors) {
    match at.value.as_str() {
        Some(text) => {
            if percent(text).is_none() {
                let shape = crate::names::pattern(
                    "a valid percent string must be a numeric string followed by an ending '%'",
                    "[0-9]+%",
                    &["1%", "93%"],
                );
                errors.invalid(at, shape);
            }
        }
        None => errors.not_negative(at),
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(i64::MAX))
}

pub(super) fn amount(at: &At<'_>) -> i64 {
    at.value.as_str().map_or(at.int(), |text| {
        percent(text).or_else(|| text.parse().ok()).unwrap_or(0)
    })
}

/// No more than 100% (IsNotMoreThan100Percent).
pub(crate) fn at_most_all(at: &At<'_>, errors: &mut Errors) {
    if at
        .value
        .as_str()
        .and_then(percent)
        .is_some_and(|percent| percent > 100)
    {
        errors.invalid(at, "must not be greater than 100%");
    }
}

pub(crate) fn replica_set(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let spec = object.get("spec");
    errors.not_negative(&spec.get("replicas"));
    errors.not_negative(&spec.get("minReadySeconds"));
    selector(&spec, "deployment", errors);
    if selector_matches(&spec, "invalid label selector", errors) {
        template(&spec, "ReplicaSet", settings, errors);
    }
}

pub(crate) fn replication_controller(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let spec = object.get("spec");
    let (selector, labels) = (
        spec.get("selector"),
        spec.get("template").get("metadata").get("labels"),
    );
    if selector.empty() {
        errors.required(&selector, "");
    }
    {
        if spec.get("replicas").given() {
            errors.not_negative(&spec.get("replicas"));
        } else {
            errors.required(&spec.get("replicas"), "");
        }
        errors.not_negative(&spec.get("minReadySeconds"));
    };
    if !spec.get("template").given() {
        return errors.required(&spec.get("template"), "");
    }
    if selector
        .entries()
        .iter()
        .any(|(key, value)| labels.get(key).value != value.value)
    {
        errors.invalid_value(&labels, labels.sorted(), MISMATCH);
    }
    template(&spec, "ReplicationController", settings, errors);
}

pub(crate) fn daemon_set(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let spec = object.get("spec");
    let (selector, labels) = (
        spec.get("selector"),
        spec.get("template").get("metadata").get("labels"),
    );
    selectors::label_selector(&selector, errors);
    if matches(&selector, &labels) == Some(false) {
        errors.invalid_value(&labels, labels.sorted(), MISMATCH);
    }
    if selector.given() && selectors::selects_all(&selector) {
        errors.invalid_value(
            &selector,
            selector.value.clone(),
            "empty selector is invalid for daemonset",
        );
    }
    template(&spec, "DaemonSet", settings, errors);
    errors.not_negative(&spec.get("minReadySeconds"));
    daemon_strategy(&spec.get("updateStrategy"), errors);
    errors.not_negative(&spec.get("revisionHistoryLimit"));
}

fn daemon_strategy(at: &At<'_>, errors: &mut Errors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").text() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.given() => errors.required(&rolling, ""),
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            int_or_percent(&unavailable, errors);
            int_or_percent(&surge, errors);
            at_most_all(&unavailable, errors);
            at_most_all(&surge, errors);
            match (amount(&unavailable) != 0, amount(&surge) != 0) {
                (true, true) => errors.invalid_value(
                    &surge,
                    shown(&surge),
                    "may not be set when maxUnavailable is non-zero",
                ),
                (false, false) => errors.required(&unavailable, "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => {
            let shown = go_value::internal("apps/v1.DaemonSetUpdateStrategy", at.value);
            errors.0.push(crate::status::FieldError::not_supported(
                &at.path,
                shown,
                &["RollingUpdate", "OnDelete"],
            ));
        }
    }
}

/// Selectors stay as they are.
pub(crate) fn selector_update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable(
        &new.get("spec").get("selector"),
        &old.get("spec").get("selector"),
    );
}

pub(crate) fn controller_revision(object: &At<'_>, errors: &mut Errors) {
    errors.not_negative(&object.get("revision"));
    let data = object.get("data");
    if !data.given() {
        errors.required(&data, "data is mandatory");
    } else if !data.value.is_object() {
        errors.required(&data, "data must be a valid JSON object");
    }
}

pub(crate) fn controller_revision_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.not_negative(&object.get("revision"));
    let (now, then) = (object.get("data"), old.get("data"));
    if now.value != then.value {
        errors.invalid_value(&now, now.value.clone(), formats::IMMUTABLE);
    }
}

/// Counts in a status: none negative, those in `below_total` not above `replicas`.
pub(crate) fn status_counts(
    status: &At<'_>,
    counts: &[&str],
    below_total: &[&str],
    ready: &str,
    errors: &mut Errors,
) {
    for field in counts {
        errors.not_negative(&status.get(field));
    }
    let replicas = status.get("replicas").int();
    for field in below_total {
        if status.get(field).int() > replicas {
            errors.invalid_int(&status.get(field), "cannot be greater than status.replicas");
        }
    }
    if !ready.is_empty()
        && status.get("availableReplicas").int() > status.get("readyReplicas").int()
    {
        errors.invalid_int(&status.get("availableReplicas"), ready);
    }
}

/// The counter of name clashes only grows.
pub(crate) fn collisions(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (now, then) = (new.get("collisionCount"), old.get("collisionCount"));
    if then.given() && now.int() < then.int() {
        errors.invalid_int(&now, "cannot be decremented");
    }
}
