//! Requests that a pod does not state: a container's come from its limits, the pod's own from its containers and its limits.

use serde_json::{Map, Value, json};

use super::core::objects;
use crate::quantity::Quantity;

type Object = Map<String, Value>;

/// Fills requests and limits of a pod's containers and of the pod itself.
pub(super) fn fill(spec: &mut Object) {
    for list in ["containers", "initContainers"] {
        objects(spec.get_mut(list))
            .filter_map(|c| c.get_mut("resources")?.as_object_mut())
            .for_each(requests_from_limits);
    }
    if spec.get("resources").is_some_and(Value::is_object) {
        huge_page_limits(spec);
        pod_requests(spec);
    }
}

fn requests_from_limits(resources: &mut Object) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else {
        return;
    };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    if let Value::Object(requests) = requests {
        for (resource, amount) in limits {
            requests.entry(resource).or_insert(amount);
        }
    }
}

fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-")
}

fn huge_page_limits(spec: &mut Object) {
    let sums = aggregate(spec, "limits");
    let Some(Value::Object(own)) = spec.get_mut("resources") else {
        return;
    };
    if !own.contains_key("limits") && !own.contains_key("requests") {
        return;
    }
    for (resource, amount) in sums
        .into_iter()
        .filter(|(r, _)| r.starts_with("hugepages-"))
    {
        if own
            .get("requests")
            .is_none_or(|r| r.get(&resource).is_none())
        {
            put(own, "limits", resource, amount);
        }
    }
}

fn pod_requests(spec: &mut Object) {
    let sums = aggregate(spec, "requests");
    let Some(Value::Object(own)) = spec.get_mut("resources") else {
        return;
    };
    for (resource, amount) in sums
        .into_iter()
        .filter(|(r, _)| matches!(r.as_str(), "cpu" | "memory"))
    {
        put(own, "requests", resource, amount);
    }
    if let Some(Value::Object(limits)) = own.get("limits").cloned() {
        for (resource, amount) in limits.into_iter().filter(|(r, _)| is_pod_level(r)) {
            put(own, "requests", resource, amount);
        }
    }
}

fn put(resources: &mut Object, list: &str, resource: String, amount: Value) {
    let amounts = resources.entry(list).or_insert_with(|| json!({}));
    if let Value::Object(amounts) = amounts {
        amounts.entry(resource).or_insert(amount);
    }
}

/// What all containers need at once: the running ones together, or an init container beside the sidecars started before it.
fn aggregate(spec: &Object, list: &str) -> Object {
    let containers = |name: &str| {
        spec.get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let mut total = Amounts::default();
    containers("containers")
        .iter()
        .for_each(|c| total.add(c, list));
    let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
    for container in containers("initContainers") {
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            total.add(container, list);
            sidecars.add(container, list);
            peak.raise(&sidecars);
        } else {
            let mut beside = sidecars.clone();
            beside.add(container, list);
            peak.raise(&beside);
        }
    }
    total.raise(&peak);
    total
        .0
        .into_iter()
        .map(|(resource, amount)| (resource, amount.to_string().into()))
        .collect()
}

#[derive(Clone, Default)]
struct Amounts(Vec<(String, Quantity)>);

impl Amounts {
    fn add(&mut self, container: &Value, list: &str) {
        let Some(Value::Object(amounts)) = container.get("resources").and_then(|r| r.get(list))
        else {
            return;
        };
        for (resource, amount) in amounts {
            let Some(Ok(amount)) = amount.as_str().map(Quantity::parse) else {
                continue;
            };
            match self.0.iter_mut().find(|(r, _)| r == resource) {
                Some((_, sum)) => sum.add(&amount),
                None => self.0.push((resource.clone(), amount)),
            }
        }
    }

    fn raise(&mut self, other: &Amounts) {
        for (resource, amount) in &other.0 {
            match self.0.iter_mut().find(|(r, _)| r == resource) {
                Some((_, own)) if *own < *amount => *own = amount.clone(),
                Some(_) => {}
                None => self.0.push((resource.clone(), amount.clone())),
            }
        }
    }
}
