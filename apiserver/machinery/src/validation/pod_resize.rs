//! What a resize may change (pkg/apis/core/validation/validation.go, ValidatePodResize): amounts of CPU and memory of containers
//! and of the pod as a whole, none of which goes away.

use serde_json::Value;

use super::at::{At, Errors};
use super::pods::{self, Settings};
use super::same;
use crate::pod_quality;

const LISTS: [&str; 2] = ["containers", "initContainers"];
const ONLY: &str = "only cpu and memory resources are mutable";

pub(crate) fn resize(pod: &At<'_>, old: &At<'_>, settings: &Settings, errors: &mut Errors) {
    pods::metadata_and_spec(pod, settings, errors);
    if let Some(whose) = never(old) {
        errors.0.clear();
        return errors.forbidden(&At::absent("[]"), format!("{whose} pods cannot be resized"));
    }
    let (spec, before) = (pod.get("spec"), old.get("spec"));
    let class = match old.get("status").get("qosClass").text() {
        "" => pod_quality::of(old.value),
        class => class,
    };
    if class != pod_quality::of(pod.value) {
        errors.invalid_value(
            &spec,
            pod.get("status").get("qosClass").text(),
            "Pod QOS Class may not change as a result of resizing",
        );
    }
    if !supported(old) {
        errors.forbidden(&spec, "Pod running on node without support for resize");
    }
    let mut masked = spec.value.clone();
    if states(&before) || states(&spec) {
        whole(&spec, &before, &mut masked, errors);
    }
    if !in_order(&spec, &before, errors) {
        return;
    }
    for list in ["initContainers", "containers"] {
        for (now, then) in spec.get(list).items().zip(before.get(list).items()) {
            let (now, then) = (now.get("resources"), then.get("resources"));
            kept(&now, &then, "resource ", errors);
        }
    }
    containers(&spec, &before, &mut masked, errors);
    if !same(&masked["volumes"], before.get("volumes").value) {
        errors.forbidden(
            &spec.get("volumes"),
            "volumes are immutable on resize when InPlacePodVerticalScalingMemoryBackedVolumes feature gate is disabled",
        );
    }
    if errors.0.is_empty() && !same(&masked, before.value) {
        errors.forbidden(&spec, ONLY);
    }
}

