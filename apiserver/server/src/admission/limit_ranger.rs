//! LimitRanger: the limit ranges of a namespace give containers what they do not ask for, and bound what containers, pods and claims
//! ask for (kubernetes plugin/pkg/admission/limitranger).

mod bounds;

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use bounds::{check_claim, check_pod, of_type};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::quantity::Quantity;
use triad_machinery::usage::Amounts;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) struct LimitRanger {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, old: Seen<'_>) -> Verdict {
        if attributes.is("", "pods") && concerns(attributes, old) {
            for limits in self.limits(&attributes.namespace) {
                fill(object, &limits);
            }
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        let Some(object) = object.filter(|_| concerns(attributes, old)) else {
            return Ok(());
        };
        let check = match &*attributes.resource.plural {
            "pods" => check_pod,
            _ => check_claim,
        };
        for limits in self.limits(&attributes.namespace) {
            let wrong = check(object, &limits);
            if !wrong.is_empty() {
                return Err(attributes.forbidden(Some(object), aggregate(wrong)));
            }
        }
        Ok(())
    }
}

/// Containers never change but by a resize. What is being deleted is let go.
fn concerns(attributes: &Attributes, old: Option<&Value>) -> bool {
    if old.is_some_and(|old| !meta::deletion_timestamp(old).is_empty()) {
        return false;
    }
    let (pod, claim) = (
        attributes.is("", "pods"),
        attributes.is("", "persistentvolumeclaims"),
    );
    match (attributes.operation, attributes.subresource.as_str()) {
        (Operation::Create, "") => pod || claim,
        (Operation::Update, "") => claim,
        (Operation::Update, "resize") => pod,
        _ => false,
    }
}

