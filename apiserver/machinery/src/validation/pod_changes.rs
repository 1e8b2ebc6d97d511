//! Pods written through their subresources: status, resize, ephemeral containers (pkg/apis/core/validation/validation.go).

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::{diff, formats, go_value, pod_update, same};

pub(crate) fn status(pod: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    pod_update::annotations(pod, old, errors);
    let (status, before) = (pod.get("status"), old.get("status"));
    for condition in status.get("conditions").items() {
        if condition.get("observedGeneration").int() < 0 {
            errors.invalid(
                &condition.get("observedGeneration"),
                "must be a non-negative integer",
            );
        }
        if !matches!(
            condition.get("type").text(),
            "PodScheduled" | "Ready" | "Initialized"
        ) {
            formats::label_key(&condition.get_as("type", "Type"), errors);
        }
    }
    if pod.get("spec").get("nodeName").text() != old.get("spec").get("nodeName").text() {
        errors.forbidden(&status.get("nodeName"), "may not be changed directly");
    }
    let (nominated, was) = (
        status.get("nominatedNodeName"),
        before.get("nominatedNodeName"),
    );
    if !nominated.empty() && nominated.text() != was.text() {
        formats::subdomain(&nominated, errors);
        if !old.get("spec").get("nodeName").empty() {
            errors.forbidden(
                &nominated,
                "may not be set on pods that are already bound to a node",
            );
        }
    }
    if status.get("observedGeneration").int() < 0 {
        errors.invalid(
            &status.get("observedGeneration"),
            "must be a non-negative integer",
        );
    }
    errors.immutable(&status.get("qosClass"), &before.get("qosClass"));
    restarts(&status, &before, &old.get("spec"), errors);
    claims(pod, errors);
    addresses(&status, "podIPs", "podIP", errors);
    addresses(&status, "hostIPs", "hostIP", errors);
}

/// A container that ended and is not to run again stays ended (ValidateContainerStateTransition).
fn restarts(status: &At<'_>, before: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let policy = spec.get("restartPolicy").text();
    if policy == "Always" {
        return;
    }
    for (i, was) in before.get("containerStatuses").items().enumerate() {
        let ended = was.get("state").get("terminated");
        if !ended.given() || (policy == "OnFailure" && ended.get("exitCode").int() != 0) {
            continue;
        }
        let name = was.get("name").text();
        let container = spec
            .get("containers")
            .items()
            .find(|c| c.get("name").text() == name);
        if container.is_some_and(|c| c.get("restartPolicy").given()) {
            continue;
        }
        let now = status
            .get("containerStatuses")
            .items()
            .find(|now| now.get("name").text() == name);
        if now.is_some_and(|now| !now.get("state").get("terminated").given()) {
            errors.forbidden(
                &At::absent(&format!("status.containerStatuses[{i}].state")),
                "may not be transitioned to non-terminated state",
            );
        }
    }
}

fn claims(pod: &At<'_>, errors: &mut Errors) {
    let known: HashSet<&str> = pod
        .get("spec")
        .get("resourceClaims")
        .items()
        .map(|claim| claim.get("name").text())
        .collect();
    let mut seen = HashSet::new();
    for claim in pod.get("status").get("resourceClaimStatuses").items() {
        let (name, made) = (claim.get("name"), claim.get("resourceClaimName"));
        if !known.contains(name.text()) {
            errors.invalid(
                &name,
                "must match the name of an entry in `spec.resourceClaims`",
            );
        }
        if !seen.insert(name.text()) {
            errors.duplicate(&name);
        }
        if made.given() {
            formats::subdomain(&made.shown_at(format!("{}.name", claim.path)), errors);
        }
    }
}

fn addresses(status: &At<'_>, list: &str, first: &str, errors: &mut Errors) {
    let (all, one) = (status.get(list), status.get(first));
    let texts: Vec<&str> = all.items().map(|entry| entry.get("ip").text()).collect();
    let pod = list == "podIPs";
    let lead = all.index(0).get("ip");
    let differs = |errors: &mut Errors| {
        if !texts.is_empty() && lead.text() != one.text() {
            errors.invalid(&lead, format!("must be equal to `{first}`"));
        }
    };
    if !pod {
        differs(errors);
    }
    for entry in all.items() {
        formats::ip(&entry.get("ip").shown_at(&entry.path), errors);
    }
    let shown = || {
        all.items()
            .map(|entry| go_value::internal("core/v1.PodIP", entry.value))
            .collect::<Value>()
    };
    let v6 = texts.iter().filter(|text| text.contains(':')).count();
    if texts.len() > 2 || (texts.len() == 2 && v6 != 1) {
        errors.invalid_value(
            &all,
            shown(),
            "may specify no more than one IP for each IP family",
        );
    }
    if pod {
        if one.empty() != texts.is_empty() {
            errors.invalid_value(
                &all,
                if all.given() { shown() } else { Value::Null },
                "podIP and podIPs must either both be set or both be unset",
            );
        } else {
            differs(errors);
        }
    }
}

pub(crate) fn ephemeral_containers(
    pod: &At<'_>,
    old: &At<'_>,
    settings: &Settings,
    errors: &mut Errors,
) {
    pods::metadata_and_spec(pod, settings, errors);
    pod_update::annotations(pod, old, errors);
    let list = pod.get("spec").get("ephemeralContainers");
    for before in old.get("spec").get("ephemeralContainers").items() {
        let name = before.get("name").text();
        let quoted = crate::goformat::quote(name);
        match list
            .items()
            .filter(|now| now.get("name").text() == name)
            .last()
        {
            None => errors.forbidden(
                &list,
                format!("existing ephemeral containers {quoted} may not be removed\n"),
            ),
            Some(now) if !same(now.value, before.value) => {
                let shown =
                    |at: &At<'_>| go_value::internal("core/v1.EphemeralContainer", at.value);
                let difference = diff::unified(&shown(&before), &shown(&now));
                errors.forbidden(
                    &list,
                    format!(
                        "existing ephemeral containers {quoted} may not be changed\n{difference}"
                    ),
                );
            }
            Some(_) => {}
        }
    }
}
