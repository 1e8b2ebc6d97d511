//! Requests that a pod does not state: a container's come from its limits, the pod's own from its containers and its limits. The
//! pod's own are filled in when it is stored, after admission (kubernetes pkg/api/pod/util.go, DefaultPodLevelResources).

use serde_json::{Key, Map, Value, json};

use super::core::objects;
use crate::quantity::Quantity;

type Object = Map<String, Value>;

/// Fills requests of a pod's containers.
pub(super) fn fill(spec: &mut Object) {
    for list in ["containers", "initContainers"] {
        objects(spec.get_mut(list))
            .filter_map(|c| c.get_mut("resources")?.as_object_mut())
            .for_each(requests_from_limits);
    }
}

/// Fills requests and limits of the pod itself, where it states any.
pub fn fill_pod_level(spec: &mut Object) {
    let stated = ["requests", "limits"].iter().any(|kind| {
        let own = spec.get("resources").and_then(|own| own.get(kind));
        own.and_then(Value::as_object)
            .is_some_and(|own| !own.is_empty())
    });
    if stated {
        huge_page_limits(spec);
        pod_requests(spec);
        pod_limits(spec);
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

/// A resource that the pod requests and every container limits is limited: to what the containers may have together, or to what
/// the pod requests where that is more.
fn pod_limits(spec: &mut Object) {
    let sums = aggregate(spec, "limits");
    let requests = spec.get("resources").and_then(|own| own.get("requests"));
    let Some(Value::Object(requests)) = requests.cloned() else {
        return;
    };
    let limited = |resource: &str| {
        let lists = ["containers", "initContainers"].iter();
        let mut all = lists
            .filter_map(|list| spec.get(*list)?.as_array())
            .flatten();
        all.all(|container| {
            let limits = container.get("resources").and_then(|own| own.get("limits"));
            limits.is_some_and(|limits| limits.get(resource).is_some())
        })
    };
    let limits: Vec<(Key, Value)> = requests
        .into_iter()
        .filter(|(resource, _)| is_pod_level(resource) && limited(resource))
        .filter_map(|(resource, request)| {
            let sum = sums.get(&resource)?.clone();
            let amount = |value: &Value| Quantity::parse(value.as_str()?).ok();
            let more = amount(&request)? > amount(&sum)?;
            Some((resource, if more { request } else { sum }))
        })
        .collect();
    if let Some(Value::Object(own)) = spec.get_mut("resources") {
        for (resource, limit) in limits {
            put(own, "limits", resource, limit);
        }
    }
}

fn put(resources: &mut Object, list: &str, resource: Key, amount: Value) {
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
struct Amounts(Vec<(Key, Quantity)>);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(own: Value, containers: Value) -> Value {
        let mut spec = json!({"resources": own, "containers": containers});
        if let Some(spec) = spec.as_object_mut() {
            fill_pod_level(spec);
        }
        spec["resources"].take()
    }

    fn limited(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}})
    }

    #[test]
    fn a_pod_is_limited_where_all_its_containers_are() {
        let both = json!([limited("400m"), limited("400m")]);
        assert_eq!(
            filled(json!({"requests": {"cpu": "100m"}}), both.clone()),
            json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "800m"}})
        );
        assert_eq!(
            filled(json!({"requests": {"cpu": "1"}}), both),
            json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}})
        );
        assert_eq!(
            filled(json!({"requests": {"cpu": "1"}}), json!([limited("1"), {}])),
            json!({"requests": {"cpu": "1"}})
        );
    }

    #[test]
    fn a_pod_that_states_nothing_gets_nothing() {
        assert_eq!(filled(json!({}), json!([limited("1")])), json!({}));
    }
}
