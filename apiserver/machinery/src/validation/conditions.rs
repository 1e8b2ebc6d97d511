//! Conditions as most kinds have them (apimachinery pkg/apis/meta/v1/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::formats;
use crate::names;

const REASON_MAX_BYTES: usize = 1024;
const MESSAGE_MAX_BYTES: usize = 32 * 1024;

pub(crate) fn all(at: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for condition in at.items() {
        let kind = condition.get("type").text();
        if !seen.insert(kind) {
            errors.duplicate_value(&condition, kind);
        }
        one(&condition, errors);
    }
}

fn one(at: &At<'_>, errors: &mut Errors) {
    let (kind, reason, message) = (at.get("type"), at.get("reason"), at.get("message"));
    if kind.empty() {
        errors.required(&kind, "is required");
    } else {
        formats::label_key(&kind, errors);
    }
    errors.need_one_of(&at.get("status"), &["False", "True", "Unknown"]);
    let generation = at.get("observedGeneration");
    if generation.int() < 0 {
        errors.invalid(&generation, "must be greater than or equal to zero");
    }
    errors.need(&at.get("lastTransitionTime"));
    if errors.need(&reason) {
        errors.each(&reason, reason_problems(reason.text()));
        if reason.text().len() > REASON_MAX_BYTES {
            errors.too_long(&reason, REASON_MAX_BYTES);
        }
    }
    if message.text().len() > MESSAGE_MAX_BYTES {
        errors.too_long(&message, MESSAGE_MAX_BYTES);
    }
}

fn reason_problems(text: &str) -> Vec<String> {
    let end = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let right = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(end)
        && text.chars().all(|c| end(c) || matches!(c, ',' | ':'));
    if right {
        return Vec::new();
    }
    vec![names::pattern(
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', \
         and must end with an alphanumeric character or '_'",
        "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
        &[
            "my_name",
            "MY_NAME",
            "MyName",
            "ReasonA,ReasonB",
            "ReasonA:ReasonB",
        ],
    )]
}
