//! Horizontal pod autoscalers and disruption budgets (pkg/apis/autoscaling/validation, pkg/apis/policy/validation).

use super::at::{At, Errors};
use super::{formats, go_value, resources, selectors, workloads};
use crate::names;

const SOURCES: &[&str] = &[
    "ContainerResource",
    "External",
    "Object",
    "Pods",
    "Resource",
];
const PERIOD_MAX: i64 = 1800;
const WINDOW_MAX: i64 = 3600;

pub(crate) fn autoscaler(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (min, max) = (spec.get("minReplicas"), spec.get("maxReplicas"));
    if min.int() < 0 {
        errors.invalid(&min, formats::NEGATIVE);
    }
    if max.int() == 0 {
        errors.required(&max, "must be set and greater than 0");
    } else if max.int() < 0 {
        errors.invalid(&max, "must be greater than or equal to 1");
    }
    if min.given() && max.int() < min.int() {
        errors.invalid_int(&max, "must be greater than or equal to `minReplicas`");
    }
    reference(&spec.get("scaleTargetRef"), true, errors);
    let metrics = spec.get("metrics");
    for metric in metrics.items() {
        metric_spec(&metric, errors);
    }
    let outside = |metric: At<'_>| matches!(metric.get("type").text(), "Object" | "External");
    if min.given() && min.int() == 0 && !metrics.items().any(outside) {
        errors.forbidden(&metrics, "must specify at least one Object or External metric to support scaling to zero replicas");
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = spec.get("behavior").get(direction);
        if rules.given() {
            scaling_rules(&rules, errors);
        }
    }
}

fn reference(at: &At<'_>, need_group: bool, errors: &mut Errors) {
    for field in ["kind", "name"] {
        if errors.need(&at.get(field)) {
            errors.each(&at.get(field), names::path_segment(at.get(field).text()));
        }
    }
    let version = at.get("apiVersion");
    if version.text().matches('/').count() > 1 {
        errors.invalid(
            &version,
            format!("unexpected GroupVersion string: {}", version.text()),
        );
    } else if need_group && !version.text().contains('/') {
        errors.invalid(&version, "apiVersion must specify API group");
    }
}

fn scaling_rules(at: &At<'_>, errors: &mut Errors) {
    let (window, select, policies) = (
        at.get("stabilizationWindowSeconds"),
        at.get("selectPolicy"),
        at.get("policies"),
    );
    if window.int() < 0 {
        errors.invalid(&window, "must be greater than or equal to zero");
    }
    if window.int() > WINDOW_MAX {
        errors.invalid(
            &window,
            format!("must be less than or equal to {WINDOW_MAX}"),
        );
    }
    if select.given() {
        errors.one_of(&select, &["Disabled", "Max", "Min"]);
    }
    if policies.empty() {
        errors.required(&policies, "must specify at least one Policy");
    }
    for policy in policies.items() {
        errors.one_of(&policy.get("type"), &["Percent", "Pods"]);
        errors.positive(&policy.get("value"));
        let period = policy.get("periodSeconds");
        errors.positive(&period);
        if period.int() > PERIOD_MAX {
            errors.invalid(
                &period,
                format!("must be less than or equal to {PERIOD_MAX}"),
            );
        }
    }
    let tolerance = at.get("tolerance");
    if tolerance.quantity().sign() < 0 {
        errors.invalid(&tolerance, formats::NEGATIVE);
    }
}

fn metric_spec(at: &At<'_>, errors: &mut Errors) {
    let kind = at.get("type");
    if kind.empty() {
        errors.required(&kind, "must specify a metric source type");
    }
    errors.one_of(&kind, SOURCES);
    let fields = [
        "object",
        "external",
        "pods",
        "resource",
        "containerResource",
    ];
    let given: Vec<&str> = fields
        .into_iter()
        .filter(|field| at.get(field).given())
        .collect();
    if let Some(first) = given.first() {
        source(first, &at.get(first), errors);
    }
    let expected = match kind.text() {
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        "External" => "external",
        "ContainerResource" => "containerResource",
        _ => {
            errors.unsupported(&kind, SOURCES);
            ""
        }
    };
    if !expected.is_empty() && !at.get(expected).given() {
        errors.required(
            &at.get(expected),
            "must populate information for the given metric source",
        );
    }
    if given.len() != 1 {
        for other in given.iter().filter(|field| **field != expected) {
            errors.forbidden(&at.get(other), "must populate the given metric source only");
        }
    }
}

