//! Admission policies and their bindings (pkg/apis/admissionregistration/validation/validation.go).

use std::collections::HashSet;

use triad_cel::env::RESERVED;
use triad_cel::environments::policy::Wanted;

use super::at::{At, Errors};
use super::expressions::{Before, Expressions};
use super::{conditions, formats, selectors, webhooks};
use crate::names;
use crate::status::FieldError;

const MUTATING: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];
const NOTES_MAX: usize = 20;
const NOTE_MAX_BYTES: usize = 5 * 1024;

fn common(spec: &At<'_>, errors: &mut Errors) {
    let failure = spec.get("failurePolicy");
    if failure.given() {
        errors.one_of(&failure, webhooks::FAILURE);
    } else {
        errors.required(&failure, "");
    }
    if spec.get("paramKind").given() {
        param_kind(&spec.get("paramKind"), errors);
    }
    let constraints = spec.get("matchConstraints");
    if constraints.given() {
        match_resources(&constraints, errors);
        errors.need(&constraints.get("resourceRules"));
    } else {
        errors.required(&constraints, "");
    }
}

/// Match conditions, unless they are as they were.
fn conditions_of(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let conditions = spec.get("matchConditions");
    let kept = old.map(|old| old.get("spec").get("matchConditions"));
    let unchanged = kept
        .as_ref()
        .is_some_and(|kept| kept.value == conditions.value);
    if !unchanged {
        let before = kept.map(|kept| Before::of(&kept, "expression"));
        let params = spec.get("paramKind").given();
        webhooks::match_conditions(&conditions, &before.unwrap_or_default(), params, errors);
    }
}

fn variables(spec: &At<'_>, expressions: &mut Expressions, errors: &mut Errors) {
    for variable in spec.get("variables").items() {
        let (name, expression) = (variable.get("name"), variable.get("expression"));
        if name.text().trim().is_empty() {
            errors.required(&name, "name is not specified");
        } else if !identifier(name.text()) {
            errors.invalid(&name, "must be a valid CEL identifier");
        }
        if expression.text().trim().is_empty() {
            errors.required(&expression, "expression is not specified");
        } else {
            expressions.variable(name.text(), &expression, errors);
        }
    }
}

fn identifier(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !RESERVED.contains(&name)
}

fn param_kind(at: &At<'_>, errors: &mut Errors) {
    let (version, kind) = (at.get("apiVersion"), at.get("kind"));
    if errors.need(&version) {
        let (group, name) = version
            .text()
            .split_once('/')
            .unwrap_or(("", version.text()));
        if name.contains('/') {
            errors.invalid(
                &version,
                format!("unexpected GroupVersion string: {}", version.text()),
            );
        } else {
            let problems = names::dns1123_subdomain(group);
            if !group.is_empty() && !problems.is_empty() {
                errors.invalid_value(&version, group, problems.join(","));
            }
            let problems = names::dns1035_label(name);
            if name.is_empty() {
                errors.invalid(&version, "version must be specified");
            } else if !problems.is_empty() {
                errors.invalid_value(&version, name, problems.join(","));
            }
        }
    }
    if errors.need(&kind) {
        let problems = names::dns1035_label(&kind.text().to_lowercase());
        if !problems.is_empty() {
            errors.invalid(
                &kind,
                format!(
                    "may have mixed case, but should otherwise match: {}",
                    problems.join(",")
                ),
            );
        }
    }
}

