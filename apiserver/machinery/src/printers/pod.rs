//! Cells of pods: how many containers are ready, the one-word status, restarts, readiness gates.

use serde_json::{Value, json};

use super::path::{at, condition, list, number, text};
use crate::duration::{age, parse_time};
use crate::meta;

/// What `summary` reads of a pod.
pub(super) const SUMMARY: &str = "metadata.deletionTimestamp status.phase status.reason spec.containers[] \
spec.initContainers[].name spec.initContainers[].restartPolicy \
status.conditions[].type status.conditions[].status status.conditions[].reason \
status.initContainerStatuses[].name status.initContainerStatuses[].ready status.initContainerStatuses[].started \
status.initContainerStatuses[].restartCount status.initContainerStatuses[].state \
status.initContainerStatuses[].lastState.terminated.finishedAt \
status.containerStatuses[].ready status.containerStatuses[].restartCount status.containerStatuses[].state \
status.containerStatuses[].lastState.terminated.finishedAt";

/// What the containers of a pod come to.
struct Summary {
    status: String,
    ready: usize,
    total: usize,
    restarts: i64,
    /// RFC 3339 of the last termination; empty when unknown.
    last_restart: String,
}

pub(super) fn ready(pod: &Value, _: i64) -> Value {
    let summary = summary(pod);
    format!("{}/{}", summary.ready, summary.total).into()
}

pub(super) fn status(pod: &Value, _: i64) -> Value {
    summary(pod).status.into()
}

pub(super) fn restarts(pod: &Value, now: i64) -> Value {
    let summary = summary(pod);
    if summary.restarts == 0 || summary.last_restart.is_empty() {
        return summary.restarts.to_string().into();
    }
    format!(
        "{} ({} ago)",
        summary.restarts,
        age(&summary.last_restart, now)
    )
    .into()
}

pub(super) fn readiness_gates(pod: &Value, _: i64) -> Value {
    let gates = list(pod, "spec.readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let conditions = list(pod, "status.conditions");
    let is_true = |gate: &&Value| {
        let found = conditions
            .iter()
            .find(|c| text(c, "type") == text(gate, "conditionType"));
        found.is_some_and(|c| text(c, "status") == "True")
    };
    format!("{}/{}", gates.iter().filter(is_true).count(), gates.len()).into()
}

/// Rows of pods that are done say so.
pub(super) fn row_conditions(object: &Value) -> Option<Value> {
    if meta::kind(object) != "Pod" || meta::api_version(object) != "v1" {
        return None;
    }
    let (reason, message) = match text(object, "status.phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn summary(pod: &Value) -> Summary {
    let phase = text(pod, "status.phase");
    let reason = text(pod, "status.reason");
    let mut summary = Summary {
        status: if reason.is_empty() { phase } else { reason }.to_owned(),
        ready: 0,
        total: list(pod, "spec.containers").len(),
        restarts: 0,
        last_restart: String::new(),
    };
    let gated =
        |c: &Value| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated";
    if list(pod, "status.conditions").iter().any(gated) {
        summary.status = "SchedulingGated".into();
    }
    let sidecars: Vec<&str> = list(pod, "spec.initContainers")
        .iter()
        .filter(|c| text(c, "restartPolicy") == "Always")
        .map(|c| text(c, "name"))
        .collect();
    summary.total += sidecars.len();
    let initializing = initial(pod, &sidecars, &mut summary);
    let initialized = condition(pod, "Initialized").is_some_and(|c| text(c, "status") == "True");
    if !initializing || initialized {
        running(pod, &sidecars, &mut summary);
    }
    if at(pod, "metadata.deletionTimestamp").is_some() {
        if reason == "NodeLost" {
            summary.status = "Unknown".into();
        } else if !matches!(phase, "Failed" | "Succeeded") {
            summary.status = "Terminating".into();
        }
    }
    summary
}

/// Goes through the init containers up to the first that is not done; whether there is one.
fn initial(pod: &Value, sidecars: &[&str], summary: &mut Summary) -> bool {
    for (i, container) in list(pod, "status.initContainerStatuses").iter().enumerate() {
        summary.restarts += number(container, "restartCount");
        later(&mut summary.last_restart, container);
        let terminated = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason");
        let is_sidecar = sidecars.contains(&text(container, "name"));
        if terminated.is_some_and(|t| number(t, "exitCode") == 0) {
            continue;
        }
        if is_sidecar && flag(container, "started") {
            summary.ready += usize::from(flag(container, "ready"));
            continue;
        }
        summary.status = match terminated {
            Some(terminated) => format!("Init:{}", ending(terminated)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => {
                format!("Init:{waiting}")
            }
            None => format!("Init:{i}/{}", list(pod, "spec.initContainers").len()),
        };
        return true;
    }
    false
}

/// Goes through the containers from the last to the first.
fn running(pod: &Value, sidecars: &[&str], summary: &mut Summary) {
    summary.restarts = 0;
    summary.last_restart.clear();
    for container in list(pod, "status.initContainerStatuses") {
        if sidecars.contains(&text(container, "name")) {
            summary.restarts += number(container, "restartCount");
            later(&mut summary.last_restart, container);
        }
    }
    let (mut has_running, mut failure) = (false, String::new());
    for container in list(pod, "status.containerStatuses").iter().rev() {
        summary.restarts += number(container, "restartCount");
        later(&mut summary.last_restart, container);
        let waiting = text(container, "state.waiting.reason");
        if !waiting.is_empty() {
            summary.status = waiting.to_owned();
        } else if let Some(terminated) = at(container, "state.terminated") {
            summary.status = ending(terminated);
            if number(terminated, "exitCode") != 0 {
                failure.clone_from(&summary.status);
            }
        } else if flag(container, "ready") && at(container, "state.running").is_some() {
            has_running = true;
            summary.ready += 1;
        }
    }
    if summary.status == "Completed" {
        let conditions = list(pod, "status.conditions");
        let is_ready = conditions
            .iter()
            .any(|c| text(c, "type") == "Ready" && text(c, "status") == "True");
        if has_running && is_ready {
            summary.status = "Running".into();
        } else if !failure.is_empty() {
            summary.status = failure;
        } else if has_running {
            summary.status = "NotReady".into();
        }
    }
}

/// How a container ended: the reason, else the signal, else the exit code.
fn ending(terminated: &Value) -> String {
    match (text(terminated, "reason"), number(terminated, "signal")) {
        ("", 0) => format!("ExitCode:{}", number(terminated, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn later(last: &mut String, container: &Value) {
    let finished = text(container, "lastState.terminated.finishedAt");
    if parse_time(finished) > parse_time(last) {
        finished.clone_into(last);
    }
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}
