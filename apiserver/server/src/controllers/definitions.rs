//! The life of a custom resource definition: its names are accepted unless another of the group has them, then it is
//! established once it is served; when it is deleted, first its objects go, then its finalizer (apiextensions-apiserver
//! pkg/controller/{status,establish,finalizer}). Part of the server itself.

mod instances;

use super::status::Resource;
use crate::api::Api;
use crate::registry::apiextensions::definitions::CLEANUP;
use crate::registry::conditions::{self, Condition};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::goformat::quote;
use triad_machinery::meta;

const MANAGER: &str = "kube-apiserver";
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Follows definitions for as long as the server runs. Each round takes each definition one step on; the write wakes the next.
pub(super) async fn run(api: Arc<Api>) {
    let place = ("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let Some(definitions) = Resource::new(&api, place, MANAGER) else {
        return;
    };
    let mut served = api.endpoints.customs.changes();
    loop {
        served.mark_unchanged();
        let (revision, all) = definitions.list();
        let (mut failed, mut waiting) = (false, Vec::new());
        for object in &all {
            let name = meta::name(object);
            let here = api.endpoints.customs.registry(name);
            let stage = match &here {
                _ if !is_ending(object) => Stage::Standing {
                    served: here.is_some(),
                },
                // Its objects cannot be seen here yet: the next change of what is served tells.
                None if was_served(object) => continue,
                None => Stage::Ending { left: 0 },
                Some(registry) => match instances::remove(&api, registry).await {
                    Ok(found) => {
                        let left = found.left;
                        waiting.extend((left > 0).then(|| (registry.clone(), found.at)));
                        // Another member leads, and may cease to.
                        failed |= found.untouched;
                        Stage::Ending { left }
                    }
                    Err(status) => {
                        tracing::warn!(definition = name, %status, "cannot remove the definition's objects; trying again");
                        failed = true;
                        continue;
                    }
                },
            };
            let step = |object: &mut Value| step(object, &all, stage);
            if !step(&mut object.clone()) {
                continue;
            }
            if let Err(status) = definitions.update_status("", name, step).await {
                tracing::warn!(definition = name, %status, "cannot write the definition's status; trying again");
                failed = true;
            }
        }
        tokio::select! {
            () = definitions.changed(revision) => {}
            _ = served.changed() => {}
            () = instances::changed(&api, waiting) => {}
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

/// How far a definition is, beside what it says itself.
#[derive(Clone, Copy)]
enum Stage {
    Standing { served: bool },
    Ending { left: usize },
}

fn is_ending(object: &Value) -> bool {
    !meta::deletion_timestamp(object).is_empty()
}

fn was_served(object: &Value) -> bool {
    conditions::is_true(object, "Established")
}

/// Takes a definition one step on; false: there is nothing to do.
fn step(object: &mut Value, all: &[Value], stage: Stage) -> bool {
    match stage {
        // It may have begun to end meanwhile.
        Stage::Standing { served } if !is_ending(object) => {
            name(object, all) || approve(object) || served && establish(object)
        }
        Stage::Standing { .. } => false,
        Stage::Ending { left: 0 } => end(object),
        Stage::Ending { .. } => {
            let message = "CustomResource deletion is in progress";
            Condition::new("Terminating", true, "InstanceDeletionInProgress", message).set(object)
        }
    }
}

/// Says of a definition in the community's own groups whether the API is approved (apiapproval_controller.go).
fn approve(object: &mut Value) -> bool {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let group = object.pointer("/spec/group").and_then(Value::as_str);
    let group = format!(".{}", group.unwrap_or(""));
    if !group.ends_with(".k8s.io") && !group.ends_with(".kubernetes.io") {
        return false;
    }
    let said = meta::annotation(object, ANNOTATION).unwrap_or("");
    let needs = format!(
        "protected groups must have approval annotation {}",
        quote(ANNOTATION)
    );
    let is_address = |text: &str| {
        let address = text.parse::<http::Uri>();
        address.is_ok_and(|address| address.scheme().is_some() && address.host().is_some())
    };
    let (met, reason, message) = if said.is_empty() {
        (false, "MissingAnnotation", format!("{needs}, {SEE}"))
    } else if said.starts_with("unapproved") {
        (
            false,
            "UnapprovedAnnotation",
            format!("not approved: {}", quote(said)),
        )
    } else if is_address(said) {
        (true, "ApprovedAnnotation", format!("approved in {said}"))
    } else {
        let how = "with either a URL or a reason starting with \"unapproved\"";
        (false, "InvalidAnnotation", format!("{needs} {how}, {SEE}"))
    };
    Condition::new(
        "KubernetesAPIApprovalPolicyConformant",
        met,
        reason,
        message,
    )
    .set(object)
}

/// Lets go of a definition that is being deleted.
fn end(object: &mut Value) -> bool {
    if !meta::finalizers(object).any(|finalizer| finalizer == CLEANUP) {
        return false;
    }
    let (reason, message) = if conditions::is_true(object, "Established") {
        ("InstanceDeletionCompleted", "removed all instances")
    } else {
        ("NeverEstablished", "resource was never established")
    };
    Condition::new("Terminating", false, reason, message).set(object);
    let kept = meta::finalizers(object).filter(|finalizer| *finalizer != CLEANUP);
    let kept: Vec<String> = kept.map(str::to_owned).collect();
    object["metadata"]["finalizers"] = json!(kept);
    true
}

/// Accepts the names that are free or its own already (naming_controller.go).
fn name(object: &mut Value, all: &[Value]) -> bool {
    let asked = object.pointer("/spec/names").cloned().unwrap_or_default();
    let held = object
        .pointer("/status/acceptedNames")
        .cloned()
        .unwrap_or_default();
    if asked == held {
        return false;
    }
    let used = Used::by_others(object, all);
    let mut accepted = held.clone();
    let mut conflict = None;
    for (field, reason, taken) in [
        ("plural", "PluralConflict", &used.resources),
        ("singular", "SingularConflict", &used.resources),
        ("shortNames", "ShortNamesConflict", &used.resources),
        ("kind", "KindConflict", &used.kinds),
        ("listKind", "ListKindConflict", &used.kinds),
    ] {
        let clashes: Vec<String> = texts(&asked[field])
            .filter(|name| !texts(&held[field]).any(|own| own == *name) && taken.contains(*name))
            .map(|name| format!("{} is already in use", quote(name)))
            .collect();
        match clashes.as_slice() {
            [] => take(&mut accepted, &asked, field),
            [one] => conflict = Some((reason, one.clone())),
            many => conflict = Some((reason, format!("[{}]", many.join(", ")))),
        }
    }
    take(&mut accepted, &asked, "categories");
    let (met, reason, message) = match conflict {
        None => (true, "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => (false, reason, message),
    };
    let changed = accepted != held;
    object["status"]["acceptedNames"] = accepted;
    if !Condition::new("NamesAccepted", met, reason, message).set(object) && !changed {
        return false;
    }
    if !conditions::is_true(object, "Established") {
        let waiting = if met {
            Some(("Installing", "the initial names have been accepted"))
        } else {
            let fresh = conditions::find(object, "Established").is_none();
            fresh.then_some(("NotAccepted", "not all names are accepted"))
        };
        if let Some((reason, message)) = waiting {
            Condition::new("Established", false, reason, message).set(object);
        }
    }
    true
}

/// A definition whose names were accepted is there to be used (establishing_controller.go).
fn establish(object: &mut Value) -> bool {
    if !conditions::is_true(object, "NamesAccepted") || conditions::is_true(object, "Established") {
        return false;
    }
    let message = "the initial names have been accepted";
    Condition::new("Established", true, "InitialNamesAccepted", message).set(object)
}

/// The names that the definitions of a group hold.
struct Used {
    resources: HashSet<String>,
    kinds: HashSet<String>,
}

impl Used {
    fn by_others(object: &Value, all: &[Value]) -> Self {
        let group = |object: &Value| object.pointer("/spec/group").cloned();
        let mut used = Used {
            resources: HashSet::new(),
            kinds: HashSet::new(),
        };
        let others = all.iter().filter(|other| group(other) == group(object));
        for names in others.filter_map(|other| other.pointer("/status/acceptedNames")) {
            for field in ["plural", "singular", "shortNames"] {
                used.resources
                    .extend(texts(&names[field]).map(str::to_owned));
            }
            for field in ["kind", "listKind"] {
                used.kinds.extend(texts(&names[field]).map(str::to_owned));
            }
        }
        used
    }
}

/// One name or several.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten();
    std::iter::once(value).chain(many).filter_map(Value::as_str)
}

fn take(accepted: &mut Value, asked: &Value, field: &str) {
    match asked.get(field) {
        Some(value) => accepted[field] = value.clone(),
        None => crate::registry::before::remove(accepted, field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSERVED: Stage = Stage::Standing { served: false };

    fn definition(name: &str, plural: &str, kind: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"group": "x.io", "names": {"plural": plural, "kind": kind, "shortNames": ["s"]}}})
    }

    #[test]
    fn names_are_accepted_then_the_definition_is_established() {
        let mut object = definition("as.x.io", "as", "A");
        let served = Stage::Standing { served: true };
        assert!(step(&mut object, &[], served));
        assert_eq!(object["status"]["acceptedNames"], object["spec"]["names"]);
        assert!(!conditions::is_true(&object, "Established"));
        assert!(!step(&mut object, &[], UNSERVED), "nobody could use it");
        assert!(step(&mut object, &[], served));
        assert!(conditions::is_true(&object, "Established"));
        assert!(
            !step(&mut object, &[], served),
            "then there is nothing more to do"
        );
    }

    #[test]
    fn a_name_in_use_is_not_accepted_twice() {
        let mut first = definition("as.x.io", "as", "A");
        assert!(step(&mut first, &[], UNSERVED));
        let all = [first];
        let mut second = definition("bs.x.io", "bs", "A");
        assert!(step(&mut second, &all, UNSERVED));
        let condition = conditions::find(&second, "NamesAccepted")
            .cloned()
            .unwrap_or_default();
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&json!("False"), &json!("KindConflict"))
        );
        assert_eq!(second["status"]["acceptedNames"], json!({"plural": "bs"}));
        assert!(
            !step(&mut second, &all, UNSERVED),
            "a conflict is told once"
        );
    }

    #[test]
    fn an_api_in_the_communitys_groups_says_who_approved_it() {
        let mut object = definition("as.x.k8s.io", "as", "A");
        object["spec"]["group"] = "x.k8s.io".into();
        let mut reason = |annotation: &str| {
            object["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": annotation});
            assert!(approve(&mut object));
            let condition = conditions::find(&object, "KubernetesAPIApprovalPolicyConformant");
            condition.cloned().unwrap_or_default()["reason"].clone()
        };
        assert_eq!(reason(""), "MissingAnnotation");
        assert_eq!(reason("unapproved, for a test"), "UnapprovedAnnotation");
        assert_eq!(reason("https://github.com/x"), "ApprovedAnnotation");
        assert_eq!(reason("yes"), "InvalidAnnotation");
        assert!(!approve(&mut definition("as.x.io", "as", "A")));
    }

    #[test]
    fn a_deletion_ends_when_nothing_is_left() {
        let mut object = definition("as.x.io", "as", "A");
        object["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z".into();
        object["metadata"]["finalizers"] = json!([CLEANUP, "x.io/other"]);
        assert!(step(&mut object, &[], Stage::Ending { left: 1 }));
        assert_eq!(meta::finalizers(&object).next(), Some(CLEANUP));
        let empty = Stage::Ending { left: 0 };
        assert!(step(&mut object, &[], empty));
        assert_eq!(object["metadata"]["finalizers"], json!(["x.io/other"]));
        assert!(!step(&mut object, &[], empty));
    }
}
