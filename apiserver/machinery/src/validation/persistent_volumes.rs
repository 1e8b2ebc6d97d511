//! Persistent volumes and the claims on them (pkg/apis/core/validation/validation.go).

use serde_json::Value;

use super::at::{At, Errors};
use super::{diff, formats, go_value, same, selectors, volume_drivers, volumes};

const MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
pub(super) const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];

type Check = fn(&At<'_>, &mut Errors);

/// Sources by their JSON names, in upstream's order.
const SOURCES: &[(&str, Check)] = &[
    ("hostPath", volumes::host_path),
    ("gcePersistentDisk", volume_drivers::gce_disk),
    ("awsElasticBlockStore", volume_drivers::aws_disk),
    ("glusterfs", glusterfs),
    ("flocker", volume_drivers::flocker),
    ("nfs", volume_drivers::nfs),
    ("rbd", volume_drivers::rbd),
    ("quobyte", volume_drivers::quobyte),
    ("cephfs", volume_drivers::cephfs),
    ("iscsi", iscsi),
    ("cinder", cinder),
    ("fc", volume_drivers::fibre_channel),
    ("flexVolume", volume_drivers::flex),
    ("azureFile", azure_file),
    ("vsphereVolume", volume_drivers::vsphere),
    ("photonPersistentDisk", volume_drivers::photon),
    ("portworxVolume", volume_drivers::portworx),
    ("azureDisk", volume_drivers::azure_disk),
    ("scaleIO", volume_drivers::scale_io),
    ("local", local),
    ("storageos", storage_os),
    ("csi", csi),
];

pub(crate) fn volume(object: &At<'_>, errors: &mut Errors) {
    volume_spec(
        &object.get("spec"),
        object.get("metadata").get("name").text(),
        false,
        errors,
    );
}

/// The spec of a volume; `inline` in an attachment.
pub(crate) fn volume_spec(spec: &At<'_>, name: &str, inline: bool, errors: &mut Errors) {
    const INLINE: &str = "may not be specified in the context of inline volumes";
    if inline {
        for field in ["claimRef", "capacity"] {
            if !spec.get(field).empty() {
                errors.forbidden(&spec.get(field), INLINE);
            }
        }
        if !spec.get("csi").given() {
            errors.required(
                &spec.get("csi"),
                "has to be specified in the context of inline volumes",
            );
        }
    }
    errors.need(&spec.get("accessModes"));
    access_modes(&spec.get("accessModes"), errors);
    let capacity = spec.get("capacity");
    if !inline {
        errors.need(&capacity);
        if !capacity.get("storage").given() || capacity.count() > 1 {
            let shown = if capacity.given() {
                capacity.value.clone()
            } else {
                Value::Null
            };
            errors.0.push(crate::status::FieldError::not_supported(
                &capacity.path,
                shown,
                &["storage"],
            ));
        }
        for (_, amount) in capacity.entries() {
            let bytes = amount.quantity().value();
            if bytes < 0 {
                errors.invalid_value(&amount, bytes, "must be a valid resource quantity");
            }
            positive_quantity(&amount, errors);
        }
    }
    let policy = spec.get("persistentVolumeReclaimPolicy");
    if !policy.empty() {
        if !inline {
            errors.one_of(&policy, &["Delete", "Recycle", "Retain"]);
        } else if policy.text() != "Retain" {
            errors.forbidden(
                &policy,
                "may only be Retain in the context of inline volumes",
            );
        }
    }
    let affinity = spec.get("nodeAffinity");
    if affinity.given() {
        if inline {
            errors.forbidden(&affinity, INLINE);
        } else if affinity.get("required").given() {
            selectors::node_selector(&affinity.get("required"), errors);
        } else {
            errors.required(
                &affinity.get("required"),
                "must specify required node constraints",
            );
        }
    }
    source(spec, name, errors);
    let root = spec.get("hostPath");
    if root.given() && is_root(root.get("path").text()) && policy.text() == "Recycle" {
        errors.forbidden(&policy, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.get("storageClassName");
    if !class.empty() {
        if inline {
            errors.forbidden(&class, INLINE);
        } else {
            formats::subdomain(&class, errors);
        }
    }
    let mode = spec.get("volumeMode");
    if mode.given() {
        if !inline {
            errors.one_of(&mode, VOLUME_MODES);
        } else if mode.text() != "Filesystem" {
            errors.forbidden(
                &mode,
                "may not specify volumeMode other than Filesystem in the context of inline volumes",
            );
        }
    }
    let attributes = spec.get("volumeAttributesClassName");
    if attributes.given() {
        if attributes.empty() {
            errors.required(&attributes, "an empty string is disallowed");
        } else {
            formats::subdomain(&attributes, errors);
        }
        if !spec.get("csi").given() {
            errors.required(
                &spec.get("csi"),
                "has to be specified when using volumeAttributesClassName",
            );
        }
    }
}

fn is_root(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "." | ".."))
}

fn source(spec: &At<'_>, name: &str, errors: &mut Errors) {
    let mut found = 0;
    for (field, check) in SOURCES {
        let at = spec.get_as(field, volumes::own_path(field));
        if !at.given() {
            continue;
        }
        found += 1;
        if found > 1 && *field != "flexVolume" {
            errors.forbidden(
                &spec.get_as(field, volumes::path_in_excess(field)),
                "may not specify more than 1 volume type",
            );
            continue;
        }
        if *field == "iscsi" {
            iscsi_portal(&at, name, errors);
        }
        check(&at, errors);
        if *field == "local" && !spec.get("nodeAffinity").get("required").given() {
            errors.required(
                &spec.get("nodeAffinity"),
                "Local volume requires node affinity",
            );
        }
    }
    if found == 0 {
        errors.required(spec, "must specify a volume type");
    }
}

pub(super) fn access_modes(at: &At<'_>, errors: &mut Errors) {
    let modes = at.strings();
    for mode in modes.iter().filter(|mode| !MODES.contains(mode)) {
        errors.0.push(crate::status::FieldError::not_supported(
            &at.path, *mode, MODES,
        ));
    }
    let alone = modes.contains(&"ReadWriteOncePod");
    if alone
        && modes
            .iter()
            .any(|mode| *mode != "ReadWriteOncePod" && MODES.contains(mode))
    {
        errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
    }
}

fn positive_quantity(at: &At<'_>, errors: &mut Errors) {
    if at.quantity().sign() <= 0 {
        errors.invalid(at, "must be greater than zero");
    }
}

fn glusterfs(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("endpoints"));
    errors.need(&at.get("path"));
    let namespace = at.get("endpointsNamespace");
    if namespace.given() && namespace.empty() {
        errors.invalid(
            &namespace,
            "if the endpointnamespace is set, it must be a valid namespace name",
        );
    } else if namespace.given() {
        formats::label(&namespace, errors);
    }
}

