//! Small rules on pods, all off unless they are asked for: AlwaysPullImages, ExtendedResourceToleration,
//! LimitPodHardAntiAffinityTopology (kubernetes plugin/pkg/admission, a folder each).

use super::{Attributes, Operation, Plugin, Seen, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use triad_machinery::pod::{CONTAINER_LISTS, containers, items};
use triad_machinery::status::{FieldError, Status};

/// Images are pulled again for every pod, so that nobody runs what others were allowed to pull.
pub(super) struct AlwaysPullImages;

impl Plugin for AlwaysPullImages {
    fn name(&self) -> &'static str {
        "AlwaysPullImages"
    }

    fn admit(&self, attributes: &Attributes, pod: &mut Value, old: Seen<'_>) -> Verdict {
        if !brings_images(attributes, pod, old) {
            return Ok(());
        }
        for list in CONTAINER_LISTS {
            let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                container["imagePullPolicy"] = json!("Always");
            }
        }
        let volumes = pod["spec"].get_mut("volumes").and_then(Value::as_array_mut);
        for image in volumes
            .into_iter()
            .flatten()
            .filter_map(|volume| volume.get_mut("image"))
        {
            image["pullPolicy"] = json!("Always");
        }
        Ok(())
    }

    /// Whoever changes a pod afterwards may not take it back.
    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        let Some(pod) = object.filter(|pod| brings_images(attributes, pod, old)) else {
            return Ok(());
        };
        for list in CONTAINER_LISTS {
            for (at, container) in items(&pod["spec"][list]).enumerate() {
                always(attributes, pod, &container["imagePullPolicy"], || {
                    format!("spec.{list}[{at}].imagePullPolicy")
                })?;
            }
        }
        for (at, volume) in items(&pod["spec"]["volumes"]).enumerate() {
            if let Some(image) = volume.get("image") {
                always(attributes, pod, &image["pullPolicy"], || {
                    format!("spec.volumes[{at}].image.pullPolicy")
                })?;
            }
        }
        Ok(())
    }
}

fn always(
    attributes: &Attributes,
    pod: &Value,
    policy: &Value,
    path: impl Fn() -> String,
) -> Result<(), Status> {
    if policy == "Always" {
        return Ok(());
    }
    let error = FieldError::not_supported(path(), policy.as_str().unwrap_or_default(), &["Always"]);
    Err(attributes.forbidden(Some(pod), error))
}

/// A pod is made, or changed so that it has an image that it had not.
fn brings_images(attributes: &Attributes, pod: &Value, old: Option<&Value>) -> bool {
    if !attributes.is_whole("", "pods") {
        return false;
    }
    let images = |pod: &Value| -> BTreeSet<String> {
        let images = containers(&pod["spec"]).filter_map(|container| container["image"].as_str());
        images.map(str::to_owned).collect()
    };
    old.is_none_or(|old| !images(pod).is_subset(&images(old)))
}

/// A pod that asks for a device tolerates the nodes that are set aside for it.
pub(super) struct ExtendedResourceToleration;

impl Plugin for ExtendedResourceToleration {
    fn name(&self) -> &'static str {
        "ExtendedResourceToleration"
    }

    fn admit(&self, attributes: &Attributes, pod: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.is_whole("", "pods") || attributes.operation == Operation::Delete {
            return Ok(());
        }
        let mut resources = BTreeSet::new();
        for container in ["initContainers", "containers"]
            .iter()
            .flat_map(|list| items(&pod["spec"][*list]))
        {
            let requests = container
                .pointer("/resources/requests")
                .and_then(Value::as_object);
            let names = requests.into_iter().flat_map(|requests| requests.keys());
            resources.extend(names.filter(|name| is_extended(name)).cloned());
        }
        let mut tolerations: Vec<Value> = items(&pod["spec"]["tolerations"]).cloned().collect();
        let before = tolerations.len();
        for resource in resources {
            let wanted = json!({"key": resource, "operator": "Exists", "effect": "NoSchedule"});
            if !tolerations.contains(&wanted) {
                tolerations.push(wanted);
            }
        }
        if tolerations.len() > before {
            pod["spec"]["tolerations"] = tolerations.into();
        }
        Ok(())
    }
}

/// Of somebody's domain, and not of Kubernetes' own.
fn is_extended(name: &str) -> bool {
    let domain = name.split_once('/').map(|(domain, _)| domain);
    domain.is_some_and(|domain| !domain.ends_with("kubernetes.io"))
        && !name.starts_with("requests.")
}

/// Pods keep others away from a node at most, not from a whole zone.
pub(super) struct LimitPodHardAntiAffinityTopology;

impl Plugin for LimitPodHardAntiAffinityTopology {
    fn name(&self) -> &'static str {
        "LimitPodHardAntiAffinityTopology"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        const HOST: &str = "kubernetes.io/hostname";
        let Some(pod) = object.filter(|_| attributes.is_whole("", "pods")) else {
            return Ok(());
        };
        let terms = &pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let mut keys = items(terms).map(|term| term["topologyKey"].as_str().unwrap_or(""));
        match keys.find(|key| *key != HOST) {
            None => Ok(()),
            Some(key) => Err(attributes.forbidden(
                object,
                format!("affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only key {HOST} is allowed"),
            )),
        }
    }
}
