//! Jobs and cron jobs (pkg/apis/batch/validation/validation.go).

use serde_json::json;

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::{cron, formats, go_value, job_policies, same, selectors};
use crate::names;
use crate::selector::label::LabelSelector;
use crate::status::FieldError;

const INDEXED_MAX: i64 = 100_000;

const HIGH_MAX: i64 = 10_000;

pub(crate) fn create(object: &At<'_>, settings: &Settings, errors: &mut Errors) {
    generated_selector(object, errors);
    spec_with_selector(&object.get("spec"), settings, errors);
    name_for_pods(object, errors);
}

fn name_for_pods(object: &At<'_>, errors: &mut Errors) {
    let (name, spec) = (object.get("metadata").get("name"), object.get("spec"));
    let completions = spec.get("completions").int();
    if spec.get("completionMode").text() == "Indexed" && completions > 0 {
        let host = format!("{}-{}", name.text(), completions - 1);
        if !names::dns1123_label(&host).is_empty() {
            errors.invalid(
                &name,
                format!("will not able to create pod with invalid DNS label: {host}"),
            );
        }
    }
}

fn generated_selector(object: &At<'_>, errors: &mut Errors) {
    let (spec, metadata) = (object.get("spec"), object.get("metadata"));
    let selector = spec.get("selector");
    if spec.get("manualSelector").yes() || !selector.given() {
        return;
    }
    errors.need(&metadata.get("uid"));
    let (uid, name) = (metadata.get("uid").text(), metadata.get("name").text());
    let labels = spec.get("template").get("metadata").get("labels");
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    for (key, value) in expected {
        let label = labels.key(key);
        if !label.given() {
            errors.required(&label, &format!("must be '{value}'"));
        } else if label.text() != value {
            errors.invalid_value(&label, labels.sorted(), format!("must be '{value}'"));
        }
    }
    let object = json!({"metadata": {"labels": expected.into_iter().collect::<std::collections::BTreeMap<_, _>>()}});
    if LabelSelector::from_object(selector.value).is_ok_and(|s| !s.matches_object(&object)) {
        errors.invalid(&selector, "`selector` not auto-generated");
    }
}

fn spec_with_selector(spec: &At<'_>, settings: &Settings, errors: &mut Errors) {
    job_spec(spec, settings, errors);
    let selector = spec.get("selector");
    if selector.given() {
        selectors::label_selector(&selector, errors);
    } else {
        errors.required(&selector, "");
    }
    let labels = spec.get("template").get("metadata").get("labels");
    let pod = json!({"metadata": {"labels": labels.value}});
    let fits = selector.given()
        && LabelSelector::from_object(selector.value).map_or(true, |s| s.matches_object(&pod));
    if !fits {
        errors.invalid_value(
            &labels,
            labels.sorted(),
            "`selector` does not match template `labels`",
        );
    }
}

fn job_spec(spec: &At<'_>, settings: &Settings, errors: &mut Errors) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.not_negative(&spec.get(field));
    }
    let (per_index, failed) = (
        spec.get("backoffLimitPerIndex"),
        spec.get("maxFailedIndexes"),
    );
    if failed.given() && !per_index.given() {
        errors.required(&per_index, "when maxFailedIndexes is specified");
    }
    let manager = spec.get("managedBy");
    if manager.given() {
        formats::domain_prefixed_path(&manager, errors);
        if manager.text().len() > 63 {
            errors.too_long(&manager, 63);
        }
    }
    completion_mode(spec, errors);
    let (failure, success) = (spec.get("podFailurePolicy"), spec.get("successPolicy"));
    if failure.given() {
        job_policies::failure_policy(spec, &failure, errors);
    }
    if success.given() {
        if spec.get("completionMode").text() == "Indexed" {
            job_policies::success_policy(spec, &success, errors);
        } else {
            let shown = go_value::internal("batch/v1.SuccessPolicy", success.value);
            errors.invalid_value(&success, shown, "requires indexed completion mode");
        }
    }
    let replacement = spec.get("podReplacementPolicy");
    if replacement.given() {
        let known: &[&str] = if failure.given() {
            &["Failed"]
        } else {
            &["Failed", "TerminatingOrFailed"]
        };
        errors.one_of(&replacement, known);
    }
    let template = spec.get("template");
    pods::template(&template, settings, errors);
    let restart = template.get("spec").get("restartPolicy");
    match restart.text() {
        "" | "Always" => errors.required(&restart, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if failure.given() => errors.invalid(
            &restart,
            "only \"Never\" is supported when podFailurePolicy is specified",
        ),
        "OnFailure" | "Never" => {}
        _ => errors.unsupported(&restart, &["OnFailure", "Never"]),
    }
}

