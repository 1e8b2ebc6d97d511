//! What a namespace that is being deleted says of how far that is (kubernetes pkg/controller/namespace/deletion/status_condition_utils.go).

use super::Outcome;
use crate::registry::Registry;
use serde_json::{Value, json};

/// The five conditions that say how far the deletion is.
pub(super) fn conditions(outcome: &Outcome, namespaces: &Registry) -> Value {
    let left = &outcome.left;
    let now = namespaces.clock.now();
    let condition = |kind: &str, status: bool, reason: &str, message: String| json!({"type": kind, "status": if status { "True" } else { "False" }, "lastTransitionTime": now, "reason": reason, "message": message});
    let remaining: Vec<String> = left
        .iter()
        .map(|l| format!("{} has {} resource instances", l.resource, l.count))
        .collect();
    let mut finalizers: Vec<(String, usize)> = Vec::new();
    for finalizer in left.iter().flat_map(|l| &l.finalizers) {
        match finalizers.iter_mut().find(|(name, _)| name == finalizer) {
            Some((_, count)) => *count += 1,
            None => finalizers.push((finalizer.clone(), 1)),
        }
    }
    finalizers.sort();
    let held: Vec<String> = finalizers
        .iter()
        .map(|(name, count)| format!("{name} in {count} resource instances"))
        .collect();
    json!([
        match outcome.unknown.as_slice() {
            [] => condition(
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered".to_owned(),
            ),
            unknown => condition(
                "NamespaceDeletionDiscoveryFailure",
                true,
                "DiscoveryFailed",
                undiscovered(unknown),
            ),
        },
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned()
        ),
        match outcome.failed.as_slice() {
            [] => condition(
                "NamespaceDeletionContentFailure",
                false,
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization".to_owned(),
            ),
            failed => condition(
                "NamespaceDeletionContentFailure",
                true,
                "ContentDeletionFailed",
                format!(
                    "Failed to delete all resource types, {} remaining: {}",
                    failed.len(),
                    failed.join(", ")
                ),
            ),
        },
        if remaining.is_empty() {
            condition(
                "NamespaceContentRemaining",
                false,
                "ContentRemoved",
                "All content successfully removed".to_owned(),
            )
        } else {
            condition(
                "NamespaceContentRemaining",
                true,
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", remaining.join(", ")),
            )
        },
        if held.is_empty() {
            condition(
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".to_owned(),
            )
        } else {
            condition(
                "NamespaceFinalizersRemaining",
                true,
                "SomeFinalizersRemain",
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    held.join(", ")
                ),
            )
        },
    ])
}

/// As client-go says that groups could not be discovered.
fn undiscovered(unknown: &[String]) -> String {
    let each = unknown
        .iter()
        .map(|one| format!("{one}: stale GroupVersion discovery: {one}"));
    let each: Vec<String> = each.collect();
    format!(
        "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
        unknown.len(),
        each.join(", ")
    )
}
