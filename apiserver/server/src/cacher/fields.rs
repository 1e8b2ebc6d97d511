//! Selectable fields of built-in objects: which paths the resource table offers, and their values as text.

use super::texts::Gathered;
use serde_json::Value;
use triad_machinery::codec::Message;
use triad_machinery::scheme::Resource;

/// The resource's own selectable fields, in the table's order; name and namespace are kept apart.
pub(super) fn kept(resource: &'static Resource) -> impl Iterator<Item = &'static str> {
    let fields = resource.selectable.iter().map(|field| &**field);
    fields.filter(|field| resource.selected_as(field) == *field)
}

/// Adds their values. None where an object does not say.
pub(super) fn gather(
    resource: &'static Resource,
    object: &impl Look,
    texts: &mut Gathered,
) -> Option<()> {
    for field in kept(resource) {
        texts.put(&value(resource, field, object)?)?;
    }
    Some(())
}

/// Where values are looked up: a tree, or a message that none was made of, which may leave some to the tree.
pub(super) trait Look {
    /// The value at a path as text; empty where it is absent.
    fn at(&self, path: &str) -> Option<String>;

    /// The addresses of a pod.
    fn addresses(&self) -> Option<Vec<String>>;
}

impl Look for Value {
    fn at(&self, path: &str) -> Option<String> {
        let found = path.split('.').try_fold(self, |node, key| node.get(key));
        Some(found.map_or_else(String::new, text))
    }

    fn addresses(&self) -> Option<Vec<String>> {
        let ips = self.pointer("/status/podIPs").and_then(Value::as_array);
        let ips = ips.into_iter().flatten();
        Some(ips.filter_map(|ip| ip.get("ip").map(text)).collect())
    }
}

impl Look for Message<'_> {
    fn at(&self, path: &str) -> Option<String> {
        self.shown(path)
    }

    fn addresses(&self) -> Option<Vec<String>> {
        let Some(status) = self.message("status") else {
            return (!self.has("status")).then(Vec::new);
        };
        let ips = status.messages("podIPs")?;
        let ips = ips.iter().map(|ip| ip.text("ip").map(str::to_owned));
        ips.filter(|ip| ip.as_deref() != Some("")).collect()
    }
}

fn value(resource: &Resource, field: &str, object: &impl Look) -> Option<String> {
    let at = |path: &str| object.at(path);
    let or = |text: String, other: &str| {
        if text.is_empty() {
            other.to_owned()
        } else {
            text
        }
    };
    Some(match (&*resource.plural, field) {
        ("pods", "status.podIP") => match object.addresses()?.into_iter().next() {
            Some(ip) => ip,
            None => at("status.podIP")?,
        },
        ("pods", "status.podIPs") => object.addresses()?.join(","),
        ("pods", "spec.hostNetwork") | ("nodes", "spec.unschedulable") => flag(at(field)?),
        ("events", "source") => or(at("source.component")?, &at("reportingComponent")?),
        ("replicasets" | "replicationcontrollers", "status.replicas") => or(at(field)?, "0"),
        ("jobs", "status.successful") => or(at("status.succeeded")?, "0"),
        _ => at(field)?,
    })
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
