//! Fields that a resource's strategy overwrites on a write (upstream's `GetResetFields`): what a client says there
//! does not count, so the client cannot come to own it. One rule for most, the exceptions in a table. The pods'
//! `resize` and `ephemeralcontainers` reset fields without saying so, upstream as well as here.

use super::field_set::FieldSet;

/// The fields of a write that do not count, with all below them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResetFields(FieldSet);

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
    ResetFields(FieldSet::of_fields(paths(
        group,
        resource,
        subresource,
        has_status,
    )))
}

/// The fields of metadata that a write of a subresource leaves as they are stored (for a whole `metadata` those of upstream's
/// ResetObjectMetaForStatus, apimachinery's pkg/apis/meta/v1/helpers.go).
pub fn kept_metadata(
    group: &str,
    resource: &str,
    subresource: &str,
    has_status: bool,
) -> impl Iterator<Item = &'static str> {
    let paths = paths(group, resource, subresource, has_status);
    paths
        .iter()
        .flat_map(|path| match path {
            ["metadata"] => OF_CLIENTS,
            ["metadata", ..] => &path[1..2],
            _ => &[],
        })
        .copied()
}

/// What clients say about an object, except who set what.
const OF_CLIENTS: &[&str] = &[
    "deletionTimestamp",
    "generation",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
];

fn paths(
    group: &str,
    resource: &str,
    subresource: &str,
    has_status: bool,
) -> &'static [&'static [&'static str]] {
    let rule = RULES
        .iter()
        .find(|rule| (rule.0, rule.1, rule.2) == (group, resource, subresource));
    match (rule, subresource) {
        (Some(rule), _) => rule.3,
        (None, "") if has_status => STATUS,
        (None, "status") if METADATA_KEPT.contains(&group) => METADATA_SPEC,
        (None, "status") => SPEC,
        _ => &[],
    }
}

/// What is reset for a custom resource.
pub fn custom_reset_fields(subresource: &str, has_status: bool) -> ResetFields {
    let paths = match subresource {
        "" if has_status => STATUS,
        "status" => METADATA_SPEC,
        _ => &[],
    };
    ResetFields(FieldSet::of_fields(paths))
}

impl ResetFields {
    /// The fields of a set that count.
    pub fn keep(&self, mut set: FieldSet) -> FieldSet {
        set.subtract(&self.0, true);
        set
    }
}
