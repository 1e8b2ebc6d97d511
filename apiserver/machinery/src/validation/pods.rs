//! Pods and pod templates (pkg/apis/core/validation/validation.go, ValidatePodSpec and ValidatePodCreate).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::containers::{self, Pod};
use super::{formats, resources, scheduling, security, selectors, volumes, windows};
use crate::names;

/// What the cluster's flags say about pods.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// `--allow-privileged`.
    pub allow_privileged: bool,
}

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A new pod, or a changed one as far as it must be right in itself.
pub(crate) fn metadata_and_spec(pod: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let (metadata, spec) = (pod.get("metadata"), pod.get("spec"));
    annotations(&metadata.get("annotations"), &spec, errors);
    pod_spec(&spec, Some(&metadata), settings, errors);
    if spec.get("serviceAccountName").empty() {
        for volume in spec.get("volumes").items() {
            for source in volume.get("projected").get("sources").items() {
                let token = source.get("serviceAccountToken");
                if token.given() {
                    errors.forbidden(
                        &token,
                        "must not be specified when serviceAccountName is not set",
                    );
                }
            }
        }
    }
    errors.not_negative(&spec.get("terminationGracePeriodSeconds"));
    for list in ["containers", "initContainers"] {
        for container in spec.get(list).items() {
            containers::trimmed_image(&container, errors);
        }
    }
}

pub(crate) fn create(pod: &At<'_>, settings: &Settings, errors: &mut Errors) {
    metadata_and_spec(pod, settings, errors);
    let spec = pod.get("spec");
    if !spec.get("ephemeralContainers").empty() {
        errors.forbidden(&spec.get("ephemeralContainers"), "cannot be set on create");
    }
    if !spec.get("nodeName").empty() && !spec.get("schedulingGates").empty() {
        errors.forbidden(
            &spec.get("nodeName"),
            "cannot be set until all schedulingGates have been cleared",
        );
    }
    security::annotations_match(pod, errors);
}

