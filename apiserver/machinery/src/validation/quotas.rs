//! Limit ranges and resource quotas (pkg/apis/core/validation/validation.go).

use std::collections::BTreeSet;

use super::at::{At, Errors};
use super::{formats, resources};
use crate::names;
use crate::quantity::Quantity;

const TYPES: &[&str] = &["Pod", "Container", "PersistentVolumeClaim"];
const RATIO: &str = "maxLimitRequestRatio";

pub(crate) fn limit_range(object: &At<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for limit in object.get("spec").get("limits").items() {
        let kind = limit.get("type");
        let problems = names::label_key(kind.text());
        if problems.is_empty() && !kind.text().contains('/') && !TYPES.contains(&kind.text()) {
            errors.invalid(&kind, "must be a standard limit type or fully qualified");
        }
        errors.each(&kind, problems);
        if !seen.insert(kind.text()) {
            errors.duplicate(&kind);
        }
        let pod = kind.text() == "Pod";
        for field in ["max", "min", "default", "defaultRequest"] {
            let at = limit.get(field);
            if pod && field.starts_with("default") {
                if !at.empty() {
                    errors.forbidden(&at, "may not be specified when `type` is 'Pod'");
                }
                continue;
            }
            resource_names(&at, kind.text(), errors);
        }
        let storage = |field: &str| limit.get(field).get("storage").given();
        if kind.text() == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
            errors.required(
                &limit.get("limits"),
                "either minimum or maximum storage value is required, but neither was provided",
            );
        }
        resource_names(&limit.get(RATIO), kind.text(), errors);
        let fields = ["max", "min", "default", "defaultRequest", RATIO];
        let keys: BTreeSet<&str> = fields
            .iter()
            .flat_map(|field| limit.get(field).entries())
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            compare(&limit, key, pod, errors);
        }
    }
}

fn resource_names(at: &At<'_>, kind: &str, errors: &mut Errors) {
    for (resource, amount) in at.entries() {
        if matches!(kind, "Pod" | "Container") {
            resources::container_name(&amount, resource, errors);
        } else {
            resources::name(&amount, resource, errors);
        }
    }
}

/// The amounts of one resource against each other.
fn compare(limit: &At<'_>, key: &str, pod: bool, errors: &mut Errors) {
    let of = |field: &str| {
        let at = limit.get(field).key(key);
        let skipped = pod && field.starts_with("default");
        (at.given() && !skipped).then(|| (at.quantity(), at))
    };
    let (min, max, default, request, ratio) = (
        of("min"),
        of("max"),
        of("default"),
        of("defaultRequest"),
        of(RATIO),
    );
    let mut above = |low: &Option<(Quantity, At<'_>)>,
                     high: &Option<(Quantity, At<'_>)>,
                     place: &str,
                     shown: usize,
                     what: [&str; 2]| {
        if let (Some((low, low_at)), Some((high, high_at))) = (low, high)
            && low > high
        {
            let value = if shown == 0 {
                low_at.text()
            } else {
                high_at.text()
            };
            let why = format!(
                "{} {} is greater than {} {}",
                what[0],
                low_at.text(),
                what[1],
                high_at.text()
            );
            errors.invalid_value(&limit.get(place).key(key), value, why);
        }
    };
    above(&min, &max, "min", 0, ["min value", "max value"]);
    above(
        &min,
        &request,
        "defaultRequest",
        1,
        ["min value", "default request value"],
    );
    above(
        &request,
        &max,
        "defaultRequest",
        0,
        ["default request value", "max value"],
    );
    above(
        &request,
        &default,
        "defaultRequest",
        0,
        ["default request value", "default limit value"],
    );
    above(&min, &default, "default", 0, ["min value", "default value"]);
    above(&default, &max, "default", 1, ["default value", "max value"]);
    if let Some((ratio, at)) = &ratio {
        if *ratio < Quantity::from_int(1, crate::quantity::Format::DecimalSi) {
            errors.invalid(at, format!("ratio {} is less than 1", at.text()));
        }
        if let (Some((min, _)), Some((max, _))) = (&min, &max) {
            let most = max.milli_value() as f64 / min.milli_value() as f64;
            if ratio.milli_value() as f64 / 1000.0 > most {
                errors.invalid(
                    at,
                    format!("ratio {} is greater than max/min = {most:.6}", at.text()),
                );
            }
        }
    }
    if let (Some((default, default_at)), Some((request, at))) = (&default, &request) {
        let promised_once = resources::is_huge_page(key) || resources::is_extended(key);
        if promised_once && default != request {
            errors.invalid(
                at,
                format!(
                    "default value {} must equal to defaultRequest value {} in {key}",
                    default_at.text(),
                    at.text()
                ),
            );
        }
    }
}

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
const COMPUTE: &[&str] = &[
    "pods",
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];
const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

fn is_quota(name: &str) -> bool {
    QUOTA.contains(&name)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
}

/// Whether a scope can be asked of a resource.
fn scope_applies(scope: &str, resource: &str) -> bool {
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => {
            COMPUTE.contains(&resource)
                || resource.starts_with("requests.hugepages-")
                || resource == "ephemeral-storage"
                || resource.ends_with(".ephemeral-storage")
        }
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => {
            matches!(resource, "persistentvolumeclaims" | "requests.storage")
        }
        _ => true,
    }
}

fn amounts(at: &At<'_>, errors: &mut Errors) {
    for (resource, amount) in at.entries() {
        resources::name(&amount, resource, errors);
        if !resource.contains('/') && !is_quota(resource) {
            errors.invalid_value(&amount, resource, "must be a standard resource for quota");
        }
        resources::amount(&amount, resource, errors);
    }
}

pub(crate) fn quota(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (hard, scopes) = (spec.get("hard"), spec.get("scopes"));
    amounts(&hard, errors);
    let limited: Vec<&str> = hard
        .entries()
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| is_quota(key))
        .collect();
    for scope in scopes.strings() {
        if !SCOPES.contains(&scope) {
            errors.invalid(&scopes, "unsupported scope");
        }
        for _ in limited
            .iter()
            .filter(|resource| !scope_applies(scope, resource))
        {
            errors.invalid(&scopes, "unsupported scope applied to resource");
        }
    }
    conflicts(&scopes, &scopes.strings(), errors);
    let selector = spec.get("scopeSelector");
    if selector.given() {
        scope_selector(&selector, &limited, &scopes, errors);
    }
}

