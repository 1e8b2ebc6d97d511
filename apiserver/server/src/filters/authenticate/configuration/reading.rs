//! The issuers that a file names, and what is wrong with them (apiserver pkg/apis/apiserver/validation, ValidateAuthenticationConfiguration).

use super::{ALGORITHMS, MOST_ISSUERS};
use crate::egress::Trust;
use crate::filters::authenticate::jwt::Issuer;
use crate::filters::authenticate::jwt::keys::IssuerKeys;
use crate::filters::authenticate::jwt::mapping::{Expression, Mappings, Rule, Source};
use http::Uri;
use serde_json::Value;
use triad_cel::ast::{Expr, ExprKind};
use triad_cel::environments::access;
use triad_cel::types::Type;
use triad_machinery::names;
use triad_machinery::status::FieldError;

type Errors = Vec<FieldError>;

/// An object of the file, with its path.
#[derive(Clone)]
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn field(&self, name: &str) -> At<'a> {
        At {
            value: &self.value[name],
            path: format!("{}.{name}", self.path),
        }
    }

    fn items(&self) -> impl Iterator<Item = At<'a>> {
        let list = self.value.as_array().into_iter().flatten();
        let path = self.path.clone();
        list.enumerate().map(move |(at, value)| At {
            value,
            path: format!("{path}[{at}]"),
        })
    }

    fn text(&self, name: &str) -> &'a str {
        self.value[name].as_str().unwrap_or_default()
    }
}

/// All issuers that are right, and what is wrong.
pub(super) fn read(config: &Value, own: &[String]) -> (Vec<Issuer>, Errors) {
    let mut errors = Vec::new();
    let all = At {
        value: &config["jwt"],
        path: "jwt".to_owned(),
    };
    let count = all.items().count();
    if count > MOST_ISSUERS {
        let (count, most) = (count as i64, MOST_ISSUERS as i64);
        errors.push(FieldError::too_many("jwt", count, most));
        return (Vec::new(), errors);
    }
    let mut seen: [Vec<&str>; 2] = Default::default();
    let mut issuers = Vec::new();
    for at in all.items() {
        issuers.extend(issuer(&at, own, &mut errors));
        let given = at.field("issuer");
        for (field, seen) in ["url", "discoveryURL"].into_iter().zip(&mut seen) {
            let url = given.text(field);
            if seen.contains(&url) && !(url.is_empty() && field == "discoveryURL") {
                errors.push(FieldError::duplicate(given.field(field).path, url));
            }
            seen.push(url);
        }
    }
    let anonymous = &config["anonymous"];
    let conditions = anonymous["conditions"].as_array();
    if !anonymous.is_null()
        && anonymous["enabled"] != true
        && conditions.is_some_and(|list| !list.is_empty())
    {
        let why = "enabled should be set to true when conditions are defined";
        let given = anonymous["conditions"].clone();
        errors.push(FieldError::invalid("anonymous.conditions", given, why));
    }
    (issuers, errors)
}

/// None where something is wrong, which is said then.
fn issuer(at: &At<'_>, own: &[String], errors: &mut Errors) -> Option<Issuer> {
    let before = errors.len();
    let given = at.field("issuer");
    let url = given.text("url");
    if url.is_empty() {
        errors.push(FieldError::required(given.field("url").path, ""));
    } else {
        check_url(url, own, given.field("url").path, errors);
    }
    let discovery = Some(given.text("discoveryURL")).filter(|url| !url.is_empty());
    if let Some(discovery) = discovery {
        let path = given.field("discoveryURL").path;
        if url.trim_end_matches('/') == discovery.trim_end_matches('/') {
            let why = "discoveryURL must be different from URL";
            errors.push(FieldError::invalid(path.clone(), discovery, why));
        }
        check_url(discovery, &[], path, errors);
    }
    let audiences = audiences(&given, errors);
    let ca = given.text("certificateAuthority");
    let tls = Trust::of_ca(ca.as_bytes().to_vec()).config();
    let tls = tls.map_err(|why| {
        let path = given.field("certificateAuthority").path;
        errors.push(FieldError::invalid(path, "<omitted>", why));
    });
    let egress = given.text("egressSelectorType");
    if !egress.is_empty() {
        let why = "this server dials issuers itself";
        let path = given.field("egressSelectorType").path;
        errors.push(FieldError::invalid(path, egress, why));
    }
    let mappings = mappings(at, errors);
    let (Ok(tls), Some(mappings), true) = (tls, mappings, errors.len() == before) else {
        return None;
    };
    Some(Issuer {
        url: url.to_owned(),
        audiences,
        algorithms: ALGORITHMS.map(|(_, algorithm)| algorithm).to_vec(),
        mappings,
        keys: IssuerKeys::new(url, discovery, tls),
    })
}

