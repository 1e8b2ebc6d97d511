//! A pod as a tree: its containers, and which objects it uses. What is absent or of another type reads as nothing; nothing is
//! copied but what is returned. Called by whoever judges pods: admission, the node authorizer, quotas.

use crate::meta;
use serde_json::Value;

/// The text in a value.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list.
pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The texts of a list; what else stands in it is passed over.
pub fn texts(list: &Value) -> Vec<String> {
    items(list)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The lists that containers are in, in the order in which upstream walks them (kubernetes pkg/api/v1/pod/util.go).
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// All containers of a pod's spec, of each of the three kinds.
pub fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    CONTAINER_LISTS
        .into_iter()
        .flat_map(|list| items(&spec[list]))
}

/// Whether a kubelet shows what it runs by itself: such a pod must never give anybody anything.
pub fn is_mirror(pod: &Value) -> bool {
    meta::annotation(pod, "kubernetes.io/config.mirror").is_some()
}

/// How a container comes to a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through<'a> {
    /// The variable of this name.
    Variable(&'a str),
    /// All of the secret's keys.
    Source,
}

/// The secrets that the environment of a container is made of.
pub fn secrets_of_container(container: &Value) -> impl Iterator<Item = (Through<'_>, &str)> {
    let variables = items(&container["env"]).map(|variable| {
        let name = &variable["valueFrom"]["secretKeyRef"]["name"];
        (Through::Variable(text(&variable["name"])), name)
    });
    let sources =
        items(&container["envFrom"]).map(|from| (Through::Source, &from["secretRef"]["name"]));
    variables
        .chain(sources)
        .filter_map(|(through, name)| Some((through, name.as_str()?)))
}

/// Volume sources that name a secret of the pod's namespace, and where (kubernetes pkg/api/v1/pod/util.go).
const SECRET_OF_SOURCE: [(&str, &str); 10] = [
    ("azureFile", "/secretName"),
    ("cephfs", "/secretRef/name"),
    ("cinder", "/secretRef/name"),
    ("flexVolume", "/secretRef/name"),
    ("rbd", "/secretRef/name"),
    ("secret", "/secretName"),
    ("scaleIO", "/secretRef/name"),
    ("iscsi", "/secretRef/name"),
    ("storageos", "/secretRef/name"),
    ("csi", "/nodePublishSecretRef/name"),
];

/// The names of the secrets that a pod uses.
pub fn secrets(spec: &Value) -> Vec<&str> {
    let pull = items(&spec["imagePullSecrets"]).map(|secret| text(&secret["name"]));
    let mut names: Vec<&str> = pull.collect();
    names.extend(
        containers(spec)
            .flat_map(secrets_of_container)
            .map(|(_, name)| name),
    );
    for volume in items(&spec["volumes"]) {
        let sources = SECRET_OF_SOURCE
            .iter()
            .filter_map(|(source, at)| volume.get(source)?.pointer(at));
        names.extend(sources.map(text));
        let projected = items(&volume["projected"]["sources"]);
        names.extend(projected.map(|source| text(&source["secret"]["name"])));
    }
    named(names)
}

/// The names of the config maps that a pod uses.
pub fn config_maps(spec: &Value) -> Vec<&str> {
    let mut names = Vec::new();
    for container in containers(spec) {
        names.extend(items(&container["envFrom"]).map(|from| text(&from["configMapRef"]["name"])));
        let variables = items(&container["env"]);
        names.extend(
            variables.map(|variable| text(&variable["valueFrom"]["configMapKeyRef"]["name"])),
        );
    }
    for volume in items(&spec["volumes"]) {
        names.push(text(&volume["configMap"]["name"]));
        let projected = items(&volume["projected"]["sources"]);
        names.extend(projected.map(|source| text(&source["configMap"]["name"])));
    }
    named(names)
}

fn named(mut names: Vec<&str>) -> Vec<&str> {
    names.retain(|name| !name.is_empty());
    names
}

/// The name of the claim that a volume of a pod has, where it has one; an ephemeral one's is made of both names.
pub fn claim_of_volume(pod: &Value, volume: &Value) -> Option<String> {
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        return Some(text(&claim["claimName"]).to_owned());
    }
    volume.get("ephemeral")?;
    Some(format!("{}-{}", meta::name(pod), text(&volume["name"])))
}

/// The names of the resource claims of a pod: it names them, or its status does once one was made of a template.
pub fn resource_claims(pod: &Value) -> Vec<&str> {
    let mut names = Vec::new();
    let made = |name: &str| {
        let mut statuses = items(&pod["status"]["resourceClaimStatuses"]);
        statuses
            .find(|status| text(&status["name"]) == name)
            .map(|status| text(&status["resourceClaimName"]))
    };
    for claim in items(&pod["spec"]["resourceClaims"]) {
        match claim.get("resourceClaimName") {
            Some(name) => names.push(text(name)),
            None => names.extend(made(text(&claim["name"]))),
        }
    }
    let extended = &pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"];
    names.push(text(extended));
    named(names)
}