fn completion_mode(spec: &At<'_>, errors: &mut Errors) {
    let (mode, completions, parallelism) = (
        spec.get("completionMode"),
        spec.get("completions"),
        spec.get("parallelism"),
    );
    let (per_index, failed) = (
        spec.get("backoffLimitPerIndex"),
        spec.get("maxFailedIndexes"),
    );
    if mode.given() {
        errors.one_of(&mode, &["NonIndexed", "Indexed"]);
    }
    if mode.text() == "Indexed" {
        if !completions.given() {
            errors.required(&completions, "when completion mode is Indexed");
        }
        if parallelism.int() > INDEXED_MAX {
            errors.invalid(
                &parallelism,
                format!(
                    "must be less than or equal to {INDEXED_MAX} when completion mode is Indexed"
                ),
            );
        }
        if completions.given() && failed.given() && failed.int() > completions.int() {
            errors.invalid(&failed, "must be less than or equal to completions");
        }
        if failed.int() > INDEXED_MAX {
            errors.invalid(
                &failed,
                format!("must be less than or equal to {INDEXED_MAX}"),
            );
        }
        if completions.int() > INDEXED_MAX && per_index.given() {
            let high = format!(
                "must be less than or equal to {HIGH_MAX} when completions are above {INDEXED_MAX} and used with backoff limit per index"
            );
            if !failed.given() {
                errors.required(
                    &failed,
                    &format!("must be specified when completions is above {INDEXED_MAX}"),
                );
            }
            for at in [&parallelism, &failed] {
                if at.int() > HIGH_MAX {
                    errors.invalid(at, high.as_str());
                }
            }
        }
    } else if !mode.given() || mode.text() == "NonIndexed" {
        for at in [&per_index, &failed] {
            if at.given() {
                errors.invalid(at, "requires indexed completion mode");
            }
        }
    }
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let (spec, before) = (object.get("spec"), old.get("spec"));
    spec_with_selector(&spec, settings, errors);
    let completions = spec.get("completions");
    if spec.get("completionMode").text() != "Indexed" {
        errors.immutable(&completions, &before.get("completions"));
    } else if completions.given()
        && completions.value != before.get("completions").value
        && completions.int() != spec.get("parallelism").int()
    {
        errors.invalid(
            &completions,
            "can only be modified in tandem with spec.parallelism",
        );
    }
    errors.immutable(&spec.get("selector"), &before.get("selector"));
    template_update(&spec, &before, old, errors);
    let internal = [
        ("podFailurePolicy", "batch/v1.PodFailurePolicy"),
        ("successPolicy", "batch/v1.SuccessPolicy"),
    ];
    for field in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        let (now, then) = (spec.get(field), before.get(field));
        if !same(now.value, then.value) {
            let ty = internal
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("", |(_, ty)| ty);
            errors.invalid_value(&now, go_value::internal(ty, now.value), formats::IMMUTABLE);
        }
    }
    name_for_pods(object, errors);
}

