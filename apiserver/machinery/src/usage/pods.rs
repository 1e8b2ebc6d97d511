//! What a pod uses (pkg/quota/v1/evaluator/core/pods.go, component-helpers resource/helpers.go).

mod needs;

pub use needs::asked_by_containers;

use super::{Amounts, Moment, Scope};
use crate::meta;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PODS: &str = "pods";
const LIMITED: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    PODS,
];
/// Where these are limited, each container must state them. No resource was added to that mistake later.
const MUST_BE_STATED: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];
const HUGE_PAGES: &str = "hugepages-";
const REQUESTS: &str = "requests.";
const DEVICE_CLASS: &str = "deviceclass.resource.kubernetes.io/";

pub(super) fn covers(name: &str) -> bool {
    let asked = name.strip_prefix(REQUESTS);
    LIMITED.contains(&name)
        || asked.unwrap_or(name).starts_with(HUGE_PAGES)
        || asked.is_some() && (!is_native(name) || asked.is_some_and(is_extended))
}

/// A name without a domain, or of Kubernetes' own.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// A resource that nodes offer beside their own, or one of a device class.
fn is_extended(name: &str) -> bool {
    name.starts_with(DEVICE_CLASS) || !is_native(name) && !name.starts_with(REQUESTS)
}

pub(super) fn usage(pod: &Value, at: Moment) -> Amounts {
    if ended(pod, at) {
        return Amounts::default();
    }
    measured(&needs::requests(pod), &needs::limits(pod))
}

/// Whether nothing runs any more, or should long have stopped.
fn ended(pod: &Value, at: Moment) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    if matches!(phase, Some("Failed" | "Succeeded")) {
        return true;
    }
    let until = crate::duration::parse_time(meta::deletion_timestamp(pod));
    match (until, meta::deletion_grace_period_seconds(pod)) {
        (Some((seconds, _)), Some(grace)) => at.unix_seconds > seconds.saturating_add(grace),
        _ => false,
    }
}

/// Requests and limits by the names of a quota.
fn measured(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::default();
    used.count(PODS, 1);
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = requests.get(resource) {
            used.set(resource, amount.clone());
            used.set(&format!("{REQUESTS}{resource}"), amount.clone());
        }
        if let Some(amount) = limits.get(resource) {
            used.set(&format!("limits.{resource}"), amount.clone());
        }
    }
    for resource in requests.names() {
        let huge = resource.starts_with(HUGE_PAGES);
        if let Some(amount) = requests
            .get(resource)
            .filter(|_| huge || is_extended(resource))
        {
            if huge {
                used.set(resource, amount.clone());
            }
            used.set(&format!("{REQUESTS}{resource}"), amount.clone());
        }
    }
    used
}

pub(super) fn constraint(limits: &[&str], pod: &Value) -> Result<(), String> {
    if needs::stated_by_pod(pod) {
        return Ok(());
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in needs::containers(pod, "containers")
        .iter()
        .chain(needs::containers(pod, "initContainers"))
    {
        let amounts =
            |list: &str| Amounts::parse(container.get("resources").and_then(|r| r.get(list)));
        let stated = measured(&amounts("requests"), &amounts("limits"));
        let required = limits.iter().filter(|limit| MUST_BE_STATED.contains(limit));
        for limit in required.filter(|limit| !stated.has(limit)) {
            let name = container.get("name").and_then(Value::as_str).unwrap_or("");
            missing.entry(limit).or_default().insert(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = missing
        .into_iter()
        .map(|(limit, names)| {
            let names: Vec<&str> = names.into_iter().collect();
            format!("{limit} for: {}", names.join(","))
        })
        .collect();
    Err(format!("must specify {}", told.join("; ")))
}

pub(super) fn matches(scope: &Scope<'_>, pod: &Value) -> bool {
    match scope.name {
        "Terminating" => has_deadline(pod),
        "NotTerminating" => !has_deadline(pod),
        "BestEffort" => best_effort(pod),
        "NotBestEffort" => !best_effort(pod),
        "PriorityClass" => {
            let class = pod.pointer("/spec/priorityClassName");
            let class = class
                .and_then(Value::as_str)
                .filter(|class| !class.is_empty());
            scope.selects(class.as_slice())
        }
        "CrossNamespacePodAffinity" => reaches_out(pod),
        _ => false,
    }
}

/// Whether the pod is to end by itself.
pub(super) fn has_deadline(pod: &Value) -> bool {
    let deadline = pod.pointer("/spec/activeDeadlineSeconds");
    deadline
        .and_then(Value::as_i64)
        .is_some_and(|seconds| seconds >= 0)
}

/// The class of service was settled when the pod was made.
fn best_effort(pod: &Value) -> bool {
    pod.pointer("/status/qosClass").and_then(Value::as_str) == Some("BestEffort")
}

/// Whether an affinity looks at pods of other namespaces.
fn reaches_out(pod: &Value) -> bool {
    let list = |at: &str| {
        pod.pointer(at)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let other = |term: &Value| {
        let named = term.get("namespaces").and_then(Value::as_array);
        named.is_some_and(|names| !names.is_empty()) || term.get("namespaceSelector").is_some()
    };
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let at = |when: &str| {
            format!("/spec/affinity/{kind}/{when}DuringSchedulingIgnoredDuringExecution")
        };
        list(&at("required")).any(other)
            || list(&at("preferred")).any(|term| term.get("podAffinityTerm").is_some_and(other))
    })
}

fn raised(mut first: Amounts, others: &[Amounts]) -> Amounts {
    others.iter().for_each(|other| first.raise(other));
    first
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}