fn check_url(url: &str, disallowed: &[String], path: String, errors: &mut Errors) {
    let mut wrong = |why: String| errors.push(FieldError::invalid(path.clone(), url, why));
    if disallowed.iter().any(|own| own == url) {
        wrong(format!(
            "URL must not overlap with disallowed issuers: [{}]",
            disallowed.join(" ")
        ));
    }
    let (bare, fragment) = url.split_once('#').unwrap_or((url, ""));
    let parsed: Uri = match bare.parse() {
        Ok(parsed) => parsed,
        Err(error) => return wrong(error.to_string()),
    };
    if parsed.scheme_str() != Some("https") {
        wrong("URL scheme must be https".to_owned());
    }
    if parsed
        .authority()
        .is_some_and(|host| host.as_str().contains('@'))
    {
        wrong("URL must not contain a username or password".to_owned());
    }
    if parsed.query().is_some_and(|query| !query.is_empty()) {
        wrong("URL must not contain a query".to_owned());
    }
    if !fragment.is_empty() {
        wrong("URL must not contain a fragment".to_owned());
    }
}

fn audiences(given: &At<'_>, errors: &mut Errors) -> Vec<String> {
    let at = given.field("audiences");
    let mut found: Vec<String> = Vec::new();
    for audience in at.items() {
        let text = audience.value.as_str().unwrap_or_default();
        if text.is_empty() {
            errors.push(FieldError::required(audience.path, ""));
        } else if found.iter().any(|known| known == text) {
            errors.push(FieldError::duplicate(audience.path, text));
        }
        found.push(text.to_owned());
    }
    let policy = given.text("audienceMatchPolicy");
    let why = match (found.len(), policy) {
        (0, _) => {
            let why = format!("at least one {} is required", at.path);
            errors.push(FieldError::required(at.path, why));
            return found;
        }
        (_, "MatchAny") | (1, "") => return found,
        (1, _) => "audienceMatchPolicy must be empty or MatchAny for single audience",
        _ => "audienceMatchPolicy must be MatchAny for multiple audiences",
    };
    let path = given.field("audienceMatchPolicy").path;
    errors.push(FieldError::invalid(path, policy, why));
    found
}

fn mappings(at: &At<'_>, errors: &mut Errors) -> Option<Mappings> {
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

fn compiled(
    at: &At<'_>,
    field: &str,
    compile: impl Fn(&str) -> Result<triad_cel::check::Checked, String>,
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
fn of_claims(wanted: Type) -> impl Fn(&str) -> Result<triad_cel::check::Checked, String> {
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
    let mut wrong = |why: String| errors.push(FieldError::invalid(path, key, why));
    if key.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let Some((domain, rest)) = key
        .split_once('/')
        .filter(|(domain, rest)| !domain.is_empty() && !rest.is_empty())
    else {
        wrong("must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned());
        return;
    };
    for why in names::dns1123_subdomain(domain) {
        wrong(why);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:@/".contains(c);
    if !rest.chars().all(fits) {
        wrong(format!(
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+'): {rest}"
        ));
    }
    if key != key.to_lowercase() {
        wrong("must be lowercase".to_owned());
    }
    let within = |home: &str| domain == home || domain.ends_with(&format!(".{home}"));
    if within("kubernetes.io") || within("k8s.io") {
        wrong(
            "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use".to_owned(),
        );
    }
}

fn claim_rules(at: &At<'_>, errors: &mut Errors) -> (Vec<(String, String)>, Vec<Rule>) {
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

fn user_rules(at: &At<'_>, errors: &mut Errors) -> Vec<Rule> {
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
    compile: impl Fn(&str) -> Result<triad_cel::check::Checked, String>,
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
