//! The quality of service that a pod's resources ask for (kubernetes pkg/apis/core/helper/qos).

use crate::quantity::Quantity;
use serde_json::Value;

/// The resources that count.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// By the pod's own resources where it states any, else by those of its containers.
pub fn of(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    if let Some(own) = spec.get("resources").filter(|own| pod_level(own)) {
        return asked(own);
    }
    let mut classes = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| spec.get(list)?.as_array())
        .flatten()
        .map(|container| asked(container.get("resources").unwrap_or(&Value::Null)));
    let Some(first) = classes.next() else {
        return "BestEffort";
    };
    if classes.all(|class| class == first) {
        first
    } else {
        "Burstable"
    }
}

/// Whether a pod states resources that it can have as a whole.
fn pod_level(resources: &Value) -> bool {
    let named = |kind: &str| {
        let amounts = resources.get(kind).and_then(Value::as_object);
        amounts.is_some_and(|amounts| {
            let mut names = amounts.keys();
            names.any(|name| COUNTED.contains(&name.as_str()) || name.starts_with("hugepages-"))
        })
    };
    named("requests") || named("limits")
}

fn asked(resources: &Value) -> &'static str {
    let amount = |kind: &str, resource: &str| {
        let text = resources.get(kind)?.get(resource)?.as_str()?;
        let quantity = Quantity::parse(text).ok()?;
        (!quantity.is_zero()).then_some(quantity)
    };
    let classes =
        COUNTED.map(
            |resource| match (amount("requests", resource), amount("limits", resource)) {
                (None, None) => "BestEffort",
                (request, Some(limit))
                    if request.as_ref().is_none_or(|request| *request == limit) =>
                {
                    "Guaranteed"
                }
                _ => "Burstable",
            },
        );
    if classes[0] == classes[1] {
        classes[0]
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(resources: &[Value]) -> &'static str {
        let containers = resources
            .iter()
            .map(|resources| json!({"resources": resources}));
        of(&json!({"spec": {"containers": containers.collect::<Vec<_>>()}}))
    }

    #[test]
    fn classes_follow_from_requests_and_limits() {
        let same = json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}});
        assert_eq!(class(std::slice::from_ref(&same)), "Guaranteed");
        assert_eq!(class(&[json!({})]), "BestEffort");
        assert_eq!(class(&[same.clone(), json!({})]), "Burstable");
        assert_eq!(class(&[json!({"limits": {"cpu": "1"}})]), "Burstable");
        assert_eq!(class(&[json!({"requests": {"cpu": "0"}})]), "BestEffort");
    }

    #[test]
    fn the_pods_own_resources_come_first() {
        let resources = json!({"requests": {"cpu": "1"}});
        let pod = json!({"spec": {"resources": resources, "containers": [{"name": "c"}]}});
        assert_eq!(of(&pod), "Burstable");
    }
}
