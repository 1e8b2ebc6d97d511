//! Flow schemas and priority levels (pkg/apis/flowcontrol/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{formats, go_value};
use crate::names;
use crate::status::FieldError;

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "proxy",
    "update",
    "watch",
];
const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of a hash that hands of queues are dealt from.
const HASH_BITS: u32 = 60;

pub(crate) fn schema(object: &At<'_>, errors: &mut Errors) {
    let (spec, name) = (
        object.get("spec"),
        object.get("metadata").get("name").text(),
    );
    let precedence = spec.get("matchingPrecedence");
    if precedence.int() <= 0 {
        errors.invalid_int(&precedence, "must be a positive value");
    }
    if precedence.int() > PRECEDENCE_MAX {
        errors.invalid_int(
            &precedence,
            format!("must not be greater than {PRECEDENCE_MAX}"),
        );
    }
    if precedence.int() == 1 && name != "exempt" {
        errors.invalid_int(
            &precedence,
            "only the schema named 'exempt' may have matchingPrecedence 1",
        );
    }
    let method = spec.get("distinguisherMethod");
    if method.given() && !matches!(method.get("type").text(), "ByNamespace" | "ByUser") {
        let shown = go_value::internal("flowcontrol/v1.FlowDistinguisherMethod", method.value);
        errors.0.push(FieldError::not_supported(
            method.get("type").path,
            shown,
            &["ByNamespace", "ByUser"],
        ));
    }
    let level = spec.get("priorityLevelConfiguration").get("name");
    if level.empty() {
        errors.required(&level, "must reference a priority level");
    } else {
        formats::subdomain(&level, errors);
    }
    for rule in spec.get("rules").items() {
        rules(&rule, errors);
    }
    conditions(&object.get("status"), errors);
}

fn rules(at: &At<'_>, errors: &mut Errors) {
    let (subjects, resources, others) = (
        at.get("subjects"),
        at.get("resourceRules"),
        at.get("nonResourceRules"),
    );
    if subjects.empty() {
        errors.required(&subjects, "subjects must contain at least one value");
    }
    for subject in subjects.items() {
        self::subject(&subject, errors);
    }
    if resources.empty() && others.empty() {
        errors.required(
            at,
            "at least one of resourceRules and nonResourceRules has to be non-empty",
        );
    }
    for rule in resources.items() {
        verbs(&rule.get("verbs"), errors);
        named(&rule.get("apiGroups"), "api group", errors);
        named(&rule.get("resources"), "resource", errors);
        namespaces(&rule, errors);
    }
    for rule in others.items() {
        verbs(&rule.get("verbs"), errors);
        urls(&rule.get("nonResourceURLs"), errors);
    }
}

fn subject(at: &At<'_>, errors: &mut Errors) {
    const KINDS: &[(&str, &str)] = &[
        ("ServiceAccount", "serviceAccount"),
        ("User", "user"),
        ("Group", "group"),
    ];
    let kind = at.get("kind");
    let Some((_, own)) = KINDS.iter().find(|(name, _)| *name == kind.text()) else {
        return errors.unsupported(&kind, &["Group", "ServiceAccount", "User"]);
    };
    let given = at.get(own);
    if !given.given() {
        errors.required(
            &given,
            &format!("{own} is required when subject kind is '{}'", kind.text()),
        );
    } else {
        let name = given.get("name");
        if errors.need(&name) && *own == "serviceAccount" && name.text() != "*" {
            formats::subdomain(&name, errors);
        }
        if *own == "serviceAccount" {
            let namespace = given.get("namespace");
            if namespace.empty() {
                errors.required(&namespace, "must specify namespace for service account");
            } else {
                formats::label(&namespace, errors);
            }
        }
    }
    for (name, field) in KINDS.iter().filter(|(_, field)| field != own) {
        if at.get(field).given() {
            errors.forbidden(
                &at.get(field),
                format!("{field} is forbidden when subject kind is not '{name}'"),
            );
        }
    }
}

fn verbs(at: &At<'_>, errors: &mut Errors) {
    let list = at.strings();
    if list.is_empty() {
        errors.required(at, "verbs must contain at least one value");
    } else if list.contains(&"*") {
        if list.len() > 1 {
            errors.invalid(at, "if '*' is present, must not specify other verbs");
        }
    } else if !list.iter().all(|verb| VERBS.contains(verb)) {
        errors
            .0
            .push(FieldError::not_supported(&at.path, at.value.clone(), VERBS));
    }
}

fn named(at: &At<'_>, what: &str, errors: &mut Errors) {
    if at.empty() {
        errors.required(
            at,
            &format!("resource rules must supply at least one {what}"),
        );
    } else if at.count() > 1 && at.strings().contains(&"*") {
        errors.invalid(
            at,
            format!("if '*' is present, must not specify other {what}s"),
        );
    }
}

