//! Subjects of bindings: v1alpha1 named their version, today their group is named (kubernetes
//! pkg/apis/rbac/v1alpha1/conversion.go).

use serde_json::{Map, Value};

use super::each_in;

const GROUP: &str = "rbac.authorization.k8s.io";

fn text(subject: &Map<String, Value>, field: &str) -> String {
    let value = subject.get(field).and_then(Value::as_str);
    value.unwrap_or("").to_owned()
}

pub(super) fn subjects_to_groups(binding: &mut Map<String, Value>) {
    for subject in each_in(binding, "subjects") {
        let version = text(subject, "apiVersion");
        subject.shift_remove("apiVersion");
        let group = match text(subject, "kind").as_str() {
            "ServiceAccount" => "",
            "User" | "Group" => GROUP,
            _ => version.split_once('/').map_or("", |(group, _)| group),
        };
        if !group.is_empty() {
            subject.set("apiGroup", group.into());
        }
        // A star was once everybody.
        if text(subject, "kind") == "User" && text(subject, "name") == "*" {
            subject.set("kind", "Group".into());
            subject.set("name", "system:authenticated".into());
        }
    }
}

pub(super) fn subjects_to_versions(binding: &mut Map<String, Value>) {
    for subject in each_in(binding, "subjects") {
        let group = text(subject, "apiGroup");
        subject.shift_remove("apiGroup");
        let version = match (text(subject, "kind").as_str(), group.as_str()) {
            ("ServiceAccount", "") => "v1".to_owned(),
            ("User" | "Group", GROUP) => format!("{GROUP}/v1alpha1"),
            (_, "") => String::new(),
            (_, group) => format!("{group}/"),
        };
        if !version.is_empty() {
            subject.set("apiVersion", version.into());
        }
    }
}
