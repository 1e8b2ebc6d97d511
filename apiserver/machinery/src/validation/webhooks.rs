//! Webhook configurations, and the rules that say which requests a webhook or policy sees
//! (pkg/apis/admissionregistration/validation/validation.go, apiserver pkg/util/webhook/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::expressions::{Before, Expressions};
use super::{formats, selectors};
use crate::names;

pub(crate) const FAILURE: &[&str] = &["Fail", "Ignore"];
pub(crate) const MATCH: &[&str] = &["Equivalent", "Exact"];
pub(crate) const REINVOCATION: &[&str] = &["IfNeeded", "Never"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const REVIEWS: &[&str] = &["v1", "v1beta1"];
const CONDITIONS_MAX: usize = 64;

pub(crate) fn configuration(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let hooks = object.get("webhooks");
    let kept = old.map(|old| old.get("webhooks"));
    let unchanged = kept.as_ref().is_some_and(|kept| {
        kept.count() == hooks.count()
            && kept.items().zip(hooks.items()).all(|(old, new)| {
                old.get("matchConditions").value == new.get("matchConditions").value
            })
    });
    let before = kept
        .iter()
        .flat_map(At::items)
        .map(|hook| Before::of(&hook.get("matchConditions"), "expression"))
        .fold(Before::default(), Before::and);
    let mut seen = HashSet::new();
    for hook in hooks.items() {
        webhook(&hook, errors);
        if !unchanged {
            match_conditions(&hook.get("matchConditions"), &before, false, errors);
        }
        review_versions(&hook.get("admissionReviewVersions"), errors);
        let name = hook.get("name");
        if !name.empty() && !seen.insert(name.text()) {
            errors.duplicate(&name);
        }
    }
}

fn webhook(at: &At<'_>, errors: &mut Errors) {
    full_name(&at.get("name"), errors);
    for rule in at.get("rules").items() {
        rule_with_operations(&rule, errors);
    }
    set(&at.get("failurePolicy"), FAILURE, errors);
    set(&at.get("matchPolicy"), MATCH, errors);
    let effects = at.get("sideEffects");
    if !effects.given() {
        errors.required(&effects, "must specify one of None, NoneOnDryRun");
    }
    set(&effects, SIDE_EFFECTS, errors);
    let timeout = at.get("timeoutSeconds");
    if timeout.given() && !(1..=30).contains(&timeout.int()) {
        errors.invalid(
            &timeout,
            "the timeout value must be between 1 and 30 seconds",
        );
    }
    selectors::label_selector(&at.get("namespaceSelector"), errors);
    selectors::label_selector(&at.get("objectSelector"), errors);
    set(&at.get("reinvocationPolicy"), REINVOCATION, errors);
    let client = at.get("clientConfig");
    match (client.get("url").given(), client.get("service").given()) {
        (true, false) => url(&client.get("url"), errors),
        (false, true) => service(&client.get("service"), errors),
        _ => errors.required(&client, "exactly one of url or service is required"),
    }
}

/// One of a closed set, where given.
pub(crate) fn set(at: &At<'_>, known: &[&str], errors: &mut Errors) {
    if at.given() {
        errors.one_of(at, known);
    }
}

/// A name of at least three parts.
fn full_name(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    let problems = names::dns1123_subdomain(at.text());
    if problems.is_empty() && at.text().split('.').count() < 3 {
        errors.invalid(
            at,
            "should be a domain with at least three segments separated by dots",
        );
    }
    errors.each(at, problems);
}

fn review_versions(at: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return errors.required(at, "must specify one of v1, v1beta1");
    }
    let mut seen = HashSet::new();
    for version in at.items() {
        if !seen.insert(version.text()) {
            errors.invalid(&version, "duplicate version");
            continue;
        }
        errors.each(&version, names::dns1035_label(version.text()));
    }
    if !at.strings().iter().any(|version| REVIEWS.contains(version)) {
        errors.invalid(at, "must include at least one of v1, v1beta1");
    }
}

/// Operations and what they are done to.
pub(crate) fn rule_with_operations(at: &At<'_>, errors: &mut Errors) {
    let operations = at.get("operations");
    errors.need(&operations);
    alone(&operations, "operations", errors);
    for operation in operations.items() {
        errors.one_of(&operation, OPERATIONS);
    }
    let (groups, versions) = (at.get("apiGroups"), at.get("apiVersions"));
    errors.need(&groups);
    alone(&groups, "API groups", errors);
    errors.need(&versions);
    alone(&versions, "API versions", errors);
    for version in versions.items() {
        errors.need(&version);
    }
    resources(&at.get("resources"), errors);
    set(&at.get("scope"), &["*", "Cluster", "Namespaced"], errors);
}