/// `template` of a workload: labels, annotations and the spec (ValidatePodTemplateSpec).
pub(crate) fn template(at: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let (metadata, spec) = (at.get("metadata"), at.get("spec"));
    // Upstream leaves `metadata` out of these paths.
    let shown = |field: &str| metadata.get(field).shown_at(format!("{}.{field}", at.path));
    selectors::labels(&shown("labels"), errors);
    selectors::annotations(&shown("annotations"), errors);
    annotations(&shown("annotations"), &spec, errors);
    pod_spec(&spec, None, settings, errors);
    security::annotations_match(at, errors);
    if !spec.get("ephemeralContainers").empty() {
        errors.forbidden(
            &spec.get("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        );
    }
}

pub(crate) fn annotations(at: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let mirror = at.key(MIRROR);
    if mirror.given() && spec.get("nodeName").empty() {
        errors.invalid(
            &mirror,
            "must set spec.nodeName if mirror pod annotation is set",
        );
    }
    let cost = at.key(DELETION_COST);
    let text = cost.text();
    let plain = !text.starts_with('+')
        && (text == "0" || !text.trim_start_matches('-').starts_with('0'))
        && text != "-0";
    if cost.given() && !(plain && text.parse::<i32>().is_ok()) {
        errors.invalid(&cost, "must be a 32bit integer");
    }
    security::annotations(at, spec, errors);
}

/// The spec of a pod, or of a template (without metadata).
pub(crate) fn pod_spec(
    spec: &At<'_>,
    metadata: Option<&At<'_>>,
    settings: &Settings,
    errors: &mut Errors,
) {
    let name = metadata.map_or("", |metadata| metadata.get("name").text());
    if !spec.get("terminationGracePeriodSeconds").given() {
        errors.required(&spec.get("terminationGracePeriodSeconds"), "");
    }
    let volumes = volumes::volumes(&spec.get("volumes"), name, errors);
    let mirror = metadata.is_some_and(|m| m.get("annotations").get(MIRROR).given());
    containers::pod_claims(spec, mirror, errors);
    let claims = spec
        .get("resourceClaims")
        .items()
        .map(|claim| claim.get("name").text());
    let claims = claims.filter(|name| !name.is_empty()).collect();
    let pod = Pod {
        spec,
        volumes,
        claims,
        settings,
    };
    pod.containers(errors);
    pod.init_containers(errors);
    pod.ephemeral_containers(errors);
    pod_resources(spec, &pod.claims, errors);
    host_network(spec, metadata.is_some(), errors);
    errors.need_one_of(
        &spec.get("restartPolicy"),
        &["Always", "OnFailure", "Never"],
    );
    errors.need_one_of(
        &spec.get("dnsPolicy"),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    selectors::labels(&spec.get("nodeSelector"), errors);
    security::pod(&spec.get("securityContext"), spec, errors);
    if spec.get("shareProcessNamespace").yes() && spec.get("hostPID").yes() {
        errors.invalid(
            &spec.get("shareProcessNamespace"),
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    scheduling::affinity(&spec.get("affinity"), errors);
    dns_config(spec, errors);
    for gate in spec.get("readinessGates").items() {
        formats::label_key(&gate.get("conditionType"), errors);
    }
    scheduling_gates(&spec.get("schedulingGates"), errors);
    scheduling::topology_spread(&spec.get("topologySpreadConstraints"), errors);
    windows::host_processes(spec, settings, errors);
    host_users(spec, errors);
    host_name(spec, errors);
    plain_fields(spec, errors);
    windows::os(spec, errors);
    let group = spec.get("schedulingGroup");
    if group.given() {
        let name = group.get("podGroupName");
        if name.given() {
            formats::subdomain(&name, errors);
        } else {
            errors.invalid_value(
                &name,
                serde_json::Value::Null,
                "must specify one of: `podGroupName`",
            );
        }
    }
    file_variables(spec, errors);
}

fn plain_fields(spec: &At<'_>, errors: &mut Errors) {
    let account = spec.get("serviceAccountName");
    if !account.empty() {
        formats::subdomain(&account, errors);
    }
    let old_account = spec.get_as("serviceAccount", "deprecatedServiceAccount");
    if old_account.text() != account.text() {
        errors.invalid(
            &old_account,
            format!(
                "must be the same as serviceAccountName: {}",
                crate::goformat::quote(account.text())
            ),
        );
    }
    if !spec.get("nodeName").empty() {
        formats::subdomain(&spec.get("nodeName"), errors);
    }
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.given() {
        errors.in_range(&deadline, 1, i64::from(i32::MAX));
    }
    for field in ["hostname", "subdomain"] {
        if !spec.get(field).empty() {
            formats::label(&spec.get(field), errors);
        }
    }
    scheduling::tolerations(&spec.get("tolerations"), errors);
    for alias in spec.get("hostAliases").items() {
        formats::ip(&alias.get("ip"), errors);
        for name in alias.get("hostnames").items() {
            formats::subdomain(&name, errors);
        }
    }
    if !spec.get("priorityClassName").empty() {
        formats::subdomain(&spec.get("priorityClassName"), errors);
    }
    if spec.get("runtimeClassName").given() {
        formats::subdomain(&spec.get("runtimeClassName"), errors);
    }
    if spec.get("preemptionPolicy").given() {
        errors.need_one_of(
            &spec.get("preemptionPolicy"),
            &["PreemptLowerPriority", "Never"],
        );
    }
    let overhead = spec.get("overhead");
    for (resource, amount) in overhead.entries() {
        let at = amount.shown_at(format!("{}.limits[{resource}]", overhead.path));
        resources::container_name(&at, resource, errors);
        resources::amount(&at, resource, errors);
    }
}

fn pod_resources(spec: &At<'_>, claims: &[&str], errors: &mut Errors) {
    let at = spec.get("resources");
    if !at.given() {
        return;
    }
    if spec.get("os").get("name").text() == "windows" {
        return errors.forbidden(&at, "may not be set for a windows pod");
    }
    if at.get("claims").given() {
        errors.forbidden(
            &at.get("claims"),
            "claims may not be set for Resources at pod-level",
        );
    }
    resources::requirements(&at, resources::Owner::Pod, claims, errors);
    super::pod_resources::consistent(spec, errors);
}

fn host_network(spec: &At<'_>, is_pod: bool, errors: &mut Errors) {
    if !spec.get("hostNetwork").yes() {
        return;
    }
    for container in spec.get("containers").items() {
        for port in container.get("ports").items() {
            let (host, own) = (port.get("hostPort").int(), port.get("containerPort").int());
            if (is_pod || host != 0) && host != own {
                errors.invalid_int(
                    &port.get("hostPort"),
                    "must match `containerPort` when `hostNetwork` is true",
                );
            }
        }
    }
}

fn dns_config(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.get("dnsConfig");
    let servers = at.get("nameservers");
    if spec.get("dnsPolicy").text() == "None" {
        if !at.given() {
            return errors.required(&at, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.empty() {
            return errors.required(
                &servers,
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            );
        }
    }
    if servers.count() > 3 {
        errors.invalid(&servers, "must not have more than 3 nameservers");
    }
    for server in servers.items() {
        formats::ip(&server, errors);
    }
    let searches = at.get("searches");
    if searches.count() > 32 {
        errors.invalid(&searches, "must not have more than 32 search paths");
    }
    if searches.strings().join(" ").len() > 2048 {
        errors.invalid(
            &searches,
            "must not have more than 2048 characters (including spaces) in the search list",
        );
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        let text = search.text().strip_suffix('.').unwrap_or(search.text());
        for problem in names::dns1123_subdomain_underscore(text) {
            errors.invalid_value(&search, text, problem);
        }
    }
    for option in at
        .get("options")
        .items()
        .filter(|option| option.get("name").empty())
    {
        errors.required(&option, "must not be empty");
    }
}

fn scheduling_gates(at: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for gate in at.items() {
        let name = gate.get("name").text();
        for problem in names::label_key(name) {
            errors.invalid_value(&gate, name, problem);
        }
        if !seen.insert(name) {
            errors.duplicate_value(&gate, name);
        }
    }
}

fn host_users(spec: &At<'_>, errors: &mut Errors) {
    const WHY: &str = "when `hostUsers` is false";
    if spec.get("hostUsers").value.as_bool() != Some(false) {
        return;
    }
    if spec.get("hostNetwork").yes() {
        errors.forbidden(&spec.get("hostNetwork"), WHY);
    }
    for (field, shown) in [("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.get(field).yes() {
            errors.forbidden(&spec.get_as(field, shown), WHY);
        }
    }
    for (_, container) in containers::all(spec) {
        if !container.get("volumeDevices").empty() {
            errors.forbidden(&container.get("volumeDevices"), WHY);
        }
    }
}

fn host_name(spec: &At<'_>, errors: &mut Errors) {
    let name = spec.get("hostnameOverride");
    if !name.given() {
        return;
    }
    if spec.get("setHostnameAsFQDN").yes() {
        errors.forbidden(&name, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.get("hostNetwork").yes() {
        errors.forbidden(&name, "may not be specified when hostNetwork is true");
    }
    if name.text().len() > 64 {
        errors.too_long(&name, 64);
    }
    formats::subdomain(&name, errors);
}

/// Variables that come from a file name a volume of the pod that is an `emptyDir`.
fn file_variables(spec: &At<'_>, errors: &mut Errors) {
    for (_, container) in containers::all(spec) {
        for variable in container.get("env").items() {
            let file = variable.get("valueFrom").get("fileKeyRef");
            if !file.given() {
                continue;
            }
            let name = file.get("volumeName");
            let volume = spec
                .get("volumes")
                .items()
                .filter(|v| v.get("name").text() == name.text())
                .last();
            match volume {
                None => errors.not_found(&name),
                Some(volume) if !volume.get("emptyDir").given() => {
                    errors.invalid(&name, "referenced volume must be of type emptyDir")
                }
                Some(_) => {}
            }
        }
    }
}
