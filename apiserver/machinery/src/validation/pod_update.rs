//! What may change in a pod: images, the deadline, more tolerations, fewer scheduling gates
//! (pkg/apis/core/validation/validation.go, ValidatePodUpdate).

use serde_json::Value;

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::{diff, formats, go_value, same, security};

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const MIRROR: &str = "kubernetes.io/config.mirror";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

pub(crate) fn update(pod: &At<'_>, old: &At<'_>, settings: &Settings, errors: &mut Errors) {
    pods::metadata_and_spec(pod, settings, errors);
    annotations(pod, old, errors);
    let (spec, before) = (pod.get("spec"), old.get("spec"));
    for list in ["containers", "initContainers"] {
        if !images(&spec.get(list), &before.get(list), errors) {
            return;
        }
    }
    if !deadline(
        &spec.get("activeDeadlineSeconds"),
        &before.get("activeDeadlineSeconds"),
        errors,
    ) {
        return;
    }
    only_added_tolerations(&spec.get("tolerations"), &before.get("tolerations"), errors);
    only_deleted_gates(
        &spec.get("schedulingGates"),
        &before.get("schedulingGates"),
        errors,
    );
    if same(spec.value, before.value) {
        return;
    }
    let mut masked = spec.value.clone();
    mask(&mut masked, &spec, &before, errors);
    if !same(&masked, before.value) {
        let shown = |spec: &Value| go_value::internal("core/v1.PodSpec", spec);
        let difference = diff::unified(&shown(before.value), &shown(&masked));
        errors.forbidden(&spec, format!("{MAY_CHANGE}\n{difference}"));
    }
}

/// Puts back what may change, so that the rest can be compared.
fn mask(masked: &mut Value, spec: &At<'_>, before: &At<'_>, errors: &mut Errors) {
    for list in ["containers", "initContainers"] {
        for (i, old) in before.get(list).items().enumerate() {
            masked[list][i]["image"] = old.get("image").value.clone();
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        masked[field] = before.get(field).value.clone();
    }
    let grace = "terminationGracePeriodSeconds";
    if before.get(grace).int() < 0 && spec.get(grace).int() == 1 {
        masked[grace] = before.get(grace).value.clone();
    }
    // A pod that waits for its gates may still say more about where it wants to go.
    if before.get("schedulingGates").empty() {
        return;
    }
    let (selector, old_selector) = (spec.get("nodeSelector"), before.get("nodeSelector"));
    if old_selector
        .entries()
        .iter()
        .any(|(key, value)| selector.get(key).value != value.value)
    {
        errors.invalid(
            &selector,
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        );
    }
    masked["nodeSelector"] = old_selector.value.clone();
    let (affinity, old_affinity) = (spec.get("affinity"), before.get("affinity"));
    let (node, old_node) = (
        affinity.get("nodeAffinity"),
        old_affinity.get("nodeAffinity"),
    );
    if same(node.value, old_node.value) {
        return;
    }
    node_affinity(&node, &old_node, errors);
    let alone = !affinity.get("podAffinity").given() && !affinity.get("podAntiAffinity").given();
    if affinity.given() && !old_affinity.given() && alone {
        masked["affinity"] = Value::Null;
    } else {
        masked["affinity"]["nodeAffinity"] = old_node.value.clone();
    }
}

fn node_affinity(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (terms, old_terms) = (
        new.get(REQUIRED).get("nodeSelectorTerms"),
        old.get(REQUIRED).get("nodeSelectorTerms"),
    );
    if old_terms.empty() {
        return;
    }
    let shown = |at: &At<'_>| {
        let list: Vec<Value> = at
            .items()
            .map(|t| go_value::internal("core/v1.NodeSelectorTerm", t.value))
            .collect();
        Value::from(list)
    };
    if terms.count() != old_terms.count() {
        let value = if terms.given() {
            shown(&terms)
        } else {
            Value::Null
        };
        return errors.invalid_value(
            &terms,
            value,
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        );
    }
    for (term, old_term) in terms.items().zip(old_terms.items()) {
        let grown = ["matchExpressions", "matchFields"].into_iter().all(|list| {
            let (new, old) = (term.get(list), old_term.get(list));
            new.count() >= old.count()
                && old
                    .items()
                    .zip(new.items())
                    .all(|(a, b)| same(a.value, b.value))
        });
        let was_empty =
            old_term.get("matchExpressions").empty() && old_term.get("matchFields").empty();
        let is_empty = term.get("matchExpressions").empty() && term.get("matchFields").empty();
        if !grown || (was_empty && !is_empty) {
            let value = go_value::internal("core/v1.NodeSelectorTerm", term.value);
            errors.invalid_value(
                &term,
                value,
                "only additions are allowed (no mutations or deletions)",
            );
        }
    }
}

pub(crate) fn annotations(pod: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (new, old) = (
        pod.get("metadata").get("annotations"),
        old.get("metadata").get("annotations"),
    );
    for (key, value) in old.entries() {
        let at = new.key(key);
        if at.value == value.value {
            continue;
        }
        if key.starts_with(security::APP_ARMOR) {
            errors.forbidden(&at, "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at, "may not remove or update mirror pod annotation");
        }
    }
    for (key, at) in new.entries() {
        if old.get(key).given() {
            continue;
        }
        if key.starts_with(security::APP_ARMOR) {
            errors.forbidden(&at, "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at, "may not add mirror pod annotation");
        }
    }
    pods::annotations(&new, &pod.get("spec"), errors);
}

/// As many containers as before; false when nothing else is worth saying.
fn images(new: &At<'_>, old: &At<'_>, errors: &mut Errors) -> bool {
    if new.count() != old.count() {
        errors.forbidden(new, "pod updates may not add or remove containers");
        return false;
    }
    for container in new.items() {
        errors.need(&container.get("image"));
        super::containers::trimmed_image(&container, errors);
    }
    true
}

fn deadline(new: &At<'_>, old: &At<'_>, errors: &mut Errors) -> bool {
    let limit = i64::from(i32::MAX);
    if !new.given() {
        if old.given() {
            errors.invalid_value(
                new,
                Value::Null,
                "must not update from a positive integer to nil value",
            );
        }
        return true;
    }
    if !(0..=limit).contains(&new.int()) {
        errors.invalid(new, formats::range(0, limit));
        return false;
    }
    if old.given() && old.int() < new.int() {
        errors.invalid(new, "must be less than or equal to previous value");
        return false;
    }
    true
}

fn only_added_tolerations(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let but_seconds = |toleration: &At<'_>| {
        ["key", "operator", "value", "effect"].map(|field| toleration.get(field).text().to_owned())
    };
    for before in old.items() {
        if !new
            .items()
            .any(|after| but_seconds(&after) == but_seconds(&before))
        {
            return errors.forbidden(
                new,
                "existing toleration can not be modified except its tolerationSeconds",
            );
        }
    }
    super::scheduling::tolerations(new, errors);
}

fn only_deleted_gates(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let known: Vec<&str> = old.items().map(|gate| gate.get("name").text()).collect();
    for gate in new.items() {
        let name = gate.get("name");
        if !known.contains(&name.text()) {
            errors.forbidden(
                &name,
                format!(
                    "only deletion is allowed, but found new scheduling gate '{}'",
                    name.text()
                ),
            );
        }
    }
}
