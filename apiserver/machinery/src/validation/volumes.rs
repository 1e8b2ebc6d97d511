//! Volumes of a pod: each has a name and exactly one source (pkg/apis/core/validation/validation.go, validateVolumeSource).

use serde_json::Value;

use super::at::{At, Errors};
use super::{claims, formats, projected_volumes, selectors};
use crate::names;

type Check = fn(&At<'_>, &mut Errors);

/// Sources by their JSON names, in upstream's order.
const SOURCES: &[(&str, Check)] = &[
    ("emptyDir", empty_dir),
    ("hostPath", host_path),
    ("gitRepo", git_repo),
    ("gcePersistentDisk", gce_disk),
    ("awsElasticBlockStore", aws_disk),
    ("secret", secret),
    ("nfs", nfs),
    ("iscsi", iscsi),
    ("glusterfs", glusterfs),
    ("flocker", flocker),
    ("persistentVolumeClaim", claim),
    ("rbd", rbd),
    ("cinder", cinder),
    ("cephfs", cephfs),
    ("quobyte", quobyte),
    ("downwardAPI", projected_volumes::downward_api),
    ("fc", fibre_channel),
    ("flexVolume", flex),
    ("configMap", config_map),
    ("azureFile", azure_file),
    ("vsphereVolume", vsphere),
    ("photonPersistentDisk", photon),
    ("portworxVolume", portworx),
    ("azureDisk", azure_disk),
    ("storageos", storage_os),
    ("projected", projected_volumes::projected),
    ("scaleIO", scale_io),
    ("csi", csi),
    ("ephemeral", ephemeral),
    ("image", image),
];

/// What upstream calls a source in the paths of its own errors.
pub(super) fn own_path(source: &str) -> &str {
    match source {
        "gcePersistentDisk" => "persistentDisk",
        _ => source,
    }
}

/// What upstream calls it where there is one source too many.
pub(super) fn path_in_excess(source: &str) -> &str {
    match source {
        "cephfs" => "cephFS",
        "downwardAPI" => "downwarAPI",
        _ => source,
    }
}

/// Validates all volumes; returns those that are right, which mounts may name.
pub(crate) fn volumes<'a>(at: &At<'a>, pod_name: &str, errors: &mut Errors) -> Vec<At<'a>> {
    let mut good: Vec<At<'a>> = Vec::new();
    let ephemeral = |volume: &At<'a>| volume.get("ephemeral").given() && !pod_name.is_empty();
    let created: Vec<String> = at
        .items()
        .filter(ephemeral)
        .map(|volume| format!("{pod_name}-{}", volume.get("name").text()))
        .collect();
    for volume in at.items() {
        let mut own = Errors::default();
        source(&volume, pod_name, &mut own);
        let name = volume.get("name");
        if own.need(&name) {
            formats::label(&name, &mut own);
        }
        if good
            .iter()
            .any(|other| other.get("name").text() == name.text())
        {
            own.duplicate(&name);
        }
        let clean = own.0.is_empty();
        errors.0.extend(own.0);
        let claim = volume.get("persistentVolumeClaim").get("claimName");
        if created.iter().any(|name| name == claim.text()) {
            errors.invalid(
                &claim,
                "must not reference a PVC that gets created for an ephemeral volume",
            );
        }
        if clean {
            good.push(volume);
        }
    }
    good
}

fn source(volume: &At<'_>, pod_name: &str, errors: &mut Errors) {
    let mut found = 0;
    let name = volume.get("name");
    for (field, check) in SOURCES {
        let at = volume.get_as(field, own_path(field));
        if !at.given() {
            continue;
        }
        found += 1;
        if found > 1 {
            errors.forbidden(
                &volume.get_as(field, path_in_excess(field)),
                "may not specify more than 1 volume type",
            );
        } else {
            check(&at, errors);
            if *field == "ephemeral" && !pod_name.is_empty() && !name.empty() {
                let claim = format!("{pod_name}-{}", name.text());
                for problem in names::dns1123_subdomain(&claim) {
                    errors.invalid(
                        &name,
                        format!("PVC name {}: {problem}", crate::goformat::quote(&claim)),
                    );
                }
            }
        }
        let portal = at.get("targetPortal").text();
        if *field == "iscsi"
            && at.get("initiatorName").given()
            && name.text().len() + 1 + portal.len() > 64
        {
            errors.invalid(&name, ISCSI_TOO_LONG);
        }
    }
    if found == 0 {
        errors.required(volume, "must specify a volume type");
    }
}

pub(crate) const ISCSI_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
const MODE: &str = "must be a number between 0 and 01777 (octal), both inclusive";

fn empty_dir(at: &At<'_>, errors: &mut Errors) {
    if at.get("sizeLimit").quantity().sign() < 0 {
        errors.forbidden(
            &at.get("sizeLimit"),
            "SizeLimit field must be a valid resource quantity",
        );
    }
    let mode = at.get("mode");
    if mode.given() && !(0..=0o1777).contains(&mode.int()) {
        errors.invalid_int(&mode, MODE);
    }
}

