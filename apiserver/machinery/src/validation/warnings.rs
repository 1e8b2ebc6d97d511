//! Warnings about objects that are accepted: deprecated or doubtful fields (pkg/api/pod/warnings.go, pkg/api/service/warnings.go and
//! the strategies' WarningsOnCreate). Texts only; the server makes headers of them.

use std::collections::HashSet;

use serde_json::Value;

use super::at::At;
use super::{Kind, containers, definition_warnings, same};

const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Warnings about a new object, or about a changed one.
pub fn warnings(kind: Kind<'_>, object: &Value, old: Option<&Value>) -> Vec<String> {
    // Most objects deserve none; only those that do are looked at with the places in mind.
    if warnings_at(kind, At::untold(object), old).is_empty() {
        return Vec::new();
    }
    warnings_at(kind, At::root(object), old)
}

fn warnings_at(kind: Kind<'_>, at: At<'_>, old: Option<&Value>) -> Vec<String> {
    let object = at.value;
    let before = old.map(At::root);
    let unchanged = |path: &[&str]| {
        let at = |root| crate::meta::at(root, path).unwrap_or(&Value::Null);
        old.is_some_and(|old| same(at(old), at(object)))
    };
    let mut out = Vec::new();
    match (kind.group, kind.resource) {
        ("", "pods") => pod(&at, false, &mut out),
        ("", "podtemplates") if !unchanged(&["template"]) => {
            pod(&at.get("template"), true, &mut out)
        }
        ("", "replicationcontrollers") | ("apps", _) | ("batch", "jobs")
            if !unchanged(&["spec", "template"]) =>
        {
            pod(&at.get("spec").get("template"), true, &mut out);
        }
        ("batch", "cronjobs") if !unchanged(&["spec", "jobTemplate"]) => {
            pod(
                &at.get("spec")
                    .get("jobTemplate")
                    .get("spec")
                    .get("template"),
                true,
                &mut out,
            );
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            definition_warnings::warnings(&at, before.as_ref(), &mut out);
        }
        ("", "secrets") if at.get("type").text() == "kubernetes.io/tls" => key_pair(&at, &mut out),
        ("", "services") => service(&at, before.as_ref(), &mut out),
        ("discovery.k8s.io", "endpointslices")
            if old.is_none() && at.get("addressType").text() == "FQDN" =>
        {
            out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        ("storage.k8s.io", "csidrivers") => {
            let spec = at.get("spec");
            if !spec.get("tokenRequests").empty()
                && !spec.get("serviceAccountTokenInSecrets").given()
            {
                out.push("spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes".to_owned());
            }
        }
        _ => {}
    }
    out
}

fn service(object: &At<'_>, old: Option<&At<'_>>, out: &mut Vec<String>) {
    let spec = object.get("spec");
    let kept = |field: &str| {
        old.is_some_and(|old| same(old.get("spec").get(field).value, spec.get(field).value))
    };
    if !spec.get("externalIPs").empty() && !kept("externalIPs") {
        out.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
                .to_owned(),
        );
    }
    if spec.get("sessionAffinity").text() == "ClientIP" && spec.get("clusterIP").text() == "None" {
        out.push("spec.SessionAffinity is ignored for headless services".to_owned());
    }
    if spec.get("trafficDistribution").text() == "PreferClose" {
        out.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\""
                .to_owned(),
        );
    }
}

/// Sources of volumes that are on their way out, and how their warnings go on.
const VOLUMES: &[(&str, &str, &str)] = &[
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    (
        "gitRepo",
        "gitRepo",
        "deprecated in v1.11, and disabled by default in v1.33+",
    ),
    (
        "scaleIO",
        "scaleIO",
        "deprecated in v1.16, non-functional in v1.22+",
    ),
    (
        "flocker",
        "flocker",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "storageos",
        "storageOS",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "quobyte",
        "quobyte",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "glusterfs",
        "glusterfs",
        "deprecated in v1.25, non-functional in v1.26+",
    ),
    (
        "cephfs",
        "cephfs",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
    (
        "rbd",
        "rbd",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
];
/// Node labels that have new names.
const LABELS: &[(&str, &str)] = &[
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];
const NOTES: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

fn label(key: &str) -> Option<&'static str> {
    LABELS
        .iter()
        .find(|(known, _)| *known == key)
        .map(|(_, text)| *text)
}

fn pod(pod: &At<'_>, template: bool, out: &mut Vec<String>) {
    let (spec, notes) = (pod.get("spec"), pod.get("metadata").get("annotations"));
    for (key, value) in spec.get("nodeSelector").entries() {
        out.extend(label(key).map(|text| format!("{}: {text}", value.path)));
    }
    for spread in spec.get("topologySpreadConstraints").items() {
        let key = spread.get("topologyKey");
        out.extend(label(key.text()).map(|text| format!("{}: {} is {text}", key.path, key.text())));
        if !spread.get("labelSelector").given() {
            out.push(format!(
                "{}: a null labelSelector results in matching no pod",
                spread.get("labelSelector").path
            ));
        }
    }
    for (key, text) in NOTES.iter().filter(|(key, _)| notes.get(key).given()) {
        out.push(format!("{}: {text}", notes.key(key).path));
    }
    for volume in spec.get("volumes").items() {
        for (field, shown, text) in VOLUMES
            .iter()
            .filter(|(field, ..)| volume.get(field).given())
        {
            out.push(format!("{}: {text}", volume.get_as(field, shown).path));
        }
    }
    repeated(&spec.get("hostAliases"), "ip", out);
    let secrets = spec.get("imagePullSecrets");
    repeated(&secrets, "name", out);
    for secret in secrets.items().filter(|secret| secret.get("name").empty()) {
        out.push(format!(
            "{}: invalid empty name \"\"",
            secret.get("name").path
        ));
    }
    profiles(&spec, &notes, template, out);
    for (_, container) in containers::all(&spec) {
        self::container(&container, out);
    }
    ports(&spec, out);
    let grace = spec.get("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            grace.path
        ));
    }
}