/// As upstream joins several errors: each once, in brackets.
fn aggregate(errors: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    let errors: Vec<String> = errors
        .into_iter()
        .filter(|error| seen.insert(error.clone()))
        .collect();
    match errors.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

impl LimitRanger {
    /// The limits of each range, in the order of the ranges' names. A range that was just made is in the store before it is in
    /// the cache, so an empty cache is believed only when it is level with what was written.
    fn limits(&self, namespace: &str) -> Vec<Vec<Value>> {
        let ranges = &self.lookup.limit_ranges;
        let prefix = ranges.layout.key(namespace, "");
        let cached = ranges.snapshot();
        let mut found: Vec<Value> = cached
            .range(&prefix, None)
            .filter_map(|range| self.lookup.known.object(ranges, range))
            .collect();
        if found.is_empty() && !ranges.is_level(&cached) {
            let end = triad_kv::prefix_end(prefix.as_bytes());
            let stored = self.lookup.store.range(prefix.as_bytes(), &end, None, 0);
            let entries = stored.map(|stored| stored.entries).unwrap_or_default();
            let decoded = entries
                .iter()
                .filter_map(|e| ranges.layout.decode(&e.value, e.mod_revision).ok());
            found.extend(decoded);
        }
        let limits = found.iter_mut().map(|range| range["spec"]["limits"].take());
        limits
            .filter_map(|limits| match limits {
                Value::Array(limits) => Some(limits),
                _ => None,
            })
            .collect()
    }
}

/// Gives containers what they do not ask for, and says so in an annotation.
fn fill(pod: &mut Value, limits: &[Value]) {
    let (mut requests, mut caps) = (Amounts::default(), Amounts::default());
    for limit in of_type(limits, "Container") {
        for (into, from) in [(&mut requests, "defaultRequest"), (&mut caps, "default")] {
            let given = Amounts::parse(limit.get(from));
            for name in given.names() {
                into.set(
                    name,
                    given.get(name).cloned().unwrap_or_else(Quantity::zero),
                );
            }
        }
    }
    let mut said = Vec::new();
    for (list, what) in [
        ("containers", "container"),
        ("initContainers", "init container"),
    ] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (amounts, field, word) in [
                (&requests, "requests", "request"),
                (&caps, "limits", "limit"),
            ] {
                let set = fill_one(&mut container["resources"], field, amounts);
                if !set.is_empty() {
                    said.push(format!("{} {word} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !said.is_empty() {
        let said = format!("LimitRanger plugin set: {}", said.join("; "));
        pod["metadata"]["annotations"][ANNOTATION] = json!(said);
    }
}

/// The names of what was set.
fn fill_one(resources: &mut Value, field: &str, amounts: &Amounts) -> Vec<String> {
    let missing = amounts
        .names()
        .filter(|name| resources[field].get(name).is_none());
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    for name in &missing {
        if let Some(amount) = amounts.get(name) {
            resources[field][name] = json!(amount.to_string());
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    /// Whether there are any is read off the cache where it is level with what was written, and only there.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_range_counts_as_soon_as_it_is_made() {
        let server = Server::start("none").await;
        for i in 0..30 {
            let namespace = format!("n{i}");
            let named = |name: &str| json!({"metadata": {"name": name}});
            server.create("namespaces", "", named(&namespace)).await;
            server
                .create("serviceaccounts", &namespace, named("default"))
                .await;
            let mut pod = named("before");
            pod["spec"] = json!({"containers": [{"name": "c", "image": "i"}]});
            let free = server.create("pods", &namespace, pod.clone()).await;
            assert!(free["spec"]["containers"][0].get("resources").is_none());
            let mut range = named("r");
            range["spec"]["limits"] =
                json!([{"type": "Container", "defaultRequest": {"cpu": "200m"}}]);
            server.create("limitranges", &namespace, range).await;
            pod["metadata"]["name"] = json!("after");
            let filled = server.create("pods", &namespace, pod).await;
            let asked = &filled["spec"]["containers"][0]["resources"]["requests"]["cpu"];
            assert_eq!(*asked, "200m", "{namespace}");
        }
    }

    fn range() -> Vec<Value> {
        vec![
            json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"},
                "default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "200m"}}),
            json!({"type": "Pod", "max": {"cpu": "1500m"}}),
            json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}}),
        ]
    }

    fn pod(resources: Value) -> Value {
        json!({"metadata": {}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    #[test]
    fn what_is_not_asked_for_is_given_and_said() {
        let mut filled = pod(json!({"limits": {"cpu": "300m"}}));
        fill(&mut filled, &range());
        let resources = &filled["spec"]["containers"][0]["resources"];
        assert_eq!(
            *resources,
            json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "300m", "memory": "1Gi"}})
        );
        assert_eq!(
            filled["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container c; memory limit for container c"
        );
        let mut whole =
            pod(json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "1"}}));
        let before = whole.clone();
        fill(&mut whole, &range());
        assert_eq!(whole, before);
    }

    #[test]
    fn bounds_are_held_for_containers_pods_and_claims() {
        let said = |resources: Value| check_pod(&pod(resources), &range());
        let of = |request: &str, limit: &str| {
            said(json!({"requests": {"cpu": request}, "limits": {"cpu": limit}}))
        };
        assert_eq!(of("300m", "1"), [""; 0]);
        assert_eq!(
            of("50m", "100m"),
            ["minimum cpu usage per Container is 100m, but request is 50m"]
        );
        assert_eq!(
            of("100m", "500m"),
            ["cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000"]
        );
        assert_eq!(
            aggregate(of("2", "3")),
            "[maximum cpu usage per Container is 1, but limit is 3, maximum cpu usage per Pod is 1500m, but limit is 3]"
        );
        assert_eq!(
            said(json!({})),
            [
                "minimum cpu usage per Container is 100m.  No request is specified",
                "maximum cpu usage per Container is 1.  No limit is specified",
                "cpu max limit to request ratio per Container is 4, but no request is specified or request is 0",
                "maximum cpu usage per Pod is 1500m.  No limit is specified",
            ]
        );
        let claim = |size: &str| {
            check_claim(
                &json!({"spec": {"resources": {"requests": {"storage": size}}}}),
                &range(),
            )
        };
        assert_eq!(claim("2Gi"), [""; 0]);
        assert_eq!(
            claim("6Gi"),
            ["maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"]
        );
        assert_eq!(
            claim("1M"),
            ["minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1M"]
        );
    }
}
