//! What the parts of a user are made of, and what is wrong with that.

use super::rules::{claim_rules, user_rules};
use super::{At, Errors};
use crate::filters::authenticate::jwt::mapping::{Expression, Mappings, Source};
use crate::user::extra_key_problems;
use triad_cel::ast::{Expr, ExprKind};
use triad_cel::check::Checked;
use triad_cel::environments::access;
use triad_cel::types::Type;
use triad_machinery::status::FieldError;

pub(super) fn mappings(at: &At<'_>, errors: &mut Errors) -> Option<Mappings> {
    let (required, claim_rules) = claim_rules(&at.field("claimValidationRules"), errors);
    let given = at.field("claimMappings");
    let username = source(&given.field("username"), true, errors);
    let groups = source(&given.field("groups"), false, errors);
    let uid = uid(&given.field("uid"), errors);
    let extra = extra(&given.field("extra"), errors);
    let user_rules = user_rules(&at.field("userValidationRules"), errors);
    if let Some(Source::Expression(name)) = &username {
        let says = |of: &Expression| selects(&of.checked.expr, "email_verified");
        let verified = says(name)
            || extra.iter().any(|(_, expression)| says(expression))
            || claim_rules.iter().any(|rule| says(&rule.expression));
        if selects(&name.checked.expr, "email") && !verified {
            let why = "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression";
            let path = given.field("username").field("expression").path;
            errors.push(FieldError::invalid(path, name.text.as_str(), why));
        }
    }
    Some(Mappings {
        username: username?,
        groups,
        uid,
        extra,
        required,
        claim_rules,
        user_rules,
    })
}

pub(super) fn compiled(
    at: &At<'_>,
    field: &str,
    compile: impl Fn(&str) -> Result<Checked, String>,
    errors: &mut Errors,
) -> Option<Expression> {
    let text = at.text(field);
    match compile(text) {
        Ok(checked) => Some(Expression {
            text: text.to_owned(),
            checked,
        }),
        Err(why) => {
            errors.push(FieldError::invalid(at.field(field).path, text, why));
            None
        }
    }
}

/// What is mapped may be of any type until it is there; rules are true or false.
pub(super) fn of_claims(wanted: Type) -> impl Fn(&str) -> Result<Checked, String> {
    move |text| access::claims(text, std::slice::from_ref(&wanted))
}

fn source(at: &At<'_>, is_name: bool, errors: &mut Errors) -> Option<Source> {
    let (claim, expression) = (at.text("claim"), at.text("expression"));
    let prefix = at.value.get("prefix").filter(|prefix| !prefix.is_null());
    match (claim.is_empty(), expression.is_empty()) {
        (false, false) => {
            let why = "claim and expression can't both be set";
            errors.push(FieldError::invalid(at.path.clone(), "", why));
            None
        }
        (true, true) => {
            if is_name {
                let why = "claim or expression is required";
                errors.push(FieldError::required(at.path.clone(), why));
            }
            None
        }
        (true, false) => {
            if let Some(prefix) = prefix {
                let why = "may not be specified when expression is set";
                errors.push(FieldError::invalid(
                    at.field("prefix").path,
                    prefix.clone(),
                    why,
                ));
            }
            compiled(at, "expression", of_claims(Type::Any), errors).map(Source::Expression)
        }
        (false, true) => {
            if prefix.is_none() {
                let why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing";
                errors.push(FieldError::required(at.field("prefix").path, why));
            }
            Some(Source::Claim {
                name: claim.to_owned(),
                prefix: at.text("prefix").to_owned(),
            })
        }
    }
}

fn uid(at: &At<'_>, errors: &mut Errors) -> Option<Source> {
    let (claim, expression) = (at.text("claim"), at.text("expression"));
    match (claim.is_empty(), expression.is_empty()) {
        (false, false) => {
            let why = "claim and expression can't both be set";
            errors.push(FieldError::invalid(at.path.clone(), "", why));
            None
        }
        (true, true) => None,
        (true, false) => {
            compiled(at, "expression", of_claims(Type::Any), errors).map(Source::Expression)
        }
        (false, true) => Some(Source::Claim {
            name: claim.to_owned(),
            prefix: String::new(),
        }),
    }
}

fn extra(at: &At<'_>, errors: &mut Errors) -> Vec<(String, Expression)> {
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for at in at.items() {
        let key = at.text("key");
        let path = at.field("key").path;
        check_extra_key(key, &path, errors);
        if seen.contains(&key) {
            errors.push(FieldError::duplicate(path, key));
            continue;
        }
        seen.push(key);
        if at.text("valueExpression").is_empty() {
            errors.push(FieldError::required(at.field("valueExpression").path, ""));
            continue;
        }
        let expression = compiled(&at, "valueExpression", of_claims(Type::Any), errors);
        found.extend(expression.map(|expression| (key.to_owned(), expression)));
    }
    found
}

/// A domain and a path, in lower case, of nobody who is reserved.
fn check_extra_key(key: &str, path: &str, errors: &mut Errors) {
    let problems = extra_key_problems(key, path);
    errors.extend(problems);
    let Some((domain, _)) = key.split_once('/') else {
        return;
    };
    let mut wrong = |why: &str| errors.push(FieldError::invalid(path, key, why));
    if key != key.to_lowercase() {
        wrong("must be lowercase");
    }
    let within = |home: &str| domain == home || domain.ends_with(&format!(".{home}"));
    if within("kubernetes.io") || within("k8s.io") {
        wrong("k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use");
    }
}

/// Whether `claims.FIELD` stands anywhere in an expression.
fn selects(expr: &Expr, wanted: &str) -> bool {
    let here = match &expr.kind {
        ExprKind::Select { operand, field, .. } => {
            operand.ident() == Some("claims") && field == wanted
        }
        ExprKind::Call { function, args, .. } if function == "_?._" => {
            let literal = |arg: &Expr| matches!(&arg.kind, ExprKind::Literal(triad_cel::ast::Literal::String(text)) if text == wanted);
            matches!(args.as_slice(), [of, field] if of.ident() == Some("claims") && literal(field))
        }
        _ => false,
    };
    here || expr
        .children()
        .into_iter()
        .any(|child| selects(child, wanted))
}
