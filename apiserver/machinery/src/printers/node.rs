//! Cells of nodes and component statuses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::{condition, list, or, text};
use crate::meta;

pub(super) fn status(node: &Value, _: i64) -> Value {
    let mut words = match condition(node, "Ready") {
        Some(ready) if text(ready, "status") == "True" => vec!["Ready"],
        Some(_) => vec!["NotReady"],
        None => vec!["Unknown"],
    };
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        words.push("SchedulingDisabled");
    }
    words.join(",").into()
}

pub(super) fn roles(node: &Value, _: i64) -> Value {
    let role =
        |(key, value): (&str, &str)| match (key.strip_prefix("node-role.kubernetes.io/"), key) {
            (Some(role), _) => Some(role.to_owned()),
            (None, "kubernetes.io/role") => Some(value.to_owned()),
            _ => None,
        };
    let roles: BTreeSet<String> = meta::labels(node)
        .filter_map(role)
        .filter(|role| !role.is_empty())
        .collect();
    or(&roles.into_iter().collect::<Vec<_>>().join(","), "<none>").into()
}

pub(super) fn internal_ip(node: &Value, _: i64) -> Value {
    address(node, "InternalIP")
}

pub(super) fn external_ip(node: &Value, _: i64) -> Value {
    address(node, "ExternalIP")
}

fn address(node: &Value, kind: &str) -> Value {
    let found = list(node, "status.addresses")
        .iter()
        .find(|a| text(a, "type") == kind);
    found.map_or("<none>", |a| text(a, "address")).into()
}

pub(super) fn kernel(node: &Value, _: i64) -> Value {
    let version = or(text(node, "status.nodeInfo.kernelVersion"), "<unknown>");
    match text(node, "status.nodeInfo.architecture") {
        "" => version.into(),
        architecture => format!("{version} ({architecture})").into(),
    }
}

pub(super) fn component_status(component: &Value, _: i64) -> Value {
    match healthy(component) {
        Some(condition) if text(condition, "status") == "True" => "Healthy".into(),
        Some(_) => "Unhealthy".into(),
        None => "Unknown".into(),
    }
}

pub(super) fn component_message(component: &Value, _: i64) -> Value {
    healthy(component).map_or("", |c| text(c, "message")).into()
}

pub(super) fn component_error(component: &Value, _: i64) -> Value {
    healthy(component).map_or("", |c| text(c, "error")).into()
}

fn healthy(component: &Value) -> Option<&Value> {
    list(component, "conditions")
        .iter()
        .find(|c| text(c, "type") == "Healthy")
}