fn repeated(list: &At<'_>, field: &str, out: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for item in list.items() {
        let at = item.get(field);
        if !seen.insert(at.text()) {
            out.push(format!(
                "{}: duplicate {field} {}",
                at.path,
                crate::goformat::quote(at.text())
            ));
        }
    }
}

/// Annotations that fields have replaced.
fn profiles(spec: &At<'_>, notes: &At<'_>, template: bool, out: &mut Vec<String>) {
    const USE: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    let own = spec.get("securityContext");
    if !own.get("seccompProfile").given() && notes.get(SECCOMP).given() {
        out.push(format!("{}: {USE}", notes.key(SECCOMP).path));
    }
    for (_, container) in containers::all(spec) {
        let (name, context) = (
            container.get("name").text(),
            container.get("securityContext"),
        );
        let note = notes.key(&format!("{SECCOMP_CONTAINER}{name}"));
        if !context.get("seccompProfile").given() && note.given() {
            out.push(format!("{}: {USE}", note.path));
        }
        let note = notes.key(&format!("{APP_ARMOR}{name}"));
        let fielded = context.get("appArmorProfile").given()
            || (template && own.get("appArmorProfile").given());
        if note.given() && !fielded {
            out.push(format!(
                "{}: deprecated since v1.30; use the \"appArmorProfile\" field instead",
                note.path
            ));
        }
    }
}

fn container(container: &At<'_>, out: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        for kind in ["limits", "requests"] {
            let amount = container.get("resources").get(kind).key(resource);
            if amount.given() && amount.quantity().milli_value() % 1000 != 0 {
                out.push(format!(
                    "{}: fractional byte value \"{}\" is invalid, must be an integer",
                    amount.path,
                    amount.text()
                ));
            }
        }
    }
    let mut seen = HashSet::new();
    for variable in container.get("env").items() {
        let name = variable.get("name").text();
        if seen.insert(name) {
            continue;
        }
        let (reference, value) = (format!("$({name})"), variable.get("value").text());
        if variable.get("valueFrom").given() || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                variable.path,
                crate::goformat::quote(name)
            ));
        }
    }
}

fn ports(spec: &At<'_>, out: &mut Vec<String>) {
    let mut seen: Vec<At<'_>> = Vec::new();
    let mut names: Vec<(&str, String)> = Vec::new();
    let mut repeated = Vec::new();
    for (_, container) in containers::all(spec) {
        for port in container.get("ports").items() {
            let same_port = |other: &&At<'_>| {
                other.get("containerPort").int() == port.get("containerPort").int()
                    && other.get("protocol").text() == port.get("protocol").text()
            };
            for other in seen.iter().filter(same_port) {
                let (host, theirs) = (port.get("hostPort").int(), other.get("hostPort").int());
                let (ip, their_ip) = (port.get("hostIP").text(), other.get("hostIP").text());
                let what = if ip == their_ip && host == theirs {
                    "duplicate"
                } else if host == 0 || theirs == 0 {
                    "overlapping"
                } else if host == theirs && ip.is_empty() != their_ip.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                out.push(format!(
                    "{}: {what} port definition with {}",
                    port.path, other.path
                ));
            }
            let name = port.get("name").text();
            match names.iter().find(|(known, _)| !name.is_empty() && *known == name) {
                Some((_, first)) => repeated.push(format!("{}: duplicate port name \"{name}\" with {first}, services and probes that select ports by name will use {first}", port.path)),
                None => names.push((name, port.path.clone())),
            }
            seen.push(port);
        }
    }
    out.append(&mut repeated);
}

/// Whether a certificate and a key are there at all, in the words of Go's crypto/tls; whether they fit is not looked at.
fn key_pair(secret: &At<'_>, out: &mut Vec<String>) {
    let blocks = |key: &str| {
        let text = secret.get("data").key(key).text();
        pem_blocks(&crate::codec::base64::decode(text).unwrap_or_default())
    };
    let (certificates, keys) = (blocks("tls.crt"), blocks("tls.key"));
    let is_key = |kind: &String| kind == "PRIVATE KEY" || kind.ends_with(" PRIVATE KEY");
    let skipped = |kinds: &[String]| {
        format!(
            "after skipping PEM blocks of the following types: [{}]",
            kinds.join(" ")
        )
    };
    if !certificates.iter().any(|kind| kind == "CERTIFICATE") {
        out.push(match &certificates[..] {
            [] => "tls: failed to find any PEM data in certificate input".to_owned(),
            [only] if is_key(only) => "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned(),
            all => format!("tls: failed to find \"CERTIFICATE\" PEM block in certificate input {}", skipped(all)),
        });
    } else if !keys.iter().any(is_key) {
        out.push(match &keys[..] {
            [] => "tls: failed to find any PEM data in key input".to_owned(),
            [only] if only == "CERTIFICATE" => {
                "tls: found a certificate rather than a key in the PEM for the private key"
                    .to_owned()
            }
            all => format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input {}",
                skipped(all)
            ),
        });
    }
}

/// The types of the PEM blocks in a text.
fn pem_blocks(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let begun = text
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("-----BEGIN "));
    let kinds = begun.filter_map(|rest| rest.strip_suffix("-----"));
    let ended = |kind: &&str| text.contains(&format!("-----END {kind}-----"));
    kinds.filter(ended).map(str::to_owned).collect()
}
