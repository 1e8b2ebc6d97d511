//! The checks that the restricted level adds.

use std::collections::BTreeSet;

use serde_json::Value;
use triad_machinery::pod::{items, text};

use super::baseline::{adding, seccomp, uses};
use super::{Violation, violation};
use crate::admission::pod_security::pod::{Pod, listed, named, plural, quoted, who};

pub(super) fn undropped_capabilities(pod: &Pod<'_>) -> Option<Violation> {
    let keeping = pod.containers_where(|container| {
        let mut dropped = items(&container["securityContext"]["capabilities"]["drop"]);
        !dropped.any(|name| name == "ALL")
    });
    let keeping = (!keeping.is_empty()).then(|| {
        let who = named("container", &keeping);
        format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]")
    });
    let details: Vec<String> = keeping
        .into_iter()
        .chain(adding(pod, &["NET_BIND_SERVICE"]))
        .collect();
    if details.is_empty() {
        return None;
    }
    violation("unrestricted capabilities", details.join("; "))
}

pub(super) fn seccomp_required(pod: &Pod<'_>) -> Option<Violation> {
    if let Some(bad) = seccomp(pod) {
        return Some(bad);
    }
    let unset = |of: &Value| of["securityContext"]["seccompProfile"].is_null();
    let containers = pod.containers_where(unset);
    if !unset(pod.spec) || containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    violation(
        "seccompProfile",
        format!(
            "pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""
        ),
    )
}

pub(super) fn privilege_escalation(pod: &Pod<'_>) -> Option<Violation> {
    let containers =
        pod.containers_where(|c| c["securityContext"]["allowPrivilegeEscalation"] != false);
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    violation(
        "allowPrivilegeEscalation != false",
        format!("{who} must set securityContext.allowPrivilegeEscalation=false"),
    )
}

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The other kinds of volumes, in the order in which upstream looks for them.
const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

pub(super) fn restricted_volumes(pod: &Pod<'_>) -> Option<Violation> {
    let is = |volume: &Value, kind: &str| !volume[kind].is_null();
    let bad: Vec<&Value> = items(&pod.spec["volumes"])
        .filter(|volume| !VOLUMES.iter().any(|kind| is(volume, kind)))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let kind_of = |volume: &&Value| {
        let kind = OTHER_VOLUMES.into_iter().find(|kind| is(volume, kind));
        kind.unwrap_or("unknown").to_owned()
    };
    let kinds: BTreeSet<String> = bad.iter().map(kind_of).collect();
    let names: Vec<&str> = bad.iter().map(|volume| text(&volume["name"])).collect();
    let detail = format!(
        "{} {} restricted volume type{} {}",
        named("volume", &names),
        uses(names.len()),
        plural(kinds.len()),
        quoted(&listed(kinds))
    );
    violation("restricted volume types", detail)
}

pub(super) fn run_as_root(pod: &Pod<'_>) -> Option<Violation> {
    let asked = |of: &Value| of["securityContext"]["runAsNonRoot"].as_bool();
    let refused = |of: &Value| asked(of) == Some(false);
    let setters = who(refused(pod.spec), &pod.containers_where(refused));
    let detail = if setters.is_empty() {
        let silent = pod.containers_where(|container| asked(container).is_none());
        if asked(pod.spec) == Some(true) || silent.is_empty() {
            return None;
        }
        let who = named("container", &silent);
        format!("pod or {who} must set securityContext.runAsNonRoot=true")
    } else {
        let who = setters.join(" and ");
        format!("{who} must not set securityContext.runAsNonRoot=false")
    };
    violation("runAsNonRoot != true", detail)
}

pub(super) fn run_as_user_0(pod: &Pod<'_>) -> Option<Violation> {
    let is_root = |of: &Value| of["securityContext"]["runAsUser"] == 0;
    let setters = who(is_root(pod.spec), &pod.containers_where(is_root));
    if setters.is_empty() {
        return None;
    }
    let who = setters.join(" and ");
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}