fn conflicts(at: &At<'_>, scopes: &[&str], errors: &mut Errors) {
    for pair in [
        ["BestEffort", "NotBestEffort"],
        ["NotTerminating", "Terminating"],
    ] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            errors.invalid_value(at, at.value.clone(), "conflicting scopes");
        }
    }
}

fn scope_selector(selector: &At<'_>, limited: &[&str], scopes: &At<'_>, errors: &mut Errors) {
    let at = selector.get("matchExpressions");
    let mut named = Vec::new();
    for requirement in at.items() {
        let below = |field: &str| {
            requirement
                .get(field)
                .shown_at(format!("{}.{field}", at.path))
        };
        let (scope, operator, values) = (below("scopeName"), below("operator"), below("values"));
        if !SCOPES.contains(&scope.text()) {
            errors.invalid(&scope, "unsupported scope");
        }
        for _ in limited
            .iter()
            .filter(|resource| !scope_applies(scope.text(), resource))
        {
            let shown = super::go_value::internal("core/v1.ScopeSelector", selector.value);
            errors.invalid_value(&at, shown, "unsupported scope applied to resource");
        }
        let plain = matches!(
            scope.text(),
            "BestEffort"
                | "NotBestEffort"
                | "Terminating"
                | "NotTerminating"
                | "CrossNamespacePodAffinity"
        );
        if plain && operator.text() != "Exists" {
            errors.invalid(&operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
        }
        match operator.text() {
            "In" | "NotIn" if values.empty() => errors.required(
                &values,
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
            "Exists" | "DoesNotExist" if !values.empty() => errors.invalid(
                &values,
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&operator, "not a valid selector operator"),
        }
        named.push(scope.text());
    }
    conflicts(scopes, &named, errors);
}

pub(crate) fn quota_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    quota(object, errors);
    let scopes = |at: &At<'_>| -> BTreeSet<String> {
        at.get("spec")
            .get("scopes")
            .strings()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    if scopes(object) != scopes(old) {
        let at = object.get("spec").get("scopes");
        errors.invalid_value(&at, at.value.clone(), formats::IMMUTABLE);
    }
}

pub(crate) fn quota_status(object: &At<'_>, errors: &mut Errors) {
    for field in ["hard", "used"] {
        amounts(&object.get("status").get(field), errors);
    }
}
