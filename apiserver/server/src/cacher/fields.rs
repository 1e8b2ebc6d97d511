//! Selectable fields of built-in objects: which paths the resource table offers, and their values as text.

use serde_json::Value;
use triad_machinery::scheme::Resource;

/// The values of the resource's own selectable fields (name and namespace are kept apart).
pub(super) fn selectable(
    resource: &'static Resource,
    object: &Value,
) -> Box<[(&'static str, Box<str>)]> {
    resource
        .selectable
        .iter()
        .filter(|field| resource.selected_as(field) == &***field)
        .map(|field| (&**field, value(resource, field, object).into()))
        .collect()
}

fn value(resource: &Resource, field: &str, object: &Value) -> String {
    let at = |path: &str| {
        path.split('.')
            .try_fold(object, |node, key| node.get(key))
            .map_or_else(String::new, text)
    };
    match (&*resource.plural, field) {
        ("pods", "status.podIP") => object
            .pointer("/status/podIPs/0/ip")
            .map_or_else(|| at("status.podIP"), text),
        ("pods", "status.podIPs") => {
            let ips = object.pointer("/status/podIPs").and_then(Value::as_array);
            ips.map_or_else(String::new, |ips| {
                ips.iter()
                    .filter_map(|ip| ip.get("ip")?.as_str())
                    .collect::<Vec<_>>()
                    .join(",")
            })
        }
        ("pods", "spec.hostNetwork") | ("nodes", "spec.unschedulable") => flag(at(field)),
        ("events", "source") => [at("source.component"), at("reportingComponent")]
            .into_iter()
            .find(|v| !v.is_empty())
            .unwrap_or_default(),
        ("events", "reportingComponent") => at("reportingComponent"),
        ("replicasets" | "replicationcontrollers", "status.replicas")
        | ("jobs", "status.successful") => {
            let number = at(if field == "status.successful" {
                "status.succeeded"
            } else {
                field
            });
            if number.is_empty() {
                "0".to_owned()
            } else {
                number
            }
        }
        ("certificatesigningrequests", "spec.signerName") => at(field),
        _ => at(field),
    }
}

/// Booleans are selectable as true or false; absent is false.
fn flag(text: String) -> String {
    if text == "true" {
        text
    } else {
        "false".to_owned()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