fn alone(at: &At<'_>, what: &str, errors: &mut Errors) {
    if at.count() > 1 && at.strings().contains(&"*") {
        errors.invalid(
            at,
            format!("if '*' is present, must not specify other {what}"),
        );
    }
}

fn resources(at: &At<'_>, errors: &mut Errors) {
    errors.need(at);
    let (mut whole, mut subs) = (HashSet::new(), HashSet::new());
    let mut plain = false;
    for entry in at.items() {
        let text = entry.text();
        if !errors.need(&entry) {
            continue;
        }
        let Some((resource, sub)) = text.split_once('/') else {
            plain = text != "*";
            continue;
        };
        if whole.contains(resource) {
            errors.invalid(
                &entry,
                format!("if '{resource}/*' is present, must not specify {text}"),
            );
        }
        if subs.contains(sub) {
            errors.invalid(
                &entry,
                format!("if '*/{sub}' is present, must not specify {text}"),
            );
        }
        if sub == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            subs.insert(sub);
        }
    }
    let all = at.strings();
    if all.len() > 1 && all.contains(&"*/*") {
        errors.invalid(at, "if '*/*' is present, must not specify other resources");
    }
    if all.contains(&"*") && plain {
        errors.invalid(
            at,
            "if '*' is present, must not specify other resources without subresources",
        );
    }
}

/// `params`: expressions may refer to a policy's parameters.
pub(super) fn match_conditions(at: &At<'_>, before: &Before, params: bool, errors: &mut Errors) {
    let expressions = Expressions::plain(params);
    if at.count() > CONDITIONS_MAX {
        errors.too_many(at, at.count(), CONDITIONS_MAX);
    }
    let mut seen = HashSet::new();
    for condition in at.items() {
        let (name, expression) = (condition.get("name"), condition.get("expression"));
        if expression.text().trim().is_empty() {
            errors.required(&expression, "");
        } else {
            expressions.condition(&expression, before, errors);
        }
        if errors.need(&name) {
            formats::label_key(&name, errors);
            if !seen.insert(name.text()) {
                errors.duplicate(&name);
            }
        }
    }
}

/// `https://host[/path]`, with nothing else in it.
pub(crate) fn url(at: &At<'_>, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (rest, fragment) = at.text().split_once('#').unwrap_or((at.text(), ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", rest.strip_prefix("//").map_or("", |rest| rest)),
    };
    if at.text().contains(|c: char| c.is_ascii_control())
        || (scheme.is_empty() && at.text().split('/').next().is_some_and(|p| p.contains(':')))
    {
        let quoted = crate::goformat::quote(at.text());
        let why = if at.text().contains(|c: char| c.is_ascii_control()) {
            "net/url: invalid control character in URL"
        } else {
            "first path segment in URL cannot contain colon"
        };
        return errors.required(
            at,
            &format!("url must be a valid URL: parse {quoted}: {why}{FORM}"),
        );
    }
    let authority = rest.split('/').next().unwrap_or("");
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut refuse = |shown: &str, why: String| errors.invalid_value(at, shown, why);
    if scheme != "https" {
        refuse(
            scheme,
            format!("'https' is the only allowed URL scheme{FORM}"),
        );
    }
    if host.is_empty() {
        refuse(host, format!("host must be specified{FORM}"));
    }
    if !user.is_empty() {
        refuse(user, "user information is not permitted in the URL".into());
    }
    if !fragment.is_empty() {
        refuse(fragment, "fragments are not permitted in the URL".into());
    }
    if !query.is_empty() {
        refuse(
            query,
            "query parameters are not permitted in the URL".into(),
        );
    }
}

/// A service of the cluster; upstream takes the two names for each other, so the paths of their errors are swapped.
pub(crate) fn service(at: &At<'_>, errors: &mut Errors) {
    if at.get("namespace").empty() {
        errors.required(&at.get("name"), "");
    }
    if at.get("name").empty() {
        errors.required(&at.get("namespace"), "");
    }
    let port = at.get("port");
    let problems = formats::port(port.int());
    if !problems.is_empty() {
        errors.invalid_int(&port, format!("port is not valid: {}", problems.join(", ")));
    }
    let path = at.get("path");
    if matches!(path.text(), "" | "/") {
        return;
    }
    if path.text() == "//" {
        return errors.invalid(&path, "segment[0] may not be empty");
    }
    if !path.text().starts_with('/') {
        errors.invalid(&path, "must start with a '/'");
    }
    let mut first = path.text().chars();
    first.next();
    let steps = first.as_str();
    for (i, step) in steps
        .strip_suffix('/')
        .unwrap_or(steps)
        .split('/')
        .enumerate()
    {
        if step.is_empty() {
            errors.invalid(&path, format!("segment[{i}] may not be empty"));
            continue;
        }
        for problem in names::dns1123_subdomain(step) {
            errors.invalid(&path, format!("segment[{i}]: {problem}"));
        }
    }
}
