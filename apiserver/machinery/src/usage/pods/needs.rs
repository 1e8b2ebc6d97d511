//! What a pod needs at once: its containers together, or an init container beside the sidecars started before it, the
//! pod's own statement over that, and its overhead (component-helpers resource/helpers.go, PodRequests and PodLimits).
//! While a pod is being resized, the larger of what is asked for and what it has counts.

use super::{Amounts, quantity, raised};
use serde_json::Value;

/// What is read of a container: from its spec, or from its status once it has one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Asked,
    Given,
    Running,
}

pub(super) fn requests(pod: &Value) -> Amounts {
    let [asked, given, running] =
        [View::Asked, View::Given, View::Running].map(|view| sum(pod, "requests", view));
    let mut needs = if infeasible(pod) {
        raised(running, &[given])
    } else {
        raised(asked, &[given, running])
    };
    stated(pod, "requests", &mut needs);
    needs.plus(&Amounts::parse(pod.pointer("/spec/overhead")))
}

pub(super) fn limits(pod: &Value) -> Amounts {
    let running = sum(pod, "limits", View::Running);
    let mut needs = if infeasible(pod) {
        running
    } else {
        raised(sum(pod, "limits", View::Asked), &[running])
    };
    stated(pod, "limits", &mut needs);
    // An overhead makes no limit where there is none.
    let limited = needs.clone().without_zeros();
    needs.plus(&Amounts::parse(pod.pointer("/spec/overhead")).only(|name| limited.has(name)))
}

/// Whether the pod states amounts of its own, beside its containers.
pub(super) fn stated_by_pod(pod: &Value) -> bool {
    ["requests", "limits"].iter().any(|list| {
        let stated = Amounts::parse(pod.pointer(&format!("/spec/resources/{list}")));
        stated.names().any(of_pods)
    })
}

fn of_pods(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-")
}

/// Puts what the pod states in the place of what its containers come to.
fn stated(pod: &Value, list: &str, needs: &mut Amounts) {
    let stated = pod
        .pointer(&format!("/spec/resources/{list}"))
        .and_then(Value::as_object);
    for (resource, amount) in stated
        .into_iter()
        .flatten()
        .filter(|(name, _)| of_pods(name))
    {
        if let Some(amount) = quantity(amount) {
            needs.set(resource, amount);
        }
    }
}

/// Whether a resize was asked for that the node cannot give.
fn infeasible(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let text = |condition: &Value, key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    conditions.into_iter().flatten().any(|condition| {
        text(condition, "type").as_deref() == Some("PodResizePending")
            && text(condition, "reason").as_deref() == Some("Infeasible")
    })
}

pub(super) fn containers<'a>(pod: &'a Value, list: &str) -> &'a [Value] {
    let containers = pod.pointer(&format!("/spec/{list}"));
    containers
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// What a pod's containers ask for together (`requests`) or are limited to (`limits`), whatever the pod itself states.
pub fn asked_by_containers(pod: &Value, list: &str) -> Amounts {
    sum(pod, list, View::Asked)
}

fn sum(pod: &Value, list: &str, view: View) -> Amounts {
    let mut together = Amounts::default();
    for container in containers(pod, "containers") {
        together = together.plus(&of_container(pod, container, list, view));
    }
    let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
    for container in containers(pod, "initContainers") {
        let own = of_container(pod, container, list, view);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            together = together.plus(&own);
            sidecars = sidecars.plus(&own);
            peak.raise(&sidecars);
        } else {
            peak.raise(&own.plus(&sidecars));
        }
    }
    together.raise(&peak);
    together
}

fn of_container(pod: &Value, container: &Value, list: &str, view: View) -> Amounts {
    let asked = container
        .get("resources")
        .and_then(|resources| resources.get(list));
    if view == View::Asked {
        return Amounts::parse(asked);
    }
    let status = status(pod, container);
    let running = status
        .and_then(|status| status.get("resources")?.get(list))
        .filter(|_| view == View::Running);
    let given = status
        .and_then(|status| status.get("allocatedResources"))
        .filter(|_| list == "requests");
    let asked = asked.filter(|_| !infeasible(pod));
    Amounts::parse(running.or(given).or(asked))
}

fn status<'a>(pod: &'a Value, container: &Value) -> Option<&'a Value> {
    let name = container.get("name")?;
    ["containerStatuses", "initContainerStatuses"]
        .iter()
        .filter_map(|list| pod.get("status")?.get(list)?.as_array())
        .flatten()
        .find(|status| status.get("name") == Some(name))
}
