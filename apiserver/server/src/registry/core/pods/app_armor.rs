//! AppArmor profiles that a pod still names in annotations go into the fields that took their place (kubernetes
//! pkg/registry/core/pod/strategy.go).

use serde_json::{Value, json};
use triad_machinery::meta;

const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Longest profile name, a path's length.
const LOCAL_MAX: usize = 4095;

/// Gives containers without a profile the one that their annotation names.
pub(super) fn fill(pod: &mut Value) {
    if on_windows(pod) {
        return;
    }
    let of_pod = pod
        .pointer("/spec/securityContext/appArmorProfile")
        .cloned();
    let annotated: Vec<(String, Value)> = meta::annotations(pod)
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), profile(value)?)))
        .filter(|(_, profile)| Some(profile) != of_pod.as_ref())
        .collect();
    for list in LISTS {
        let containers = pod.pointer_mut(&format!("/spec/{list}"));
        let containers = containers.and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let named = |(name, _): &&(String, Value)| container["name"] == name.as_str();
            if let Some((_, profile)) = annotated.iter().find(named)
                && container
                    .pointer("/securityContext/appArmorProfile")
                    .is_none()
            {
                container["securityContext"]["appArmorProfile"] = profile.clone();
            }
        }
    }
}

/// Annotations that say what the fields do not, or that nothing could be made of.
pub(super) fn warnings(pod: &Value) -> Vec<String> {
    if on_windows(pod) {
        return Vec::new();
    }
    let of_pod = pod.pointer("/spec/securityContext/appArmorProfile");
    let containers = LISTS.iter().flat_map(|list| {
        let list = pod
            .pointer(&format!("/spec/{list}"))
            .and_then(Value::as_array);
        list.into_iter().flatten()
    });
    let told = containers.filter_map(|container| {
        let key = format!("{PREFIX}{}", container["name"].as_str()?);
        let asked = profile(meta::annotation(pod, &key)?);
        let own = container.pointer("/securityContext/appArmorProfile");
        // A profile of the pod that says the same is as good; a container's own that differs was there before.
        let quiet = match (&asked, own) {
            (Some(asked), None) => of_pod == Some(asked),
            (Some(asked), Some(own)) => asked != own,
            (None, own) => own.is_some(),
        };
        (!quiet).then(|| format!("metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"))
    });
    told.collect()
}

fn on_windows(pod: &Value) -> bool {
    pod.pointer("/spec/os/name")
        .is_some_and(|os| os == "windows")
}

/// The profile that an annotation names; none where it is not one.
fn profile(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        other => {
            let name = other.strip_prefix("localhost/")?;
            let fits = !name.is_empty() && name.trim() == name && name.len() <= LOCAL_MAX;
            fits.then(|| json!({"type": "Localhost", "localhostProfile": name}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_become_fields() {
        let mut pod = json!({"metadata": {"annotations": {
                "container.apparmor.security.beta.kubernetes.io/a": "localhost/p",
                "container.apparmor.security.beta.kubernetes.io/b": "nonsense"}},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}});
        fill(&mut pod);
        let containers = &pod["spec"]["containers"];
        let wanted = json!({"type": "Localhost", "localhostProfile": "p"});
        assert_eq!(containers[0]["securityContext"]["appArmorProfile"], wanted);
        assert_eq!(containers[1].get("securityContext"), None);
        assert_eq!(warnings(&pod).len(), 2);
    }
}
