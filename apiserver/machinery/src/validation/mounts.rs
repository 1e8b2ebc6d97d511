//! Where volumes appear in a container: mounts and block devices (pkg/apis/core/validation/validation.go,
//! ValidateVolumeMounts and ValidateVolumeDevices).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::formats;

fn named<'a, 'b>(volumes: &'b [At<'a>], name: &str) -> Option<&'b At<'a>> {
    volumes
        .iter()
        .find(|volume| volume.get("name").text() == name)
}

fn has(list: &At<'_>, field: &str, text: &str) -> bool {
    list.items().any(|item| item.get(field).text() == text)
}

pub(crate) fn mounts(container: &At<'_>, volumes: &[At<'_>], errors: &mut Errors) {
    let at = container.get("volumeMounts");
    let devices = container.get("volumeDevices");
    let mut points = HashSet::new();
    for mount in at.items() {
        let (name, path) = (mount.get("name"), mount.get("mountPath"));
        errors.need(&name);
        let volume = named(volumes, name.text());
        if volume.is_none() {
            errors.not_found(&name);
        }
        errors.need(&path);
        if !points.insert(path.text()) {
            errors.invalid(&path, "must be unique");
        }
        if has(&devices, "name", name.text()) {
            errors.invalid(&name, "must not already exist in volumeDevices");
        }
        if has(&devices, "devicePath", path.text()) {
            errors.invalid(&path, "must not already exist as a path in volumeDevices");
        }
        sub_paths(&at, &mount, errors);
        propagation(&at, &mount, container, errors);
        recursive_read_only(&at, &mount, errors);
        let options = mount.get("bindMountOptions");
        bind_options(&options, errors);
        if !options.empty() && volume.is_some_and(|volume| volume.get("image").given()) {
            errors.invalid(
                &options,
                "bindMountOptions may not be used with image volumes",
            );
        }
    }
}

/// Upstream names these fields below the list, not below the mount.
fn below<'a>(at: &At<'_>, mount: &At<'a>, field: &str) -> At<'a> {
    mount.get(field).shown_at(format!("{}.{field}", at.path))
}

fn sub_paths(at: &At<'_>, mount: &At<'_>, errors: &mut Errors) {
    if !mount.get("subPath").empty() {
        formats::descending_path(&below(at, mount, "subPath"), errors);
    }
    let expression = mount.get("subPathExpr");
    if !expression.empty() {
        if !mount.get("subPath").empty() {
            errors.invalid(
                &expression,
                "subPathExpr and subPath are mutually exclusive",
            );
        }
        formats::descending_path(&below(at, mount, "subPathExpr"), errors);
    }
}

fn propagation(at: &At<'_>, mount: &At<'_>, container: &At<'_>, errors: &mut Errors) {
    let mode = below(at, mount, "mountPropagation");
    if !mode.given() {
        return;
    }
    errors.one_of(&mode, &["Bidirectional", "HostToContainer", "None"]);
    let privileged = container.get("securityContext").get("privileged").yes();
    if mode.text() == "Bidirectional" && !privileged {
        errors.forbidden(
            &mode,
            "Bidirectional mount propagation is available only to privileged containers",
        );
    }
}

fn recursive_read_only(at: &At<'_>, mount: &At<'_>, errors: &mut Errors) {
    let mode = below(at, mount, "recursiveReadOnly");
    match mode.text() {
        _ if !mode.given() => {}
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.get("readOnly").yes() {
                errors.forbidden(&mode, "may only be specified when readOnly is true");
            }
            let propagation = mount.get("mountPropagation");
            if propagation.given() && propagation.text() != "None" {
                errors.forbidden(
                    &mode,
                    "may only be specified when mountPropagation is None or not specified",
                );
            }
        }
        _ => errors.unsupported(&mode, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn bind_options(at: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for option in at.items() {
        errors.one_of(&option, &["nodev", "noexec", "nosuid"]);
        if !seen.insert(option.text()) {
            errors.duplicate(&option);
        }
    }
}

pub(crate) fn devices(container: &At<'_>, volumes: &[At<'_>], errors: &mut Errors) {
    let mounts = container.get("volumeMounts");
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for device in container.get("volumeDevices").items() {
        let (name, path) = (device.get("name"), device.get("devicePath"));
        let volume = named(volumes, name.text());
        errors.need(&name);
        if names.contains(name.text()) {
            errors.invalid(&name, "must be unique");
        }
        match volume {
            None => errors.not_found(&name),
            Some(volume) if volume.get("persistentVolumeClaim").given() || volume.get("ephemeral").given() => {}
            Some(_) => errors.invalid(&name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"),
        }
        errors.need(&path);
        if paths.contains(path.text()) {
            errors.invalid(&path, "must be unique");
        }
        if path.text().split('/').any(|part| part == "..") {
            errors.invalid(&path, "can not contain backsteps ('..')");
        } else {
            paths.insert(path.text());
        }
        if has(&mounts, "name", name.text()) {
            errors.invalid(&name, "must not already exist in volumeMounts");
        }
        if has(&mounts, "mountPath", path.text()) {
            errors.invalid(&path, "must not already exist as a path in volumeMounts");
        }
        if !name.empty() {
            names.insert(name.text());
        }
    }
}
