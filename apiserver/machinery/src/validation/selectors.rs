//! Labels, label selectors and node selectors (apimachinery pkg/apis/meta/v1/validation, pkg/apis/core/validation).

use super::at::{At, Errors};
use super::formats;
use crate::names;

const OPERATOR: &str = "not a valid selector operator";
const NEED_VALUES: &str = "must be specified when `operator` is 'In' or 'NotIn'";
const NO_VALUES: &str = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";

/// A map of labels.
pub(crate) fn labels(at: &At<'_>, errors: &mut Errors) {
    for (key, value) in at.entries() {
        for problem in names::label_key(key) {
            errors.invalid_value(at, key, problem);
        }
        for problem in names::label_value(value.text()) {
            errors.invalid_value(at, value.text(), problem);
        }
    }
}

/// A map of annotations.
pub(crate) fn annotations(at: &At<'_>, errors: &mut Errors) {
    const MAX_BYTES: usize = 256 * 1024;
    let mut size = 0;
    for (key, value) in at.entries() {
        for problem in names::label_key(&key.to_lowercase()) {
            errors.invalid_value(at, key, problem);
        }
        size += key.len() + value.text().len();
    }
    if size > MAX_BYTES {
        errors.too_long(at, MAX_BYTES);
    }
}

/// A label selector, where one is given.
pub(crate) fn label_selector(at: &At<'_>, errors: &mut Errors) {
    labels(&at.get("matchLabels"), errors);
    for requirement in at.get("matchExpressions").items() {
        let values = requirement.get("values");
        match requirement.get("operator").text() {
            "In" | "NotIn" if values.empty() => errors.required(&values, NEED_VALUES),
            "Exists" | "DoesNotExist" if !values.empty() => errors.forbidden(&values, NO_VALUES),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&requirement.get("operator"), OPERATOR),
        }
        formats::label_key(&requirement.get("key"), errors);
        label_values(&values, errors);
    }
}

fn label_values(values: &At<'_>, errors: &mut Errors) {
    for value in values.items() {
        errors.each(&value, names::label_value(value.text()));
    }
}

/// A label selector as Go shows it: keys and operators are there even when empty.
pub(crate) fn shown(at: &At<'_>) -> serde_json::Value {
    let mut value = at.value.clone();
    if let Some(list) = value
        .get_mut("matchExpressions")
        .and_then(serde_json::Value::as_array_mut)
    {
        for (entry, given) in list.iter_mut().zip(at.get("matchExpressions").items()) {
            let mut whole = serde_json::json!({"key": given.get("key").text(), "operator": given.get("operator").text()});
            if !given.get("values").empty() {
                whole["values"] = given.get("values").value.clone();
            }
            *entry = whole;
        }
    }
    value
}

/// A selector that selects everything: given, and empty.
pub(crate) fn selects_all(at: &At<'_>) -> bool {
    at.get("matchLabels").empty() && at.get("matchExpressions").empty()
}

/// Terms of which one must hold.
pub(crate) fn node_selector(at: &At<'_>, errors: &mut Errors) {
    let terms = at.get("nodeSelectorTerms");
    if terms.empty() {
        errors.required(&terms, "must have at least one node selector term");
    }
    for term in terms.items() {
        node_selector_term(&term, true, errors);
    }
}

/// One term; `strict` looks at the values too.
pub(crate) fn node_selector_term(at: &At<'_>, strict: bool, errors: &mut Errors) {
    for requirement in at.get("matchExpressions").items() {
        node_requirement(&requirement, strict, errors);
    }
    for requirement in at.get("matchFields").items() {
        node_field_requirement(&requirement, errors);
    }
}

fn node_requirement(at: &At<'_>, strict: bool, errors: &mut Errors) {
    let values = at.get("values");
    match at.get("operator").text() {
        "In" | "NotIn" if values.empty() => errors.required(&values, NEED_VALUES),
        "Exists" | "DoesNotExist" if !values.empty() => errors.forbidden(&values, NO_VALUES),
        "Gt" | "Lt" if values.count() != 1 => {
            let one = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.required(&values, one);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => errors.invalid(&at.get("operator"), OPERATOR),
    }
    formats::label_key(&at.get("key"), errors);
    if strict {
        label_values(&values, errors);
    }
}

fn node_field_requirement(at: &At<'_>, errors: &mut Errors) {
    let values = at.get("values");
    match at.get("operator").text() {
        "In" | "NotIn" if values.count() != 1 => {
            let one =
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&values, one);
        }
        "In" | "NotIn" => {}
        _ => errors.invalid(&at.get("operator"), OPERATOR),
    }
    if at.get("key").text() == "metadata.name" {
        for value in values.items() {
            formats::subdomain(&value, errors);
        }
    } else {
        errors.invalid(&at.get("key"), "not a valid field selector key");
    }
}
