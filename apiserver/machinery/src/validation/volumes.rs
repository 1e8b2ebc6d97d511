//! Volumes of a pod: each has a name and exactly one source (pkg/apis/core/validation/validation.go, validateVolumeSource).

use serde_json::Value;

use super::at::{At, Errors};
use super::{claims, formats, projected_volumes, selectors, volume_drivers};
use crate::names;

type Check = fn(&At<'_>, &mut Errors);

/// Sources by their JSON names, in upstream's order.
const SOURCES: &[(&str, Check)] = &[
    ("emptyDir", empty_dir),
    ("hostPath", host_path),
    ("gitRepo", git_repo),
    ("gcePersistentDisk", volume_drivers::gce_disk),
    ("awsElasticBlockStore", volume_drivers::aws_disk),
    ("secret", secret),
    ("nfs", volume_drivers::nfs),
    ("iscsi", volume_drivers::iscsi),
    ("glusterfs", volume_drivers::glusterfs),
    ("flocker", volume_drivers::flocker),
    ("persistentVolumeClaim", volume_drivers::claim),
    ("rbd", volume_drivers::rbd),
    ("cinder", volume_drivers::cinder),
    ("cephfs", volume_drivers::cephfs),
    ("quobyte", volume_drivers::quobyte),
    ("downwardAPI", projected_volumes::downward_api),
    ("fc", volume_drivers::fibre_channel),
    ("flexVolume", volume_drivers::flex),
    ("configMap", config_map),
    ("azureFile", volume_drivers::azure_file),
    ("vsphereVolume", volume_drivers::vsphere),
    ("photonPersistentDisk", volume_drivers::photon),
    ("portworxVolume", volume_drivers::portworx),
    ("azureDisk", volume_drivers::azure_disk),
    ("storageos", volume_drivers::storage_os),
    ("projected", projected_volumes::projected),
    ("scaleIO", volume_drivers::scale_io),
    ("csi", volume_drivers::csi),
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
            errors.invalid(&name, volume_drivers::ISCSI_TOO_LONG);
        }
    }
    if found == 0 {
        errors.required(volume, "must specify a volume type");
    }
}

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
