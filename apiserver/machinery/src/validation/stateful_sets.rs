//! Stateful sets (pkg/apis/apps/validation/validation.go).

use serde_json::{Value, json};

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::workloads::{MISMATCH, amount, at_most_all, int_or_percent, matches, selector};
use super::{claims, formats, go_value, same, selectors};

pub(crate) fn stateful_set(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let spec = object.get("spec");
    let management = spec.get("podManagementPolicy");
    match management.text() {
        "" => errors.required(&management, ""),
        "OrderedReady" | "Parallel" => {}
        _ => errors.invalid(&management, "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_strategy(&spec.get("updateStrategy"), errors);
    let retention = spec.get("persistentVolumeClaimRetentionPolicy");
    if retention.given() {
        for field in ["whenDeleted", "whenScaled"] {
            errors.one_of(&retention.get(field), &["Retain", "Delete"]);
        }
    }
    for claim in spec.get("volumeClaimTemplates").items() {
        claims::spec(&claim.get("spec"), errors);
    }
    errors.not_negative(&spec.get("replicas"));
    errors.not_negative(&spec.get("minReadySeconds"));
    errors.not_negative(&spec.get("ordinals").get("start"));
    if !spec.get("serviceName").empty() {
        formats::label(&spec.get("serviceName"), errors);
    }
    let chosen = spec.get("selector");
    if chosen.given() {
        selector(&spec, "statefulset", errors);
    } else {
        errors.required(&chosen, "");
    }
    let labels = spec.get("template").get("metadata").get("labels");
    match matches(&chosen, &labels) {
        None => errors.invalid_value(&chosen, selectors::shown(&chosen), ""),
        fit => {
            if fit == Some(false) {
                errors.invalid_value(&labels, labels.sorted(), MISMATCH);
            }
            stateful_template(&spec, settings, errors);
        }
    }
    let pod = spec.get("template").get("spec");
    if pod.get("restartPolicy").text() != "Always" {
        errors.unsupported(&pod.get("restartPolicy"), &["Always"]);
    }
    if pod.get("activeDeadlineSeconds").given() {
        errors.forbidden(
            &pod.get("activeDeadlineSeconds"),
            "activeDeadlineSeconds in StatefulSet is not Supported",
        );
    }
}

/// The template with the volumes that the claim templates make; host names are the set's to give.
fn stateful_template(spec: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let place = spec.get("template");
    let mut template = place.value.clone();
    let claims: Vec<&str> = spec
        .get("volumeClaimTemplates")
        .items()
        .map(|c| c.get("metadata").get("name").text())
        .collect();
    if let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) {
        pod.shift_remove("subdomain");
        pod.shift_remove("hostname");
        let own = pod
            .get("volumes")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let named = |volume: &Value| {
            volume
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| claims.contains(&name))
        };
        let mut names = claims.clone();
        names.sort_unstable();
        names.dedup();
        let made = names
            .iter()
            .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
        let all: Vec<Value> = made
            .chain(own.into_iter().filter(|volume| !named(volume)))
            .collect();
        if !all.is_empty() {
            pod.insert("volumes".into(), all.into());
        }
    }
    let at = place.standing_in(&template);
    pods::template(&at, settings, errors);
    // Upstream looks at these once more.
    let metadata = at.get("metadata");
    let shown = |field: &str| metadata.get(field).shown_at(format!("{}.{field}", at.path));
    selectors::labels(&shown("labels"), errors);
    selectors::annotations(&shown("annotations"), errors);
    pods::annotations(&shown("annotations"), &at.get("spec"), errors);
}

fn stateful_strategy(at: &At<'_>, errors: &mut Errors) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").text() {
        "" => errors.required(at, ""),
        "OnDelete" if rolling.given() => {
            let shown =
                go_value::internal("apps/v1.RollingUpdateStatefulSetStrategy", rolling.value);
            errors.invalid_value(
                &rolling,
                shown,
                "only allowed for updateStrategy 'RollingUpdate'",
            );
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            errors.not_negative(&rolling.get("partition"));
            let unavailable = rolling.get("maxUnavailable");
            if unavailable.given() {
                int_or_percent(&unavailable, errors);
                if amount(&unavailable) == 0 {
                    errors.invalid(&unavailable, "cannot be 0");
                }
                at_most_all(&unavailable, errors);
            }
        }
        _ => {
            let shown = go_value::internal("apps/v1.StatefulSetUpdateStrategy", at.value);
            errors.invalid_value(at, shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

pub(crate) fn stateful_set_update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    {
        for field in [
            "selector",
            "volumeClaimTemplates",
            "serviceName",
            "podManagementPolicy",
        ] {
            let (now, then) = (new.get("spec").get(field), old.get("spec").get(field));
            if !same(now.value, then.value) {
                let claims = now
                    .items()
                    .map(|c| go_value::internal("core/v1.PersistentVolumeClaim", c.value));
                let shown = if field == "volumeClaimTemplates" && now.given() {
                    claims.collect()
                } else {
                    now.value.clone()
                };
                errors.invalid_value(&now, shown, formats::IMMUTABLE);
            }
        }
    };
}