fn source(kind: &str, at: &At<'_>, errors: &mut Errors) {
    let target = at.get("target");
    let (value, average, utilization) = (
        target.get("value"),
        target.get("averageValue"),
        target.get("averageUtilization"),
    );
    match kind {
        "object" => reference(&at.get("describedObject"), false, errors),
        "resource" | "containerResource" => {
            let (name, container) = (at.get("name"), at.get("container"));
            if name.empty() {
                errors.required(&name, "must specify a resource name");
            } else if kind == "containerResource" {
                resources::container_name(&name, name.text(), errors);
            }
            if kind == "containerResource" {
                if container.empty() {
                    errors.required(&container, "must specify a container");
                } else {
                    formats::label(&container, errors);
                }
            }
        }
        _ => {}
    }
    if !kind.to_lowercase().ends_with("resource") {
        let name = at.get("metric").get("name");
        if name.empty() {
            errors.required(&name, "must specify a metric name");
        } else {
            errors.each(&name, names::path_segment(name.text()));
        }
    }
    metric_target(&target, errors);
    match kind {
        "object" if !value.given() && !average.given() => {
            errors.required(&average, "must set either a target value or averageValue")
        }
        "external" if !value.given() && !average.given() => errors.required(
            &average,
            "must set either a target value for metric or a per-pod target",
        ),
        "external" if value.given() && average.given() => errors.forbidden(
            &value,
            "may not set both a target value for metric and a per-pod target",
        ),
        "pods" if !average.given() => {
            errors.required(&average, "must specify a positive target averageValue")
        }
        "resource" | "containerResource" => match (utilization.given(), average.given()) {
            (false, false) => errors.required(
                &utilization,
                "must set either a target raw value or a target utilization",
            ),
            (true, true) => errors.forbidden(
                &average,
                "may not set both a target raw value and a target utilization",
            ),
            _ => {}
        },
        _ => {}
    }
}

fn metric_target(at: &At<'_>, errors: &mut Errors) {
    let kind = at.get("type");
    if kind.empty() {
        errors.required(&kind, "must specify a metric target type");
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        let amount = at.get(field);
        if amount.given() && amount.quantity().sign() != 1 {
            errors.invalid(&amount, "must be positive");
        }
    }
    let utilization = at.get("averageUtilization");
    if utilization.given() && utilization.int() < 1 {
        errors.invalid(&utilization, "must be greater than 0");
    }
}

pub(crate) fn autoscaler_status(status: &At<'_>, errors: &mut Errors) {
    for condition in status.get("conditions").items() {
        errors.not_negative(&condition.get("observedGeneration"));
    }
    for field in ["currentReplicas", "desiredReplicas"] {
        errors.not_negative(&status.get(field));
    }
}

pub(crate) fn disruption_budget(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (min, max) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    if min.given() && max.given() {
        let shown = go_value::internal("policy/v1.PodDisruptionBudgetSpec", spec.value);
        errors.invalid_value(
            &spec,
            shown,
            "minAvailable and maxUnavailable cannot be both set",
        );
    }
    for at in [min, max] {
        if at.given() {
            workloads::int_or_percent(&at, errors);
            workloads::at_most_all(&at, errors);
        }
    }
    selectors::label_selector(&spec.get("selector"), errors);
    let policy = spec.get("unhealthyPodEvictionPolicy");
    if policy.given() {
        errors.one_of(&policy, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}

pub(crate) fn disruption_budget_status(status: &At<'_>, errors: &mut Errors) {
    for field in [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ] {
        errors.not_negative(&status.get(field));
    }
}