pub(crate) fn host_path(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(&at.get("path")) {
        return;
    }
    formats::no_backsteps(&at.get("path"), errors);
    let known = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    errors.one_of(&at.get("type"), &known);
}

fn git_repo(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("repository"));
    formats::descending_path(&at.get("directory"), errors);
}

fn partition(at: &At<'_>, errors: &mut Errors) {
    if !(0..=255).contains(&at.int()) {
        errors.invalid_int(at, formats::range(1, 255));
    }
}

pub(crate) fn gce_disk(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("pdName"));
    partition(&at.get("partition"), errors);
}

pub(crate) fn aws_disk(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("volumeID"));
    partition(&at.get("partition"), errors);
}

fn secret(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("secretName"));
    keyed(at, errors);
}

fn config_map(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("name"));
    keyed(at, errors);
}

fn keyed(at: &At<'_>, errors: &mut Errors) {
    formats::file_mode(&at.get("defaultMode"), errors);
    formats::user_id(&at.get("defaultUser"), errors);
    for item in at.get("items").items() {
        key_to_path(&item, errors);
    }
}

pub(crate) fn key_to_path(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("key"));
    errors.need(&at.get("path"));
    formats::free_path(&at.get("path"), errors);
    formats::file_mode(&at.get("mode"), errors);
    formats::user_id(&at.get("user"), errors);
}

pub(crate) fn nfs(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("server"));
    let path = at.get("path");
    errors.need(&path);
    if !path.text().starts_with('/') {
        errors.invalid(&path, "must be an absolute path");
    }
}

fn iscsi(at: &At<'_>, errors: &mut Errors) {
    let prefix = "must be valid format starting with iqn, eui, or naa";
    errors.need(&at.get("targetPortal"));
    if errors.need(&at.get("iqn")) {
        iscsi_name(&at.get("iqn"), prefix, errors);
    }
    iscsi_rest(at, errors);
    if at.get("initiatorName").given() {
        iscsi_name(&at.get_as("initiatorName", "initiatorname"), prefix, errors);
    }
}

pub(crate) fn iscsi_rest(at: &At<'_>, errors: &mut Errors) {
    errors.in_range(&at.get("lun"), 0, 255);
    let authenticates = at.get("chapAuthDiscovery").yes() || at.get("chapAuthSession").yes();
    if authenticates && !at.get("secretRef").given() {
        errors.required(&at.get("secretRef"), "");
    }
}

/// An iSCSI qualified name: `iqn.YYYY-MM.reversed.domain:...`, `eui.` with 16, `naa.` with 16 or 32 hexadecimal digits.
pub(crate) fn iscsi_name(at: &At<'_>, prefix: &str, errors: &mut Errors) {
    let text = at.text();
    let hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    let good = if text.starts_with("iqn") {
        qualified_name(text)
    } else if text.starts_with("eui") {
        text.strip_prefix("eui.")
            .is_some_and(|rest| rest.len() == 16 && hex(rest))
    } else if text.starts_with("naa") {
        text.strip_prefix("naa.")
            .is_some_and(|rest| matches!(rest.len(), 16 | 32) && hex(rest))
    } else {
        errors.invalid(at, prefix);
        return;
    };
    if !good {
        errors.invalid(at, "must be valid format");
    }
}

/// `iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`
fn qualified_name(text: &str) -> bool {
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let Some((date, rest)) = text
        .strip_prefix("iqn.")
        .and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let Some((domain, tail)) = rest.split_once(':') else {
        return false;
    };
    date.split_once('-')
        .is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
        && !domain.is_empty()
        && domain
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && !tail.is_empty()
        && !tail.contains(|c: char| ",;*&$|".contains(c) || c.is_ascii_whitespace())
}

fn glusterfs(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("endpoints"));
    errors.need(&at.get("path"));
}

pub(crate) fn flocker(at: &At<'_>, errors: &mut Errors) {
    let (name, uuid) = (at.get("datasetName"), at.get("datasetUUID"));
    if name.empty() && uuid.empty() {
        errors.required(at, "one of datasetName and datasetUUID is required");
    }
    if !name.empty() && !uuid.empty() {
        errors.invalid_value(
            at,
            "resource",
            "datasetName and datasetUUID can not be specified simultaneously",
        );
    }
    if name.text().contains('/') {
        errors.invalid(&name, "must not contain '/'");
    }
}

fn claim(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("claimName"));
}

pub(crate) fn rbd(at: &At<'_>, errors: &mut Errors) {
    if at.get("monitors").empty() {
        errors.required(&at.get("monitors"), "");
    }
    errors.need(&at.get("image"));
}

fn cinder(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("volumeID"));
    if at.get("secretRef").given() {
        errors.need(&at.get("secretRef").get("name"));
    }
}

pub(crate) fn cephfs(at: &At<'_>, errors: &mut Errors) {
    if at.get("monitors").empty() {
        errors.required(&at.get("monitors"), "");
    }
}