fn namespaces(rule: &At<'_>, errors: &mut Errors) {
    let at = rule.get("namespaces");
    if at.empty() {
        if !rule.get("clusterScope").yes() {
            errors.required(
                &at,
                "resource rules that are not cluster scoped must supply at least one namespace",
            );
        }
    } else if at.strings().contains(&"*") {
        if at.count() > 1 {
            errors.invalid(&at, "if '*' is present, must not specify other namespaces");
        }
    } else {
        for namespace in at.items() {
            for problem in names::dns1123_label(namespace.text()) {
                errors.invalid(
                    &namespace,
                    format!("each member of this list must be '*' or a DNS-1123 label; {problem}"),
                );
            }
        }
    }
}

fn urls(at: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return errors.required(at, "nonResourceURLs must contain at least one value");
    }
    if at.strings().contains(&"*") {
        if at.count() > 1 {
            errors.invalid(
                at,
                "if '*' is present, must not specify other non-resource URLs",
            );
        }
        return;
    }
    for url in at.items() {
        let path = url.text();
        let stars = path.matches('*').count();
        if path.is_empty() {
            errors.invalid(&url, "must not be empty");
        } else if path == "/" {
        } else if !path.starts_with('/') {
            errors.invalid(&url, "must start with slash");
        } else if path.contains(' ') {
            errors.invalid(&url, "must not contain white-space");
        } else if path.contains("//") {
            errors.invalid(&url, "must not contain double slash");
        } else if stars > 1 || (stars == 1 && !path.ends_with("/*")) {
            errors.invalid(&url, "wildcard can only do suffix matching");
        }
    }
}

pub(crate) fn conditions(status: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for condition in status.get("conditions").items() {
        let kind = condition.get("type");
        if !seen.insert(kind.text()) {
            errors.duplicate(&kind);
        }
        errors.need(&kind);
    }
}

pub(crate) fn level(object: &At<'_>, errors: &mut Errors) {
    let (spec, name) = (
        object.get("spec"),
        object.get("metadata").get("name").text(),
    );
    let (kind, exempt, limited) = (spec.get("type"), spec.get("exempt"), spec.get("limited"));
    if (name == "exempt") != (kind.text() == "Exempt") {
        errors.invalid(&kind, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match kind.text() {
        "Exempt" => shares(&exempt, errors),
        "Limited" if limited.given() => self::limited(&limited, errors),
        "Limited" | "" => {}
        _ => errors.unsupported(&kind, &["Exempt", "Limited"]),
    }
    conditions(&object.get("status"), errors);
}

fn shares(at: &At<'_>, errors: &mut Errors) {
    if at.get("nominalConcurrencyShares").int() < 0 {
        errors.invalid(
            &at.get("nominalConcurrencyShares"),
            "must be a non-negative integer",
        );
    }
    lendable(at, errors);
}

fn lendable(at: &At<'_>, errors: &mut Errors) {
    errors.in_range(&at.get("lendablePercent"), 0, 100);
}

fn limited(at: &At<'_>, errors: &mut Errors) {
    if at.get("nominalConcurrencyShares").int() < 0 {
        errors.invalid(
            &at.get("nominalConcurrencyShares"),
            "must be a non-negative integer",
        );
    }
    let response = at.get("limitResponse");
    let (kind, queuing) = (response.get("type"), response.get("queuing"));
    match kind.text() {
        "Queue" if queuing.given() => self::queuing(&queuing, errors),
        "Queue" | "Reject" | "" => {}
        _ => errors.unsupported(&kind, &["Queue", "Reject"]),
    }
    lendable(at, errors);
    if at.get("borrowingLimitPercent").int() < 0 {
        errors.invalid(
            &at.get("borrowingLimitPercent"),
            "if specified, must be a non-negative integer",
        );
    }
}

fn queuing(at: &At<'_>, errors: &mut Errors) {
    let (length, queues, hand) = (
        at.get("queueLengthLimit"),
        at.get("queues"),
        at.get("handSize"),
    );
    if length.int() <= 0 {
        errors.invalid_int(&length, "must be positive");
    }
    if queues.int() <= 0 {
        errors.invalid_int(&queues, "must be positive");
    } else if queues.int() > QUEUES_MAX {
        errors.invalid_int(&queues, format!("must not be greater than {QUEUES_MAX}"));
    }
    let entropy = || {
        (0..hand.int())
            .map(|i| ((queues.int() - i) as f64).log2())
            .sum::<f64>()
            .ceil()
    };
    if hand.int() <= 0 {
        errors.invalid_int(&hand, "must be positive");
    } else if hand.int() > queues.int() {
        errors.invalid_int(
            &hand,
            format!("should not be greater than queues ({})", queues.int()),
        );
    } else if hand.int() > i64::from(HASH_BITS) || entropy() > f64::from(HASH_BITS) {
        let why = format!(
            "required entropy bits of deckSize {} and handSize {} should not be greater than {HASH_BITS}",
            queues.int(),
            hand.int()
        );
        errors.invalid_int(&hand, why);
    }
}
