//! `triadctl history KIND/NAME`: what became of an object, from the versions that the server still has.

use anyhow::{Context, Result};
use clap::Args;
use http::Method;
use serde_json::Value;
use similar::TextDiff;
use triad_machinery::codec::yaml;

use crate::api::Client;
use crate::cluster::{Form, array, document};

#[derive(Args)]
pub struct History {
    /// The object, as configmap/settings; a kind, plural or short name, with .GROUP where that is not clear
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    #[arg(short = 'n', long, default_value = "default")]
    pub namespace: String,
    /// How to print it: what changed from version to version, or all versions whole
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    pub form: Form,
    /// Show what Secrets hold, too
    #[arg(long)]
    pub show_secrets: bool,
    /// Show who owns which field, too
    #[arg(long)]
    pub show_managed_fields: bool,
}

pub fn run(client: &Client, options: &History) -> Result<String> {
    let (kind, name) = options
        .object
        .split_once('/')
        .context("an object is named KIND/NAME, as configmap/settings")?;
    let path = format!(
        "/triad/v1/history/{}?namespace={}&name={}&showSecrets={}",
        encoded(kind),
        encoded(&options.namespace),
        encoded(name),
        options.show_secrets
    );
    let mut history = client.call(Method::GET, &path, None)?;
    if !options.show_managed_fields {
        let versions = history["versions"].as_array_mut();
        for version in versions.into_iter().flatten() {
            if let Some(meta) = version.pointer_mut("/object/metadata") {
                meta.as_object_mut()
                    .map(|meta| meta.shift_remove("managedFields"));
            }
        }
    }
    Ok(match options.form {
        Form::Table => told(&history),
        form => document(&history, form),
    })
}

/// What stands in a path or a query as itself.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn told(history: &Value) -> String {
    let mut out = format!(
        "{}: history is kept from revision {}\n",
        history["key"].as_str().unwrap_or_default(),
        history["compacted"]
    );
    let (mut before, mut label) = (String::new(), "nothing".to_owned());
    for version in array(&history["versions"]) {
        let now = lines(&version["object"]);
        let this = format!("revision {}", version["revision"]);
        out.push_str(&format!(
            "\n{this}  {}  {}{}\n",
            when(version),
            version["change"].as_str().unwrap_or_default(),
            by(version)
        ));
        let diff = TextDiff::from_lines(&before, &now);
        let unified = diff.unified_diff().header(&label, &this).to_string();
        out.push_str(&unified);
        (before, label) = (now, this);
    }
    out
}

fn lines(object: &Value) -> String {
    if object.is_null() {
        return String::new();
    }
    // It is told by the headline, and differs every time.
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.shift_remove("resourceVersion");
    }
    let text = yaml::from_json(object.to_string().as_bytes());
    String::from_utf8_lossy(&text).into_owned()
}

/// The object's own word on when, or between which moments of the store.
fn when(version: &Value) -> String {
    match (&version["time"], &version["after"], &version["by"]) {
        (Value::String(time), ..) => time.clone(),
        (_, Value::String(after), Value::String(by)) => format!("between {after} and {by}"),
        (_, _, Value::String(by)) => format!("by {by}"),
        (_, Value::String(after), _) => format!("after {after}"),
        _ => "at an unknown time".to_owned(),
    }
}

fn by(version: &Value) -> String {
    let managers: Vec<String> = array(&version["managers"])
        .iter()
        .map(|manager| {
            let word = |name: &str| manager[name].as_str().unwrap_or_default();
            match word("subresource") {
                "" => format!("{} ({})", word("manager"), word("operation")),
                part => format!("{} ({} of {part})", word("manager"), word("operation")),
            }
        })
        .collect();
    match managers.as_slice() {
        [] => String::new(),
        managers => format!(" by {}", managers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neighbours_are_compared_from_the_first_to_the_deletion() {
        let object = |value: &str, revision: &str| json!({"kind": "ConfigMap", "metadata": {"name": "c", "resourceVersion": revision}, "data": {"a": value, "b": "same"}});
        let history = json!({"key": "/registry/configmaps/n/c", "compacted": 7, "versions": [
            {"revision": 9, "change": "created", "time": "2026-01-02T03:04:05Z", "object": object("1", "9"),
             "managers": [{"manager": "kubectl-create", "operation": "Update"}]},
            {"revision": 12, "change": "changed", "time": null, "after": "X", "by": "Y", "object": object("2", "12"), "managers": []},
            {"revision": 15, "change": "deleted", "by": "Z", "object": null}]});
        let text = told(&history);
        assert!(
            text.contains("revision 9  2026-01-02T03:04:05Z  created by kubectl-create (Update)\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "revision 12  between X and Y  changed\n--- revision 9\n+++ revision 12\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\n-  a: \"1\"\n+  a: \"2\"\n   b: same\n"),
            "{text}"
        );
        assert!(
            text.contains("revision 15  by Z  deleted\n--- revision 12\n+++ revision 15\n"),
            "{text}"
        );
        assert!(!text.contains("resourceVersion"));
        assert_eq!(encoded("system:x/é"), "system:x%2F%C3%A9");
    }
}