/// A job that has not begun may still say where its pods go, a suspended one what they use.
fn template_update(spec: &At<'_>, before: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let template = spec.get("template");
    let (mut then, suspended) = (
        before.get("template").value.clone(),
        before.get("suspend").yes(),
    );
    let never_started = !old.get("status").get("startTime").given();
    if suspended && never_started {
        for field in ["nodeSelector", "tolerations", "schedulingGates"] {
            then["spec"][field] = template.get("spec").get(field).value.clone();
        }
        for field in ["annotations", "labels"] {
            then["metadata"][field] = template.get("metadata").get(field).value.clone();
        }
        then["spec"]["affinity"]["nodeAffinity"] = template
            .get("spec")
            .get("affinity")
            .get("nodeAffinity")
            .value
            .clone();
    }
    if suspended {
        for list in ["containers", "initContainers"] {
            for (i, container) in template.get("spec").get(list).items().enumerate() {
                if then["spec"][list][i]["name"] == *container.get("name").value {
                    then["spec"][list][i]["resources"] = container.get("resources").value.clone();
                }
            }
        }
        let pod = template.get("spec");
        if !same(pod.value, &then["spec"]) {
            errors.invalid_value(
                &pod,
                go_value::internal("core/v1.PodSpec", pod.value),
                formats::IMMUTABLE,
            );
        }
    } else if !same(template.value, &then) {
        errors.invalid_value(
            &template,
            go_value::internal("core/v1.PodTemplateSpec", template.value),
            formats::IMMUTABLE,
        );
    }
}

pub(crate) fn cron_job(
    object: &At<'_>,
    old: Option<&At<'_>>,
    settings: &Settings,
    errors: &mut Errors,
) {
    let spec = object.get("spec");
    let (schedule, zone) = (spec.get("schedule"), spec.get("timeZone"));
    let before = old.map(|old| old.get("spec"));
    if schedule.empty() {
        errors.required(&schedule, "");
    } else {
        if let Err(problem) = cron::schedule(schedule.text()) {
            errors.invalid(&schedule, problem);
        }
        let allowed = before
            .as_ref()
            .is_some_and(|before| before.get("schedule").text().contains("TZ"));
        if schedule.text().contains("TZ") && !allowed {
            errors.invalid(
                &schedule,
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            );
        } else if schedule.text().contains("TZ") && zone.given() {
            errors.invalid(
                &schedule,
                "cannot use both timeZone field and TZ or CRON_TZ in schedule",
            );
        }
    }
    errors.not_negative(&spec.get("startingDeadlineSeconds"));
    if zone.given() && before.is_none_or(|before| before.get("timeZone").value != zone.value) {
        time_zone(&zone, errors);
    }
    errors.need_one_of(
        &spec.get("concurrencyPolicy"),
        &["Allow", "Forbid", "Replace"],
    );
    let job = spec.get("jobTemplate").get("spec");
    job_spec(&job, settings, errors);
    if job.get("selector").given() {
        errors.invalid(&job.get("selector"), "`selector` will be auto-generated");
    }
    if job.get("manualSelector").yes() {
        errors.0.push(FieldError::not_supported(
            job.get("manualSelector").path,
            true,
            &["nil", "false"],
        ));
    }
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&spec.get(field));
    }
    let name = object.get("metadata").get("name");
    if old.is_none() && name.text().len() > 52 {
        errors.invalid(&name, names::max_len(52));
    }
}

fn time_zone(at: &At<'_>, errors: &mut Errors) {
    let name = at.text();
    if name.is_empty() {
        return errors.invalid(at, "timeZone must be nil or non-empty string");
    }
    let part = |part: &str| {
        let plain = part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b));
        (1..=14).contains(&part.len())
            && plain
            && part != "."
            && part != ".."
            && !part.starts_with('-')
    };
    if !name.split('/').all(part) {
        return errors.invalid(at, format!("unknown time zone {name}"));
    }
    if name.eq_ignore_ascii_case("local") {
        errors.invalid(
            at,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    }
    if let Err(problem) = cron::time_zone(name) {
        errors.invalid(at, problem);
    }
}