fn match_resources(at: &At<'_>, errors: &mut Errors) {
    let policy = at.get("matchPolicy");
    if policy.given() {
        errors.one_of(&policy, webhooks::MATCH);
    } else {
        errors.required(&policy, "");
    }
    for field in ["namespaceSelector", "objectSelector"] {
        if at.get(field).given() {
            selectors::label_selector(&at.get(field), errors);
        } else {
            errors.required(&at.get(field), "");
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in at.get(list).items() {
            let mut seen = HashSet::new();
            for name in rule.get("resourceNames").items() {
                errors.each(&name, names::path_segment(name.text()));
                if !seen.insert(name.text()) {
                    errors.duplicate(&name);
                }
            }
            webhooks::rule_with_operations(&rule, errors);
        }
    }
}

pub(crate) fn validating(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    const ONE: &str = "validations or auditAnnotations must contain at least one item";
    let spec = object.get("spec");
    common(&spec, errors);
    conditions_of(&spec, old, errors);
    let params = spec.get("paramKind").given();
    let mut expressions = match spec.get("variables").empty() {
        true => Expressions::plain(params),
        false => Expressions::composing(params),
    };
    variables(&spec, &mut expressions, errors);
    let kept = |list: &str, field: &str| {
        let old = old.map(|old| Before::of(&old.get("spec").get(list), field));
        old.unwrap_or_default()
    };
    let (rules, notes) = (spec.get("validations"), spec.get("auditAnnotations"));
    if rules.empty() && notes.empty() {
        errors.required(&rules, ONE);
        errors.required(&notes, ONE);
    }
    let before = kept("validations", "expression");
    let messages = kept("validations", "messageExpression");
    for rule in rules.items() {
        validation(&rule, &expressions, (&before, &messages), errors);
    }
    if notes.count() > NOTES_MAX {
        let shown = notes.items().map(|n| {
            super::go_value::internal("admissionregistration/v1.AuditAnnotation", n.value)
        });
        errors.invalid_value(
            &notes,
            shown.collect::<serde_json::Value>(),
            format!("must not have more than {NOTES_MAX} auditAnnotations"),
        );
    }
    let before = kept("auditAnnotations", "valueExpression");
    let mut seen = HashSet::new();
    let policy = object.get("metadata").get("name").text();
    for note in notes.items() {
        let (key, value) = (note.get("key"), note.get("valueExpression"));
        let full = format!("{policy}/{}", key.text());
        for problem in names::label_key(&full) {
            errors.invalid_value(&key, full.as_str(), problem);
        }
        let text = value.text().trim();
        if text.is_empty() {
            errors.required(&value, "valueExpression is not specified");
        } else if text.len() > NOTE_MAX_BYTES {
            errors.required(
                &value,
                &format!("must not exceed {NOTE_MAX_BYTES} bytes in length"),
            );
        } else {
            expressions.annotation(&value, &before, errors);
        }
        if !seen.insert(key.text()) {
            errors.duplicate(&key);
        }
    }
}

fn validation(
    at: &At<'_>,
    expressions: &Expressions,
    (before, messages): (&Before, &Before),
    errors: &mut Errors,
) {
    let expression = at.get("expression");
    if expression.text().trim().is_empty() {
        errors.required(&expression, "expression is not specified");
    } else {
        expressions.whole(&expression, Wanted::Bool, before, errors);
    }
    for field in ["messageExpression", "message"] {
        let text = at.get(field);
        if !text.empty() && text.text().trim().is_empty() {
            errors.invalid(&text, "must be non-empty if specified");
        } else if field == "messageExpression" && !text.empty() {
            expressions.message(&text, messages, errors);
        } else if field == "message" && text.text().trim().contains(['\n', '\r']) {
            errors.invalid(&text, "must not contain line breaks");
        }
    }
    webhooks::set(
        &at.get("reason"),
        &["Forbidden", "Invalid", "RequestEntityTooLarge"],
        errors,
    );
}

pub(crate) fn mutating(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = object.get("spec");
    common(&spec, errors);
    mutating_operations(&spec.get("matchConstraints"), errors);
    conditions_of(&spec, old, errors);
    let mut expressions = Expressions::composing(spec.get("paramKind").given());
    variables(&spec, &mut expressions, errors);
    let mutations = spec.get("mutations");
    if mutations.empty() {
        errors.required(&mutations, "mutations must contain at least one item");
    }
    // The reference asks the apply configurations for the JSON patches too.
    let applied = |mutation: At<'_>| mutation.get("applyConfiguration").value.clone();
    let kept = old.map(|old| {
        old.get("spec")
            .get("mutations")
            .items()
            .map(applied)
            .collect()
    });
    let kept: serde_json::Value = kept.unwrap_or_default();
    let before = Before::of(&At::root(&kept), "expression");
    for mutation in mutations.items() {
        self::mutation(&mutation, &expressions, &before, errors);
    }
    errors.need_one_of(&spec.get("reinvocationPolicy"), webhooks::REINVOCATION);
}

/// What is being deleted cannot be changed.
fn mutating_operations(at: &At<'_>, errors: &mut Errors) {
    let rules = at.get("resourceRules");
    for rule in rules.items() {
        for operation in rule
            .get("operations")
            .strings()
            .into_iter()
            .filter(|operation| !MUTATING.contains(operation))
        {
            errors.0.push(FieldError::not_supported(
                format!("{}.operations", rules.path),
                operation,
                MUTATING,
            ));
        }
    }
}

fn mutation(at: &At<'_>, expressions: &Expressions, before: &Before, errors: &mut Errors) {
    let kind = at.get("patchType");
    let (patch, apply) = (at.get("jsonPatch"), at.get("applyConfiguration"));
    let (wanted, other, shown, result) = match kind.text() {
        "" => return errors.required(&kind, ""),
        "JSONPatch" => (patch, apply, "{applyConfiguration}", Wanted::Patches),
        "ApplyConfiguration" => (apply, patch, "{jsonPatch}", Wanted::ApplyConfiguration),
        _ => return errors.unsupported(&kind, &["ApplyConfiguration", "JSONPatch"]),
    };
    if !wanted.given() {
        errors.required(
            &wanted,
            &format!("must be specified when patchType is {}", kind.text()),
        );
    } else if wanted.get("expression").text().trim().is_empty() {
        errors.required(&wanted.get("expression"), "");
    } else {
        expressions.trimmed(&wanted.get("expression"), result, before, errors);
    }
    if other.given() {
        errors.invalid_value(
            &other,
            shown,
            format!("must not be specified when patchType is {}", kind.text()),
        );
    }
}

pub(crate) fn binding(object: &At<'_>, validating: bool, errors: &mut Errors) {
    let spec = object.get("spec");
    let (policy, parameters, resources) = (
        spec.get("policyName"),
        spec.get("paramRef"),
        spec.get("matchResources"),
    );
    if errors.need(&policy) {
        formats::subdomain(&policy, errors);
    }
    if parameters.given() {
        param_ref(&parameters, errors);
    }
    if resources.given() {
        match_resources(&resources, errors);
    }
    if validating {
        actions(&spec.get("validationActions"), errors);
    } else {
        mutating_operations(&resources, errors);
    }
}

fn actions(at: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for action in at.items() {
        errors.one_of(&action, &["Audit", "Deny", "Warn"]);
        if !seen.insert(action.text()) {
            errors.duplicate(&action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        errors.invalid(at, "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)");
    }
}

fn param_ref(at: &At<'_>, errors: &mut Errors) {
    const EITHER: &str = "name and selector are mutually exclusive";
    let (name, selector, action) = (
        at.get("name"),
        at.get("selector"),
        at.get("parameterNotFoundAction"),
    );
    if !name.empty() {
        errors.each(&name, names::path_segment(name.text()));
        if selector.given() {
            errors.forbidden(&name, EITHER);
        }
    }
    selectors::label_selector(&selector, errors);
    if selector.given() && !name.empty() {
        errors.forbidden(&selector, EITHER);
    }
    if name.empty() && !selector.given() {
        errors.required(at, "one of name or selector must be specified");
    }
    errors.need_one_of(&action, &["Deny", "Allow"]);
}

/// What type checking found of a policy.
pub(crate) fn validating_status(status: &At<'_>, errors: &mut Errors) {
    for warning in status.get("typeChecking").get("expressionWarnings").items() {
        errors.need(&warning.get("warning"));
        let field = warning.get("fieldRef");
        if field.text().trim().is_empty() {
            errors.required(&field, "");
        }
    }
    conditions::all(&status.get("conditions"), errors);
}