fn iscsi_portal(at: &At<'_>, name: &str, errors: &mut Errors) {
    let portal = at.get("targetPortal");
    errors.need(&portal);
    if at.get("initiatorName").given() && name.len() + 1 + portal.text().len() > 64 {
        errors.invalid(
            &at.get_as("targetPortal", "targetportal"),
            volume_drivers::ISCSI_TOO_LONG,
        );
    }
}

fn iscsi(at: &At<'_>, errors: &mut Errors) {
    let format = "must be valid format";
    if errors.need(&at.get("iqn")) {
        volume_drivers::iscsi_name(&at.get("iqn"), format, errors);
    }
    volume_drivers::iscsi_rest(at, errors);
    if at.get("secretRef").given() {
        errors.need(&at.get("secretRef").get("name"));
    }
    if at.get("initiatorName").given() {
        volume_drivers::iscsi_name(&at.get_as("initiatorName", "initiatorname"), format, errors);
    }
}

fn cinder(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("volumeID"));
    let secret = at.get("secretRef");
    if secret.given() {
        errors.need(&secret.get("name"));
        errors.need(&secret.get("namespace"));
    }
}

fn azure_file(at: &At<'_>, errors: &mut Errors) {
    volume_drivers::azure_file(at, errors);
    if at.get("secretNamespace").given() {
        errors.need(&at.get("secretNamespace"));
    }
}

fn local(at: &At<'_>, errors: &mut Errors) {
    if errors.need(&at.get("path")) {
        formats::no_backsteps(&at.get("path"), errors);
    }
}

fn storage_os(at: &At<'_>, errors: &mut Errors) {
    volume_drivers::storage_os(at, errors);
    if at.get("secretRef").given() {
        errors.need(&at.get("secretRef").get("namespace"));
    }
}

fn csi(at: &At<'_>, errors: &mut Errors) {
    volume_drivers::csi_driver_name(&at.get("driver"), errors);
    errors.need(&at.get("volumeHandle"));
    for field in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let secret = at.get(field);
        if !secret.given() {
            continue;
        }
        if errors.need(&secret.get("name")) {
            formats::subdomain(&secret.get("name"), errors);
        }
        if errors.need(&secret.get("namespace")) {
            formats::label(&secret.get("namespace"), errors);
        }
    }
}

/// A volume keeps its source and its mode.
pub(crate) fn volume_update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    volume(new, errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let sources = |spec: &At<'_>| -> Value {
        let of = SOURCES.iter().map(|(field, ..)| (*field, spec.get(field)));
        of.filter(|(_, at)| at.given())
            .map(|(field, at)| (field.to_owned(), at.value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let (mut now, then) = (sources(&spec), sources(&before));
    let secret = "controllerExpandSecretRef";
    if before.get("csi").given()
        && !before.get("csi").get(secret).given()
        && let Some(csi) = now.get_mut("csi").and_then(Value::as_object_mut)
    {
        csi.shift_remove(secret);
    }
    if !same(&now, &then) {
        let shown = |source: &Value| go_value::internal("core/v1.PersistentVolumeSource", source);
        let difference = diff::unified(&shown(&then), &shown(&now));
        errors.forbidden(
            &At::absent("spec.persistentvolumesource"),
            format!("spec.persistentvolumesource is immutable after creation\n{difference}"),
        );
    }
    errors.immutable(
        &spec.get("volumeMode").shown_at("volumeMode"),
        &before.get("volumeMode"),
    );
    if before.get("nodeAffinity").given()
        && !same(
            spec.get("nodeAffinity").value,
            before.get("nodeAffinity").value,
        )
    {
        let shown =
            go_value::internal("core/v1.VolumeNodeAffinity", spec.get("nodeAffinity").value);
        errors.invalid_value(
            &At::absent("nodeAffinity"),
            shown,
            "field is immutable, except for updating from beta label to GA",
        );
    }
    let class = spec.get("volumeAttributesClassName");
    if before.get("volumeAttributesClassName").given() && !class.given() {
        errors.forbidden(&class, "update from non-nil value to nil is forbidden");
    }
}
