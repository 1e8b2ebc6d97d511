//! What must hold of claims and of the user that they make, and what is wrong with that.

use super::mappings::{compiled, of_claims};
use super::{At, Errors};
use crate::filters::authenticate::jwt::mapping::Rule;
use triad_cel::check::Checked;
use triad_cel::environments::access;
use triad_cel::types::Type;
use triad_machinery::status::FieldError;

pub(super) fn claim_rules(at: &At<'_>, errors: &mut Errors) -> (Vec<(String, String)>, Vec<Rule>) {
    let (mut required, mut rules) = (Vec::new(), Vec::new());
    let (mut claims, mut expressions) = (Vec::new(), Vec::new());
    for at in at.items() {
        let (claim, expression) = (at.text("claim"), at.text("expression"));
        match (claim.is_empty(), expression.is_empty()) {
            (false, false) => {
                let why = "claim and expression can't both be set";
                errors.push(FieldError::invalid(at.path, claim, why));
            }
            (true, true) => {
                let why = "claim or expression is required";
                errors.push(FieldError::required(at.path, why));
            }
            (false, true) => {
                let message = at.text("message");
                if !message.is_empty() {
                    let why = "may not be specified when claim is set";
                    errors.push(FieldError::invalid(at.field("message").path, message, why));
                }
                if claims.contains(&claim) {
                    errors.push(FieldError::duplicate(at.field("claim").path, claim));
                }
                claims.push(claim);
                required.push((claim.to_owned(), at.text("requiredValue").to_owned()));
            }
            (true, false) => {
                let value = at.text("requiredValue");
                if !value.is_empty() {
                    let why = "may not be specified when expression is set";
                    errors.push(FieldError::invalid(
                        at.field("requiredValue").path,
                        value,
                        why,
                    ));
                }
                rules.extend(rule(&at, &mut expressions, of_claims(Type::Bool), errors));
            }
        }
    }
    (required, rules)
}

pub(super) fn user_rules(at: &At<'_>, errors: &mut Errors) -> Vec<Rule> {
    let (mut rules, mut seen) = (Vec::new(), Vec::new());
    for at in at.items() {
        if at.text("expression").is_empty() {
            errors.push(FieldError::required(at.field("expression").path, ""));
            continue;
        }
        let compile = |text: &str| access::user(text, &[Type::Bool]);
        rules.extend(rule(&at, &mut seen, compile, errors));
    }
    rules
}

fn rule<'a>(
    at: &At<'a>,
    seen: &mut Vec<&'a str>,
    compile: impl Fn(&str) -> Result<Checked, String>,
    errors: &mut Errors,
) -> Option<Rule> {
    let text = at.text("expression");
    if seen.contains(&text) {
        errors.push(FieldError::duplicate(at.field("expression").path, text));
        return None;
    }
    seen.push(text);
    Some(Rule {
        expression: compiled(at, "expression", compile, errors)?,
        message: at.text("message").to_owned(),
    })
}
