//! Cells of jobs, cron jobs, autoscalers, revisions, pod groups and resource claims.

use serde_json::Value;

use super::path::{at, condition, first_of, list, number, text};
use crate::duration::{GoDuration, parse_time};
use crate::goformat::plain;
use crate::meta;

pub(super) fn job_status(job: &Value, _: i64) -> Value {
    let conditions = list(job, "status.conditions");
    let is = |kind: &str| {
        let found = conditions.iter().find(|c| text(c, "type") == kind);
        found.is_some_and(|c| text(c, "status") == "True")
    };
    let deleted = at(job, "metadata.deletionTimestamp").is_some();
    let words = [
        ("Complete", is("Complete")),
        ("Failed", is("Failed")),
        ("Terminating", deleted),
        ("Suspended", is("Suspended")),
        ("FailureTarget", is("FailureTarget")),
        ("SuccessCriteriaMet", is("SuccessCriteriaMet")),
    ];
    words
        .iter()
        .find(|(_, holds)| *holds)
        .map_or("Running", |(word, _)| word)
        .into()
}

pub(super) fn job_completions(job: &Value, _: i64) -> Value {
    let succeeded = number(job, "status.succeeded");
    if let Some(completions) = at(job, "spec.completions") {
        return format!("{succeeded}/{}", plain(completions)).into();
    }
    match number(job, "spec.parallelism") {
        parallelism @ 2.. => format!("{succeeded}/1 of {parallelism}").into(),
        _ => format!("{succeeded}/1").into(),
    }
}

pub(super) fn job_duration(job: &Value, now: i64) -> Value {
    let seconds = |path: &str| parse_time(text(job, path)).map(|(seconds, _)| seconds);
    match (
        seconds("status.startTime"),
        seconds("status.completionTime"),
    ) {
        (None, _) => "".into(),
        (Some(start), end) => GoDuration::from_seconds(end.unwrap_or(now) - start)
            .human()
            .into(),
    }
}

pub(super) fn suspend(cron_job: &Value, _: i64) -> Value {
    match at(cron_job, "spec.suspend").and_then(Value::as_bool) {
        Some(true) => "True".into(),
        Some(false) => "False".into(),
        None => "<unset>".into(),
    }
}

pub(super) fn revision_controller(revision: &Value, _: i64) -> Value {
    let Some(owner) = meta::controller(revision) else {
        return "<none>".into();
    };
    let (group, _) = meta::group_version(owner.api_version);
    let kind = if group.is_empty() {
        owner.kind.to_owned()
    } else {
        format!("{}.{group}", owner.kind)
    };
    format!("{}/{}", kind.to_lowercase(), owner.name).into()
}

/// Current and wanted values of the first metrics, in the forms of autoscaling/v2 and v1.
pub(super) fn targets(autoscaler: &Value, _: i64) -> Value {
    let specs = list(autoscaler, "spec.metrics");
    let statuses = list(autoscaler, "status.currentMetrics");
    if specs.is_empty() {
        let Some(target) = at(autoscaler, "spec.targetCPUUtilizationPercentage") else {
            return "<none>".into();
        };
        let current = at(autoscaler, "status.currentCPUUtilizationPercentage");
        let current =
            current.map_or_else(|| "<unknown>".into(), |value| format!("{}%", plain(value)));
        return format!("cpu: {current}/{}%", plain(target)).into();
    }
    let shown = specs
        .iter()
        .enumerate()
        .map(|(i, spec)| metric(spec, statuses.get(i)))
        .collect();
    first_of(shown, 2, ", ").into()
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let (field, prefixed) = match text(spec, "type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".into(),
    };
    let spec = spec.get(field).unwrap_or(&Value::Null);
    let status = status.and_then(|status| at(status, field));
    let current = |name: &str| {
        status
            .and_then(|status| status.get("current")?.get(name))
            .filter(|v| !v.is_null())
    };
    let target = |name: &str| {
        spec.get("target")
            .and_then(|target| target.get(name))
            .filter(|v| !v.is_null())
    };
    let quantity = |name: &str| match (current(name), status) {
        (Some(value), _) => plain(value),
        // A quantity that is there and not set reads as zero.
        (None, Some(_)) if name == "value" || field == "pods" => "0".into(),
        _ => "<unknown>".into(),
    };
    let percent = |value: Option<&Value>, none: &str| {
        value.map_or_else(|| none.into(), |v| format!("{}%", plain(v)))
    };
    let average = target("averageValue");
    if prefixed {
        let name = text(spec, "name");
        return match average {
            Some(average) => format!("{name}: {}/{}", quantity("averageValue"), plain(average)),
            None => {
                let current = percent(current("averageUtilization"), "<unknown>");
                format!(
                    "{name}: {current}/{}",
                    percent(target("averageUtilization"), "<auto>")
                )
            }
        };
    }
    match average {
        Some(average) if field == "pods" => {
            format!("{}/{}", quantity("averageValue"), plain(average))
        }
        Some(average) => format!("{}/{} (avg)", quantity("averageValue"), plain(average)),
        None => format!(
            "{}/{}",
            quantity("value"),
            target("value").map_or_else(|| "0".into(), plain)
        ),
    }
}

pub(super) fn group_policy(group: &Value, _: i64) -> Value {
    if at(group, "spec.schedulingPolicy.gang").is_some() {
        "Gang"
    } else {
        "Basic"
    }
    .into()
}

pub(super) fn group_status(group: &Value, _: i64) -> Value {
    if let Some(disrupted) = condition(group, "DisruptionTarget") {
        return text(disrupted, "reason").into();
    }
    match condition(group, "PodGroupInitiallyScheduled") {
        Some(scheduled) if text(scheduled, "status") == "True" => "Scheduled".into(),
        Some(_) => "Unschedulable".into(),
        None => "Pending".into(),
    }
}

pub(super) fn claim_state(claim: &Value, _: i64) -> Value {
    let deleted = at(claim, "metadata.deletionTimestamp").is_some();
    let allocated = at(claim, "status.allocation").is_some();
    let reserved = !list(claim, "status.reservedFor").is_empty();
    let words = [
        ("deleted", deleted),
        ("pending", !deleted && !allocated),
        ("allocated", allocated),
        ("reserved", allocated && reserved),
    ];
    words
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(word, _)| *word)
        .collect::<Vec<_>>()
        .join(",")
        .into()
}
