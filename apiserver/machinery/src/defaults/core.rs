//! The core group's rules that the table cannot say: pods, containers, volumes, services, namespaces, limit ranges.

use serde_json::{Map, Value, json};

use super::image::pull_policy;
use super::{Context, pod_resources};

type Object = Map<String, Value>;

/// Rules for pods only, not for the pods of templates.
pub(super) fn pod(pod: &mut Object, _: &Context<'_>) {
    // What the table says of a pod made its spec.
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    pod_resources::fill(spec);
    if spec
        .get("terminationGracePeriodSeconds")
        .and_then(Value::as_i64)
        .is_some_and(|s| s < 0)
    {
        spec.set("terminationGracePeriodSeconds", 1.into());
    }
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            objects(spec.get_mut(list)).for_each(|container| {
                objects(container.get_mut("ports")).for_each(host_port);
            });
        }
    }
}

/// On the host's network a container's port is the host's.
fn host_port(port: &mut Object) {
    if let (None, Some(number)) = (port.get("hostPort"), port.get("containerPort")) {
        let number = number.clone();
        port.set("hostPort", number);
    }
}

/// serviceAccount is the old name of serviceAccountName: both say the same.
pub(super) fn pod_spec(spec: &mut Object, _: &Context<'_>) {
    let name = spec
        .get("serviceAccountName")
        .or_else(|| spec.get("serviceAccount"))
        .cloned();
    for field in ["serviceAccountName", "serviceAccount"] {
        if let Some(name) = name.as_ref().filter(|name| spec.get(field) != Some(name)) {
            spec.set(field, name.clone());
        }
    }
}

/// podIP is the first of podIPs.
pub(super) fn pod_status(status: &mut Object, _: &Context<'_>) {
    let first = status
        .get("podIPs")
        .and_then(|ips| ips.get(0)?.get("ip"))
        .cloned();
    match (status.get("podIP").cloned(), first) {
        (Some(ip), first) if first.as_ref() != Some(&ip) => {
            status.set("podIPs", json!([{ "ip": ip }]));
        }
        (None, Some(first)) => {
            status.set("podIP", first);
        }
        _ => {}
    }
}

pub(super) fn container(container: &mut Object, _: &Context<'_>) {
    if !container.contains_key("imagePullPolicy") {
        let policy = pull_policy(text(container, "image"));
        container.set("imagePullPolicy", policy.into());
    }
}

/// A volume without a source is an empty directory.
pub(super) fn volume(volume: &mut Object, _: &Context<'_>) {
    if volume.keys().all(|key| key == "name") {
        volume.set("emptyDir", json!({}));
    }
    if let Some(Value::Object(image)) = volume.get_mut("image")
        && !image.contains_key("pullPolicy")
    {
        let policy = pull_policy(text(image, "reference"));
        image.set("pullPolicy", policy.into());
    }
}

pub(super) fn service(service: &mut Object, _: &Context<'_>) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    match text(spec, "sessionAffinity") {
        "None" => drop(spec.shift_remove("sessionAffinityConfig")),
        "ClientIP" => {
            let config = spec.get("sessionAffinityConfig");
            if config
                .and_then(|c| c.get("clientIP")?.get("timeoutSeconds"))
                .is_none()
            {
                let config = json!({ "clientIP": { "timeoutSeconds": 10_800 } });
                spec.set("sessionAffinityConfig", config);
            }
        }
        _ => {}
    }
    objects(spec.get_mut("ports")).for_each(target_port);
    if text(spec, "type") == "LoadBalancer" {
        let ingress = service
            .get_mut("status")
            .and_then(|s| s.get_mut("loadBalancer")?.get_mut("ingress"));
        for point in objects(ingress).filter(|p| p.contains_key("ip")) {
            point.entry("ipMode").or_insert_with(|| "VIP".into());
        }
    }
}

fn target_port(port: &mut Object) {
    if matches!(
        port.get("targetPort").map(Value::as_str),
        None | Some(Some(""))
    ) && let Some(number) = port.get("port").cloned()
    {
        port.set("targetPort", number);
    }
}

/// Namespaces carry their name as a label.
pub(super) fn namespace(namespace: &mut Object, _: &Context<'_>) {
    let Some(metadata) = namespace.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(name) = metadata.get("name").cloned() else {
        return;
    };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if let Value::Object(labels) = labels {
        labels.set("kubernetes.io/metadata.name", name);
    }
}

/// Limits for containers: `default` from `max`, `defaultRequest` from `default`, then from `min`.
pub(super) fn limit_range_item(item: &mut Object, _: &Context<'_>) {
    if text(item, "type") != "Container" {
        return;
    }
    for (to, from) in [
        ("default", "max"),
        ("defaultRequest", "default"),
        ("defaultRequest", "min"),
    ] {
        let Some(Value::Object(source)) = item.get(from).cloned() else {
            continue;
        };
        let target = item.entry(to).or_insert_with(|| json!({}));
        if let Value::Object(target) = target {
            for (resource, amount) in source {
                target.entry(resource).or_insert(amount);
            }
        }
    }
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or("")
}

/// The objects of a list that may be absent.
pub(super) fn objects(list: Option<&mut Value>) -> impl Iterator<Item = &mut Object> {
    list.and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}
