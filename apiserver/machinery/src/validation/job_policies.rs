//! When a job's failed pods fail it, and which succeeded ones are enough (pkg/apis/batch/validation/validation.go).

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{formats, indexes};
use crate::status::FieldError;

const RULES_MAX: usize = 20;

/// The values as Go writes a list of strings with %q.
pub(super) fn valid(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

pub(super) fn needed(at: &At<'_>, values: &[&str], errors: &mut Errors) {
    if at.empty() {
        errors.required(at, &valid(values));
    } else {
        errors.one_of(at, values);
    }
}

pub(super) fn omitted(at: &At<'_>, detail: &str) -> FieldError {
    FieldError {
        value: None,
        ..FieldError::invalid(&at.path, Value::Null, detail)
    }
}

pub(super) fn failure_policy(spec: &At<'_>, policy: &At<'_>, errors: &mut Errors) {
    let rules = policy.get("rules");
    if rules.count() > RULES_MAX {
        errors.too_many(&rules, rules.count(), RULES_MAX);
    }
    let pod = spec.get("template").get("spec");
    let lists = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod.get(list).items());
    let containers: HashSet<&str> = lists.map(|c| c.get("name").text()).collect();
    for rule in rules.items() {
        let action = rule.get("action");
        if action.text() == "FailIndex" {
            if !spec.get("backoffLimitPerIndex").given() {
                errors.invalid(&action, "requires the backoffLimitPerIndex to be set");
            }
        } else {
            needed(
                &action,
                &["Count", "FailIndex", "FailJob", "Ignore"],
                errors,
            );
        }
        let (codes, conditions) = (rule.get("onExitCodes"), rule.get("onPodConditions"));
        if codes.given() {
            exit_codes(&codes, &containers, errors);
        }
        if conditions.count() > RULES_MAX {
            errors.too_many(&conditions, conditions.count(), RULES_MAX);
        }
        for pattern in conditions.items() {
            formats::label_key(&pattern.get("type"), errors);
            needed(
                &pattern.get("status"),
                &["False", "True", "Unknown"],
                errors,
            );
        }
        match (codes.given(), !conditions.empty()) {
            (true, true) => errors.0.push(omitted(
                &rule,
                "specifying both OnExitCodes and OnPodConditions is not supported",
            )),
            (false, false) => errors.0.push(omitted(
                &rule,
                "specifying one of OnExitCodes and OnPodConditions is required",
            )),
            _ => {}
        }
    }
}

fn exit_codes(at: &At<'_>, containers: &HashSet<&str>, errors: &mut Errors) {
    const VALUES_MAX: usize = 255;
    let (operator, values, container) = (
        at.get("operator"),
        at.get("values"),
        at.get("containerName"),
    );
    needed(&operator, &["In", "NotIn"], errors);
    if container.given() && !containers.contains(container.text()) {
        errors.invalid(
            &container,
            "must be one of the container or initContainer names in the pod template",
        );
    }
    if values.empty() {
        errors.invalid_value(
            &values,
            values.value.clone(),
            "at least one value is required",
        );
    } else if values.count() > VALUES_MAX {
        errors.too_many(&values, values.count(), VALUES_MAX);
    }
    let mut seen = HashSet::new();
    for value in values.items() {
        if operator.text() == "In" && value.int() == 0 {
            errors.invalid(&value, "must not be 0 for the In operator");
        }
        if !seen.insert(value.int()) {
            errors.duplicate(&value);
        }
    }
    let all: Vec<i64> = values.items().map(|v| v.int()).collect();
    if all.windows(2).any(|pair| pair[0] > pair[1]) {
        errors.invalid(&values, "must be ordered");
    }
}

pub(super) fn success_policy(spec: &At<'_>, policy: &At<'_>, errors: &mut Errors) {
    const INDEXES_MAX: usize = 64 * 1024;
    let (rules, completions) = (policy.get("rules"), spec.get("completions").int());
    if rules.empty() {
        errors.required(
            &rules,
            "at least one rules must be specified when the successPolicy is specified",
        );
    }
    if rules.count() > RULES_MAX {
        errors.too_many(&rules, rules.count(), RULES_MAX);
    }
    for rule in rules.items() {
        let (list, count) = (rule.get("succeededIndexes"), rule.get("succeededCount"));
        if !list.given() && !count.given() {
            errors.required(
                &rule,
                "at least one of succeededCount or succeededIndexes must be specified",
            );
        }
        let mut total = 0;
        if list.given() {
            if list.text().len() > INDEXES_MAX {
                errors.too_long(&list, INDEXES_MAX);
            }
            match indexes::count(list.text(), completions) {
                Ok(found) => total = found,
                Err(problem) => {
                    errors.invalid(&list, format!("error parsing succeededIndexes: {problem}"))
                }
            }
        }
        if count.given() {
            errors.not_negative(&count);
            if count.int() > completions {
                errors.invalid(&count, format!("must be less than or equal to {completions} (the number of specified completions)"));
            }
            if list.given() && count.int() > total {
                errors.invalid(&count, format!("must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"));
            }
        }
    }
}
