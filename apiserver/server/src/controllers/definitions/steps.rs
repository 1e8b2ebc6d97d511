//! What is next for a definition: each step is one write of its status, and the last but nothing.

use super::names::{Held, Names, texts};
use crate::registry::apiextensions::definitions::CLEANUP;
use crate::registry::conditions::{self, Condition};
use serde_json::{Value, json};
use triad_machinery::goformat::quote;
use triad_machinery::meta;

/// How far a definition is, beside what it says itself.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Standing { served: bool },
    Ending { left: usize },
}

impl Stage {
    pub(super) const STANDING: Stage = Stage::Standing { served: true };
}

pub(super) fn is_ending(object: &Value) -> bool {
    !meta::deletion_timestamp(object).is_empty()
}

pub(super) fn was_served(object: &Value) -> bool {
    conditions::is_true(object, "Established")
}

/// Takes a definition one step on; false: there is nothing to do.
pub(super) fn step(object: &mut Value, names: &Names, stage: Stage) -> bool {
    match stage {
        // It may have begun to end meanwhile.
        Stage::Standing { served } if !is_ending(object) => {
            accept(object, names) || approve(object) || served && establish(object)
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
fn accept(object: &mut Value, names: &Names) -> bool {
    let asked = object.pointer("/spec/names").cloned().unwrap_or_default();
    let held = object
        .pointer("/status/acceptedNames")
        .cloned()
        .unwrap_or_default();
    if asked == held {
        return false;
    }
    let (own, definition, group) = (
        Held::of(object),
        meta::name(object),
        object["spec"]["group"].as_str().unwrap_or(""),
    );
    let taken = |field: &str, name: &str| {
        own.has(field, name) || names.others_hold(definition, group, field, name)
    };
    let mut accepted = held.clone();
    let mut conflict = None;
    for (field, reason) in [
        ("plural", "PluralConflict"),
        ("singular", "SingularConflict"),
        ("shortNames", "ShortNamesConflict"),
        ("kind", "KindConflict"),
        ("listKind", "ListKindConflict"),
    ] {
        let clashes: Vec<String> = texts(&asked[field])
            .filter(|name| !texts(&held[field]).any(|own| own == *name) && taken(field, name))
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

    fn none() -> Names {
        Names::default()
    }

    fn definition(name: &str, plural: &str, kind: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"group": "x.io", "names": {"plural": plural, "kind": kind, "shortNames": ["s"]}}})
    }

    #[test]
    fn names_are_accepted_then_the_definition_is_established() {
        let mut object = definition("as.x.io", "as", "A");
        let served = Stage::Standing { served: true };
        assert!(step(&mut object, &none(), served));
        assert_eq!(object["status"]["acceptedNames"], object["spec"]["names"]);
        assert!(!conditions::is_true(&object, "Established"));
        assert!(!step(&mut object, &none(), UNSERVED), "nobody could use it");
        assert!(step(&mut object, &none(), served));
        assert!(conditions::is_true(&object, "Established"));
        assert!(
            !step(&mut object, &none(), served),
            "then there is nothing more to do"
        );
    }

    #[test]
    fn a_name_in_use_is_not_accepted_twice() {
        let mut first = definition("as.x.io", "as", "A");
        assert!(step(&mut first, &none(), UNSERVED));
        let mut all = none();
        all.hold("as.x.io", "x.io", Held::of(&first));
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
        assert!(step(&mut object, &none(), Stage::Ending { left: 1 }));
        assert_eq!(meta::finalizers(&object).next(), Some(CLEANUP));
        let empty = Stage::Ending { left: 0 };
        assert!(step(&mut object, &none(), empty));
        assert_eq!(object["metadata"]["finalizers"], json!(["x.io/other"]));
        assert!(!step(&mut object, &none(), empty));
    }
}