/// Pods that are never resized.
fn never(old: &At<'_>) -> Option<&'static str> {
    let annotations = old.get("metadata").get("annotations");
    if annotations.get("kubernetes.io/config.mirror").given() {
        return Some("static");
    }
    let system = old.get("spec").get("os").get("name");
    (system.text() == "windows").then_some("windows")
}

/// A node that can resize says what a running container has.
fn supported(old: &At<'_>) -> bool {
    let statuses = old.get("status").get("containerStatuses");
    let running = statuses
        .items()
        .find(|status| status.get("state").get("running").given());
    running.is_none_or(|status| status.get("resources").given())
}

/// Whether a pod states resources of its own.
fn states(spec: &At<'_>) -> bool {
    let own = spec.get("resources");
    ["requests", "limits"]
        .iter()
        .any(|kind| !own.get(kind).entries().is_empty())
}

/// The pod's own resources (validatePodLevelResourcesResize).
fn whole(spec: &At<'_>, before: &At<'_>, masked: &mut Value, errors: &mut Errors) {
    let (now, then) = (spec.get("resources"), before.get("resources"));
    if then.given() && !now.given() {
        return errors.forbidden(&now, "pod-level resources cannot be removed");
    }
    if then.given() {
        kept(&now, &then, "pod-level resource ", errors);
    }
    mask(&mut masked["resources"], &then);
    if !same(&masked["resources"], then.value) {
        errors.forbidden(
            spec,
            "only cpu and memory resources are mutable at pod-level",
        );
    }
}

/// No resource that was asked for goes away.
fn kept(now: &At<'_>, then: &At<'_>, what: &str, errors: &mut Errors) {
    for kind in ["requests", "limits"] {
        let (now, then) = (now.get(kind), then.get(kind));
        let mut asked = then.entries().into_iter();
        if asked.any(|(resource, _)| !now.get(resource).given()) {
            errors.forbidden(&now, format!("{what}{kind} cannot be removed"));
        }
    }
}

/// Whether the containers are the stored ones, in their order (validatePodResizeContainerOrdering).
fn in_order(spec: &At<'_>, before: &At<'_>, errors: &mut Errors) -> bool {
    let found = errors.0.len();
    for list in LISTS {
        let (now, then) = (spec.get(list), before.get(list));
        if now.count() != then.count() {
            errors.forbidden(
                &now,
                format!("{list} may not be added or removed on resize"),
            );
            continue;
        }
        for (now, then) in now.items().zip(then.items()) {
            if now.get("name").text() != then.get("name").text() {
                errors.forbidden(
                    &now.get("name"),
                    format!("{list} may not be renamed or reordered on resize"),
                );
            }
        }
    }
    errors.0.len() == found
}

/// Amounts of CPU and memory as they were stored, so that what else changed shows.
fn mask(resources: &mut Value, then: &At<'_>) {
    for kind in ["requests", "limits"] {
        for resource in ["cpu", "memory"] {
            resources[kind][resource] = then.get(kind).get(resource).value.clone();
        }
    }
}

fn containers(spec: &At<'_>, before: &At<'_>, masked: &mut Value, errors: &mut Errors) {
    for list in LISTS {
        for (i, then) in before.get(list).items().enumerate() {
            let container = &mut masked[list][i];
            let at = spec.get(list).index(i);
            let changed = !same(at.value, then.value);
            mask(&mut container["resources"], &then.get("resources"));
            let other = !same(container, then.value);
            if list == "containers" {
                if other {
                    errors.forbidden(spec, ONLY);
                }
                continue;
            }
            if other {
                errors.forbidden(
                    &at,
                    "only cpu and memory resources for init or sidecar containers are mutable",
                );
            }
            if changed && at.get("restartPolicy").text() != "Always" {
                restarted(&at, errors);
            }
        }
    }
}

/// A container that runs once cannot be started again for more resources.
fn restarted(container: &At<'_>, errors: &mut Errors) {
    let policies = container.get("resizePolicy");
    for policy in policies.items() {
        if policy.get("restartPolicy").text() == "RestartContainer" {
            errors.forbidden(
                container,
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(cpu: &str) -> Value {
        json!({"metadata": {"name": "a", "namespace": "n"}, "status": {"qosClass": "Burstable"}, "spec": {
            "containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
                "resources": {"requests": {"cpu": cpu}}}],
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30}})
    }

    fn said(change: impl Fn(&mut Value, &mut Value)) -> Vec<String> {
        let (mut new, mut old) = (pod("2"), pod("1"));
        change(&mut new, &mut old);
        let mut errors = Errors::default();
        resize(
            &At::root(&new),
            &At::root(&old),
            &Settings::default(),
            &mut errors,
        );
        errors.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_amount_changes_where_the_node_can_do_that() {
        assert_eq!(said(|_, _| {}), Vec::<String>::new());
        let running =
            |resources: Value| json!([{"state": {"running": {}}, "resources": resources}]);
        let with = |statuses: Value| {
            said(move |_, old| old["status"]["containerStatuses"] = statuses.clone())
        };
        assert_eq!(with(running(json!({}))), Vec::<String>::new());
        assert_eq!(
            with(json!([{"state": {"running": {}}}])),
            ["spec: Forbidden: Pod running on node without support for resize"]
        );
    }

    #[test]
    fn nothing_else_changes() {
        let only = "spec: Forbidden: only cpu and memory resources are mutable";
        assert_eq!(
            said(|new, _| new["spec"]["containers"][0]["image"] = "j".into()),
            [only]
        );
        assert_eq!(
            said(|new, _| new["spec"]["containers"][0]["resources"] =
                json!({"limits": {"cpu": "1"}, "requests": {"memory": "1"}})),
            [
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"
            ]
        );
        assert_eq!(
            said(|new, _| new["spec"]["containers"][0]["name"] = "d".into()),
            [
                "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"
            ]
        );
        assert_eq!(
            said(|_, old| old["metadata"]["annotations"] =
                json!({"kubernetes.io/config.mirror": "x"})),
            ["[]: Forbidden: static pods cannot be resized"]
        );
    }

    #[test]
    fn the_pod_as_a_whole_is_resized_like_its_containers() {
        let own = |cpu: &str| json!({"requests": {"cpu": cpu}});
        let change = |new: Value, old: Value| {
            said(move |pod, before| {
                pod["spec"]["resources"] = new.clone();
                before["spec"]["resources"] = old.clone();
            })
        };
        assert_eq!(change(own("3"), own("2")), Vec::<String>::new());
        assert_eq!(
            change(Value::Null, own("2")),
            ["spec.resources: Forbidden: pod-level resources cannot be removed"]
        );
    }
}
