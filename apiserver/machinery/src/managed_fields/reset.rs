//! Fields that a resource's strategy overwrites on a write (upstream's `GetResetFields`): what a client says there
//! does not count, so the client cannot come to own it. One rule for most, the exceptions in a table.

use std::collections::{BTreeMap, BTreeSet};

use super::field_set::FieldSet;
use super::path_element::PathElement;

/// Which fields of a write count.
#[derive(Clone, Debug, PartialEq)]
pub enum ResetFields {
    /// All but these and what is below them.
    Except(FieldSet),
    /// Only those whose path begins so; `*` stands for any step.
    Only(Vec<Vec<&'static str>>),
}

type Rule = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static [&'static str]],
);

const STATUS: &[&[&str]] = &[&["status"]];
const SPEC: &[&[&str]] = &[&["spec"]];
const METADATA_SPEC: &[&[&str]] = &[&["metadata"], &["spec"]];

/// Group, resource, subresource, and what is reset.
const RULES: &[Rule] = &[
    ("", "namespaces", "finalize", STATUS),
    (
        "",
        "pods",
        "status",
        &[
            &["spec"],
            &["metadata", "deletionTimestamp"],
            &["metadata", "ownerReferences"],
        ],
    ),
    (
        "apps",
        "deployments",
        "status",
        &[&["spec"], &["metadata", "labels"]],
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "",
        &[&["spec"], &["status"]],
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "status",
        &[&["spec"], &["status", "conditions"]],
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "approval",
        &[&["spec"], &["status", "certificate"]],
    ),
    (
        "certificates.k8s.io",
        "podcertificaterequests",
        "status",
        METADATA_SPEC,
    ),
    ("networking.k8s.io", "servicecidrs", "status", METADATA_SPEC),
];

/// Groups whose status strategies keep the metadata of the stored object, too.
const METADATA_KEPT: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "lifecycle.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// What is reset for a built-in resource. `has_status` is whether it has a `status` subresource.
pub fn reset_fields(
    group: &str,
    resource: &str,
    subresource: &str,
    has_status: bool,
) -> ResetFields {
    if (group, resource) == ("", "pods") {
        match subresource {
            "ephemeralcontainers" => {
                return ResetFields::Only(vec![vec!["spec", "ephemeralContainers"]]);
            }
            "resize" => return ResetFields::Only(resized()),
            _ => {}
        }
    }
    let rule = RULES
        .iter()
        .find(|rule| (rule.0, rule.1, rule.2) == (group, resource, subresource));
    let paths = match (rule, subresource) {
        (Some(rule), _) => rule.3,
        (None, "") if has_status => STATUS,
        (None, "status") if METADATA_KEPT.contains(&group) => METADATA_SPEC,
        (None, "status") => SPEC,
        _ => &[],
    };
    ResetFields::Except(FieldSet::of_fields(paths))
}

/// What is reset for a custom resource.
pub fn custom_reset_fields(subresource: &str, has_status: bool) -> ResetFields {
    let paths = match subresource {
        "" if has_status => STATUS,
        "status" => METADATA_SPEC,
        _ => &[],
    };
    ResetFields::Except(FieldSet::of_fields(paths))
}

fn resized() -> Vec<Vec<&'static str>> {
    let lists = ["containers", "initContainers"];
    let fields = ["resources", "resizePolicy"];
    lists
        .iter()
        .flat_map(|list| fields.map(|field| vec!["spec", list, "*", field]))
        .collect()
}

impl Default for ResetFields {
    fn default() -> Self {
        Self::Except(FieldSet::default())
    }
}

impl ResetFields {
    /// The fields of a set that count.
    pub fn keep(&self, set: &FieldSet) -> FieldSet {
        match self {
            Self::Except(reset) if reset.is_empty() => set.clone(),
            Self::Except(reset) => set.recursive_difference(reset),
            Self::Only(patterns) => {
                let patterns: Vec<&[&str]> = patterns.iter().map(Vec::as_slice).collect();
                included(set, &patterns)
            }
        }
    }
}

/// Members on the way to a pattern stay, as does everything below its end.
fn included(set: &FieldSet, patterns: &[&[&str]]) -> FieldSet {
    if patterns.iter().any(|pattern| pattern.is_empty()) {
        return set.clone();
    }
    let rest = |step: &PathElement| -> Vec<&[&str]> {
        let matches =
            |name: &str| name == "*" || matches!(step, PathElement::Field(field) if field == name);
        patterns
            .iter()
            .filter_map(|p| {
                p.split_first()
                    .filter(|(name, _)| matches(name))
                    .map(|(_, rest)| rest)
            })
            .collect()
    };
    let members: BTreeSet<PathElement> = set
        .members()
        .iter()
        .filter(|step| !rest(step).is_empty())
        .cloned()
        .collect();
    let below = |(step, child): (&PathElement, &FieldSet)| {
        let kept = included(child, &rest(step));
        (!kept.is_empty()).then(|| (step.clone(), kept))
    };
    let children: BTreeMap<PathElement, FieldSet> =
        set.children().iter().filter_map(below).collect();
    FieldSet::with_parts(members, children)
}
