//! What policies have to say for audit events: their own annotations, and what was found against requests that they let pass
//! (apiserver pkg/admission/plugin/policy/validating/dispatcher.go).

use super::Invocation;
use super::validating::{Body, Objection};
use crate::audit::Trail;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bytes of one value.
const LONGEST: usize = 10 * 1024;
/// Failures that one event tells of.
const MOST_FAILURES: usize = 50;
const FAILURES: &str = "validation.policy.admission.k8s.io/validation_failure";

#[derive(Default)]
pub(super) struct Findings {
    /// By the annotation's key, each value once.
    said: BTreeMap<String, Vec<String>>,
    failures: Vec<Value>,
}

impl Findings {
    pub(super) fn note(&mut self, policy: &str, said: Vec<(String, String)>) {
        for (key, mut value) in said {
            value.truncate(value.floor_char_boundary(LONGEST));
            let values = self.said.entry(format!("{policy}/{key}")).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }

    /// An objection, if the binding wants it in audit events.
    pub(super) fn audit(&mut self, invocation: &Invocation<'_, Body>, objection: &Objection) {
        let binding = invocation.binding;
        if !binding.actions.iter().any(|action| action == "Audit") {
            return;
        }
        self.failures.push(json!({
            "message": objection.why,
            "policy": invocation.policy.name,
            "binding": binding.name,
            "expressionIndex": objection.index,
            "validationActions": binding.actions,
        }));
    }

    pub(super) fn publish(mut self, trail: &Trail) {
        for (key, values) in self.said {
            trail.annotate(&key, values.join(", "));
        }
        if !self.failures.is_empty() {
            self.failures.truncate(MOST_FAILURES);
            trail.annotate(FAILURES, Value::Array(self.failures).to_string());
        }
    }
}