pub(crate) fn quobyte(at: &At<'_>, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = at.get("registry");
    if registry.empty() {
        errors.required(&registry, PAIRS);
    } else if at.get("tenant").text().len() >= 65 {
        errors.required(
            &at.get("tenant"),
            "must be a UUID and may not exceed a length of 64 characters",
        );
    } else {
        let pairs = registry.text().split(',');
        for _ in pairs.filter(|pair| pair.matches(':').count() != 1 && !pair.starts_with('[')) {
            errors.invalid(&registry, PAIRS);
        }
    }
    errors.need(&at.get("volume"));
}

pub(crate) fn fibre_channel(at: &At<'_>, errors: &mut Errors) {
    let (targets, wwids) = (at.get("targetWWNs"), at.get("wwids"));
    if targets.empty() && wwids.empty() {
        errors.required(
            &targets,
            "must specify either targetWWNs or wwids, but not both",
        );
    }
    if !targets.empty() && !wwids.empty() {
        errors.invalid(
            &targets,
            "targetWWNs and wwids can not be specified simultaneously",
        );
    }
    if !targets.empty() {
        let lun = at.get("lun");
        if lun.given() {
            errors.in_range(&lun, 0, 255);
        } else {
            errors.required(&lun, "lun is required if targetWWNs is specified");
        }
    }
}

pub(crate) fn flex(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("driver"));
    for (key, option) in at.get("options").entries() {
        let namespace = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            errors.invalid_value(
                &option,
                key,
                "kubernetes.io and k8s.io namespaces are reserved",
            );
        }
    }
}

pub(crate) fn azure_file(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("secretName"));
    errors.need(&at.get("shareName"));
}

pub(crate) fn azure_disk(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("diskName"));
    let (uri, kind) = (at.get("diskURI"), at.get("kind"));
    errors.need(&uri);
    if at.get("cachingMode").given() {
        errors.one_of(&at.get("cachingMode"), &["None", "ReadOnly", "ReadWrite"]);
    }
    if !kind.given() {
        return;
    }
    errors.one_of(&kind, &["Dedicated", "Managed", "Shared"]);
    let managed = kind.text() == "Managed";
    if managed && !uri.text().starts_with("/subscriptions/") {
        let shape = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        errors.unsupported(&uri, &[shape]);
    }
    if !managed && !uri.text().starts_with("https://") {
        errors.unsupported(
            &uri,
            &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"],
        );
    }
}

pub(crate) fn vsphere(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("volumePath"));
}

pub(crate) fn photon(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("pdID"));
}

pub(crate) fn portworx(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("volumeID"));
}

pub(crate) fn scale_io(at: &At<'_>, errors: &mut Errors) {
    for field in ["gateway", "system", "volumeName"] {
        errors.need(&at.get(field));
    }
}

pub(crate) fn storage_os(at: &At<'_>, errors: &mut Errors) {
    if errors.need(&at.get("volumeName")) {
        formats::label(&at.get("volumeName"), errors);
    }
    if !at.get("volumeNamespace").empty() {
        formats::label(&at.get("volumeNamespace"), errors);
    }
    if at.get("secretRef").given() {
        errors.need(&at.get("secretRef").get("name"));
    }
}

/// The name of a CSI driver: a subdomain in any case of at most 63 bytes.
pub(crate) fn csi_driver_name(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    if at.text().len() > 63 {
        errors.too_long(at, 63);
    }
    errors.each(at, names::dns1123_subdomain(&at.text().to_lowercase()));
}

fn csi(at: &At<'_>, errors: &mut Errors) {
    csi_driver_name(&at.get("driver"), errors);
    let secret = at.get("nodePublishSecretRef");
    if secret.given() && errors.need(&secret.get("name")) {
        for problem in names::dns1123_subdomain(secret.get("name").text()) {
            errors.invalid_value(&at.get("name"), secret.get("name").text(), problem);
        }
    }
}

fn ephemeral(at: &At<'_>, errors: &mut Errors) {
    let template = at.get("volumeClaimTemplate");
    if !template.given() {
        errors.required(&template, "");
        return;
    }
    template_metadata(&template.get("metadata"), errors);
    claims::spec(&template.get("spec"), errors);
}

/// Metadata of a template may have labels and annotations, nothing else.
pub(crate) fn template_metadata(at: &At<'_>, errors: &mut Errors) {
    selectors::annotations(&at.get("annotations"), errors);
    selectors::labels(&at.get("labels"), errors);
    for field in OTHER_METADATA {
        // Upstream makes the path of the Go name, of which it writes the first letter small.
        let shown = if *field == "uid" { "uID" } else { *field };
        let value = at.get_as(field, shown);
        if value.given() && *value.value != Value::String(String::new()) {
            errors.forbidden(&value, "cannot be set");
        }
    }
}

/// The fields of metadata besides labels and annotations, in their order.
const OTHER_METADATA: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

fn image(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("reference"));
    errors.need_one_of(&at.get("pullPolicy"), &["Always", "IfNotPresent", "Never"]);
}
