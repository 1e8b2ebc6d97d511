//! A pod as the checks see it, and the words that their messages share.

use std::collections::BTreeSet;

use serde_json::Value;
use triad_machinery::pod::{self, text};

/// A pod, or the template of one.
pub(super) struct Pod<'a> {
    pub(super) metadata: &'a Value,
    pub(super) spec: &'a Value,
}

impl<'a> Pod<'a> {
    /// All containers: those that initialize, the ordinary and the ephemeral ones.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        pod::containers(self.spec)
    }

    /// The containers of which something is so.
    pub(super) fn containers_where(&self, is_so: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        let found = self.containers().filter(|container| is_so(container));
        found.map(|container| text(&container["name"])).collect()
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let annotations = self.metadata["annotations"].as_object();
        let each = annotations.into_iter().flatten();
        each.map(|(key, value)| (key.as_str(), text(value)))
    }

    pub(super) fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// Whether it has users of its own, which are nobody on the host.
    pub(super) fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    /// Who has set something bad: the pod itself, some of its containers, or both. Bad values come together in `values`.
    pub(super) fn setters(
        &self,
        field: &str,
        values: &mut BTreeSet<String>,
        is_bad: impl Fn(&Value) -> bool,
    ) -> Vec<String> {
        let mut bad = |of: &Value| {
            let value = &of["securityContext"][field];
            let bad = !value.is_null() && is_bad(value);
            if bad {
                let named = value.get("type").unwrap_or(value);
                values.insert(text(named).to_owned());
            }
            bad
        };
        let pod = bad(self.spec);
        let containers = self.containers().filter(|container| bad(container));
        let containers: Vec<&str> = containers.map(|c| text(&c["name"])).collect();
        who(pod, &containers)
    }
}

/// `pod`, `container "a"`, or both.
pub(super) fn who(pod: bool, containers: &[&str]) -> Vec<String> {
    let pod = pod.then(|| "pod".to_owned());
    let containers = (!containers.is_empty()).then(|| named("container", containers));
    pod.into_iter().chain(containers).collect()
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn named(what: &str, names: &[impl AsRef<str>]) -> String {
    format!("{}{} {}", what, plural(names.len()), quoted(names))
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// As upstream joins names: quotation marks around each, nothing escaped.
pub(super) fn quoted(names: &[impl AsRef<str>]) -> String {
    let names = names.iter().map(|name| format!("\"{}\"", name.as_ref()));
    names.collect::<Vec<_>>().join(", ")
}

pub(super) fn listed(values: BTreeSet<String>) -> Vec<String> {
    values.into_iter().collect()
}
