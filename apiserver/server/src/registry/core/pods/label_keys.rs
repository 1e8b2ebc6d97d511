//! Affinity and spread terms that name labels of the pod itself: the values go into the selectors when the pod is made
//! (kubernetes pkg/registry/core/pod/strategy.go).

use serde_json::{Map, Value, json};

const AFFINITIES: [&str; 2] = ["podAffinity", "podAntiAffinity"];

pub(super) fn merge(pod: &mut Value) {
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.cloned().unwrap_or_default();
    for kind in AFFINITIES {
        let Some(affinity) = pod.pointer_mut(&format!("/spec/affinity/{kind}")) else {
            continue;
        };
        for term in list(affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = term.get_mut("podAffinityTerm") {
                extend(term, &labels);
            }
        }
        for term in list(affinity, "requiredDuringSchedulingIgnoredDuringExecution") {
            extend(term, &labels);
        }
    }
    if let Some(spec) = pod.get_mut("spec") {
        for constraint in list(spec, "topologySpreadConstraints") {
            extend(constraint, &labels);
        }
    }
}

fn list<'a>(of: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    let list = of.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// Adds a requirement for each named label that the pod has. A term without a selector selects nothing, and stays so.
fn extend(term: &mut Value, labels: &Map<String, Value>) {
    if term.get("labelSelector").is_none() {
        return;
    }
    for (keys, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        let named = term.get(keys).and_then(Value::as_array).cloned();
        for key in named.into_iter().flatten() {
            let Some(value) = key.as_str().and_then(|key| labels.get(key)) else {
                continue;
            };
            let requirement = json!({"key": key, "operator": operator, "values": [value]});
            let expressions = term.pointer("/labelSelector/matchExpressions");
            let mut expressions = expressions
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            expressions.push(requirement);
            term["labelSelector"]["matchExpressions"] = expressions.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_own_labels_become_requirements() {
        let mut pod = json!({"metadata": {"labels": {"app": "a", "hash": "h"}}, "spec": {
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "a"}}, "matchLabelKeys": ["hash", "none"], "mismatchLabelKeys": ["app"]}]}},
            "topologySpreadConstraints": [{"labelSelector": {}, "matchLabelKeys": ["hash"]}, {"matchLabelKeys": ["hash"]}]}});
        merge(&mut pod);
        let term = &pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            [0];
        let hash = json!({"key": "hash", "operator": "In", "values": ["h"]});
        let app = json!({"key": "app", "operator": "NotIn", "values": ["a"]});
        assert_eq!(
            term["labelSelector"]["matchExpressions"],
            json!([hash, app])
        );
        let spread = &pod["spec"]["topologySpreadConstraints"];
        assert_eq!(
            spread[0]["labelSelector"]["matchExpressions"],
            json!([hash])
        );
        assert_eq!(spread[1].get("labelSelector"), None);
    }
}
