//! Where pods go: affinity, tolerations, taints, topology spread (pkg/apis/core/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{formats, selectors};
use crate::names;

pub(crate) const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(crate) fn affinity(at: &At<'_>, errors: &mut Errors) {
    let node = at.get("nodeAffinity");
    if node.get(REQUIRED).given() {
        selectors::node_selector(&node.get(REQUIRED), errors);
    }
    for term in node.get(PREFERRED).items() {
        weight(&term, errors);
        selectors::node_selector_term(&term.get("preference"), false, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = at.get(kind);
        for term in pods.get(REQUIRED).items() {
            affinity_term(&term, errors);
        }
        for term in pods.get(PREFERRED).items() {
            weight(&term, errors);
            affinity_term(&term.get("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &At<'_>, errors: &mut Errors) {
    if !(1..=100).contains(&term.get("weight").int()) {
        errors.invalid_int(&term.get("weight"), "must be in the range 1-100");
    }
}

fn affinity_term(at: &At<'_>, errors: &mut Errors) {
    selectors::label_selector(&at.get("labelSelector"), errors);
    selectors::label_selector(&at.get("namespaceSelector"), errors);
    for namespace in at.get("namespaces").strings() {
        for problem in names::dns1123_label(namespace) {
            errors.invalid_value(&at.get("namespace"), namespace, problem);
        }
    }
    label_keys(at, errors);
    let key = at.get("topologyKey");
    if key.empty() {
        errors.required(&key, "can not be empty");
    }
    formats::label_key(&key, errors);
}

/// `matchLabelKeys` and `mismatchLabelKeys` against the selector beside them.
fn label_keys(at: &At<'_>, errors: &mut Errors) {
    let selector = at.get("labelSelector");
    let matching = at.get("matchLabelKeys");
    for keys in [&matching, &at.get("mismatchLabelKeys")] {
        if keys.empty() {
            continue;
        }
        if !selector.given() {
            errors.forbidden(keys, "must not be specified when labelSelector is not set");
            continue;
        }
        for key in keys.items() {
            formats::label_key(&key, errors);
        }
    }
    let wanted = matching.strings();
    let mut used: HashSet<&str> = selector
        .get("matchLabels")
        .entries()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    for expression in selector.get("matchExpressions").items() {
        let key = expression.get("key").text();
        if let Some(i) = wanted.iter().rposition(|wanted| *wanted == key)
            && used.contains(key)
        {
            errors.invalid_value(
                &at.index(i),
                key,
                "exists in both matchLabelKeys and labelSelector",
            );
        }
        used.insert(key);
    }
    let unwanted = at.get("mismatchLabelKeys").strings();
    for key in matching
        .items()
        .filter(|key| unwanted.contains(&key.text()))
    {
        errors.invalid(&key, "exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

pub(crate) fn tolerations(at: &At<'_>, errors: &mut Errors) {
    for toleration in at.items() {
        let (key, operator, effect, value) = (
            toleration.get("key"),
            toleration.get("operator"),
            toleration.get("effect"),
            toleration.get("value"),
        );
        if !key.empty() {
            formats::label_key(&key, errors);
        } else if operator.text() != "Exists" {
            errors.invalid(&operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
        }
        if toleration.get("tolerationSeconds").given() && effect.text() != "NoExecute" {
            errors.invalid(
                &effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        match operator.text() {
            "Equal" | "" => {
                let problems = names::label_value(value.text());
                if !problems.is_empty() {
                    errors.invalid_value(&operator, value.text(), problems.join(";"));
                }
            }
            "Exists" if !value.empty() => {
                errors.invalid_value(
                    &operator,
                    value.text(),
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            "Exists" => {}
            // The comparing operators are off by default.
            "Lt" | "Gt" => errors.unsupported(&operator, &["Equal", "Exists", "Lt", "Gt"]),
            _ => errors.unsupported(&operator, &["Equal", "Exists"]),
        }
        if !effect.empty() {
            errors.one_of(&effect, EFFECTS);
        }
    }
}

pub(crate) fn topology_spread(at: &At<'_>, errors: &mut Errors) {
    let pair = |c: &At<'_>| {
        (
            c.get("topologyKey").text().to_owned(),
            c.get("whenUnsatisfiable").text().to_owned(),
        )
    };
    let all: Vec<At<'_>> = at.items().collect();
    for (i, constraint) in all.iter().enumerate() {
        let (key, action) = (
            constraint.get("topologyKey"),
            constraint.get("whenUnsatisfiable"),
        );
        errors.positive(&constraint.get("maxSkew"));
        if key.empty() {
            errors.required(&key, "can not be empty");
        }
        errors.one_of(&action, &["DoNotSchedule", "ScheduleAnyway"]);
        if all[i + 1..]
            .iter()
            .any(|other| pair(other) == pair(constraint))
        {
            let both = constraint.get("{topologyKey, whenUnsatisfiable}");
            errors.duplicate_value(&both, format!("{{{}, {}}}", key.text(), action.text()));
        }
        let domains = constraint.get("minDomains");
        if domains.given() {
            errors.positive(&domains);
            if action.text() != "DoNotSchedule" {
                let why = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
                    action.text()
                );
                errors.invalid(&domains, why);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if constraint.get(policy).given() {
                errors.one_of(&constraint.get(policy), &["Honor", "Ignore"]);
            }
        }
        label_keys(constraint, errors);
        selectors::label_selector(&constraint.get("labelSelector"), errors);
    }
}
