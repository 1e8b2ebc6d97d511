//! Leases, runtime classes and priority classes
//! (pkg/apis/coordination/validation, pkg/apis/node/validation, pkg/apis/scheduling/validation).

use super::at::{At, Errors};
use super::{formats, go_value, resources, scheduling, selectors};

pub(crate) fn lease(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (duration, transitions) = (
        spec.get("leaseDurationSeconds"),
        spec.get("leaseTransitions"),
    );
    if duration.given() && duration.int() <= 0 {
        errors.invalid(&duration, "must be greater than 0");
    }
    errors.not_negative(&transitions);
    let (strategy, holder) = (spec.get("strategy"), spec.get("preferredHolder"));
    if strategy.given() {
        lease_strategy(&strategy, errors);
    }
    if !holder.empty() && strategy.empty() {
        errors.forbidden(&holder, "may only be specified if `strategy` is defined");
    }
}

fn lease_strategy(at: &At<'_>, errors: &mut Errors) {
    let shown = at.shown_at(format!("{}.strategy", at.path));
    if at.text().contains('/') {
        formats::label_key(&shown, errors);
    } else {
        errors.one_of(&shown, &["OldestEmulationVersion"]);
    }
}

pub(crate) fn runtime_class(object: &At<'_>, errors: &mut Errors) {
    let overhead = object.get("overhead");
    for (resource, amount) in overhead.get("podFixed").entries() {
        let at = amount.shown_at(format!("{}.limits[{resource}]", overhead.path));
        resources::container_name(&at, resource, errors);
        resources::amount(&at, resource, errors);
    }
    let placing = object.get("scheduling");
    selectors::labels(&placing.get("nodeSelector"), errors);
    let tolerations = placing.get("tolerations");
    scheduling::tolerations(&tolerations, errors);
    let mut seen = Vec::new();
    for toleration in tolerations.items() {
        let key = ["key", "operator", "value", "effect"].map(|field| toleration.get(field).text());
        if seen.contains(&key) {
            errors.duplicate_value(
                &toleration,
                go_value::internal("core/v1.Toleration", toleration.value),
            );
        }
        seen.push(key);
    }
}

/// The highest value that is not the system's own.
const USER_MAX: i64 = 1_000_000_000;
const SYSTEM: &[(&str, i64)] = &[
    ("system-node-critical", 2_000_001_000),
    ("system-cluster-critical", 2_000_000_000),
];

pub(crate) fn priority_class(object: &At<'_>, errors: &mut Errors) {
    let (name, value) = (object.get("metadata").get("name"), object.get("value"));
    if name.text().starts_with("system-") {
        let reserved =
            "priority class names with 'system-' prefix are reserved for system use only";
        let known = SYSTEM.iter().find(|(known, _)| *known == name.text());
        let problem = match known {
            None => Some(format!(
                "{} is not a known system priority class",
                name.text()
            )),
            Some((_, expected)) if *expected != value.int() => Some(format!(
                "value of {} PriorityClass must be {expected}",
                name.text()
            )),
            Some((_, _)) if object.get("globalDefault").yes() => Some(format!(
                "globalDefault of {} PriorityClass must be false",
                name.text()
            )),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            errors.forbidden(&name, format!("{reserved}. error: {problem}"));
        }
    } else if value.int() > USER_MAX {
        errors.forbidden(
            &value,
            format!("maximum allowed value of a user defined priority is {USER_MAX}"),
        );
    }
    let policy = object.get("preemptionPolicy");
    if policy.given() {
        errors.need_one_of(&policy, &["PreemptLowerPriority", "Never"]);
    }
}

pub(crate) fn priority_class_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (value, policy) = (object.get("value"), object.get("preemptionPolicy"));
    if value.int() != old.get("value").int() {
        errors.forbidden(&value, "may not be changed in an update.");
    }
    errors.immutable(&policy, &old.get("preemptionPolicy"));
}
