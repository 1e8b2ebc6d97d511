//! What a resize may change: resources of containers and how they are resized, the pod's own resources; everything else stays
//! (kubernetes pkg/registry/core/pod/strategy.go).

use crate::registry::before::replace_from;
use serde_json::Value;
use triad_machinery::defaults::fill_pod_level;

/// The spec after a resize. None: the containers are not the stored ones, which validation refuses as it stands.
pub(super) fn spec(object: &Value, old: &Value) -> Option<Value> {
    let (new, stored) = (&object["spec"], &old["spec"]);
    let mut spec = stored.clone();
    // An older client does not know the pod's own resources.
    if new.get("resources").is_some() {
        replace_from(&mut spec, new, "resources");
    }
    for list in ["containers", "initContainers"] {
        let (asked, kept) = (containers(new, list), containers(stored, list));
        if asked.len() != kept.len() {
            return None;
        }
        if asked.is_empty() {
            continue;
        }
        let named = |container: &Value| container.get("name").cloned();
        let same = asked.iter().map(named).eq(kept.iter().map(named));
        spec[list] = if same {
            let resized = asked
                .iter()
                .zip(kept)
                .map(|(asked, kept)| resized(asked, kept));
            resized.collect()
        } else {
            new[list].clone()
        };
    }
    if let Some(spec) = spec.as_object_mut() {
        fill_pod_level(spec);
    }
    Some(spec)
}

fn containers<'a>(spec: &'a Value, list: &str) -> &'a [Value] {
    let list = spec.get(list).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn resized(asked: &Value, kept: &Value) -> Value {
    let mut container = kept.clone();
    for field in ["resources", "resizePolicy"] {
        replace_from(&mut container, asked, field);
    }
    container
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(containers: Value) -> Value {
        json!({"spec": {"nodeName": "n", "containers": containers}})
    }

    #[test]
    fn nothing_but_resources_changes() {
        let old = pod(json!([{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}]));
        let new = pod(json!([{"name": "c", "image": "j", "resources": {"limits": {"cpu": "2"}}}]));
        let wanted =
            pod(json!([{"name": "c", "image": "i", "resources": {"limits": {"cpu": "2"}}}]));
        assert_eq!(spec(&new, &old), Some(wanted["spec"].clone()));
    }

    #[test]
    fn other_containers_are_left_to_validation() {
        let old = pod(json!([{"name": "c"}]));
        assert_eq!(
            spec(&pod(json!([{"name": "c"}, {"name": "d"}])), &old),
            None
        );
        let renamed = pod(json!([{"name": "d"}]));
        assert_eq!(spec(&renamed, &old), Some(renamed["spec"].clone()));
    }
}
