//! Volumes that somebody's driver brings, in pods and as persistent volumes (pkg/apis/core/validation/validation.go).

use super::at::{At, Errors};
use super::formats;
use crate::names;

pub(crate) const ISCSI_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

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

pub(crate) fn nfs(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("server"));
    let path = at.get("path");
    errors.need(&path);
    if !path.text().starts_with('/') {
        errors.invalid(&path, "must be an absolute path");
    }
}

pub(super) fn iscsi(at: &At<'_>, errors: &mut Errors) {
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

pub(super) fn glusterfs(at: &At<'_>, errors: &mut Errors) {
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

pub(super) fn claim(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("claimName"));
}

pub(crate) fn rbd(at: &At<'_>, errors: &mut Errors) {
    if at.get("monitors").empty() {
        errors.required(&at.get("monitors"), "");
    }
    errors.need(&at.get("image"));
}

pub(super) fn cinder(at: &At<'_>, errors: &mut Errors) {
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

pub(super) fn csi(at: &At<'_>, errors: &mut Errors) {
    csi_driver_name(&at.get("driver"), errors);
    let secret = at.get("nodePublishSecretRef");
    if secret.given() && errors.need(&secret.get("name")) {
        for problem in names::dns1123_subdomain(secret.get("name").text()) {
            errors.invalid_value(&at.get("name"), secret.get("name").text(), problem);
        }
    }
}
