//! Environment variables of a container and where their values come from (pkg/apis/core/validation/validation.go, ValidateEnv).

use super::at::{At, Errors};
use super::formats;
use crate::names;

/// What `fieldRef` may name in a variable and in a file of a volume.
pub(crate) const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
pub(crate) const VOLUME_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// Every field of a pod that a `fieldRef` can be converted from.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: &[&str] = &[
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];
const ONE_AT_A_TIME: &str = "may not have more than one field specified at a time";

pub(crate) fn variables(at: &At<'_>, errors: &mut Errors) {
    for variable in at.items() {
        let name = variable.get("name");
        if errors.need(&name) {
            errors.each(&name, formats::variable_name(name.text()));
        }
        let from = variable.get("valueFrom");
        if from.given() {
            value_from(&from, !variable.get("value").empty(), errors);
        }
    }
}

fn value_from(at: &At<'_>, has_value: bool, errors: &mut Errors) {
    let mut found = 0;
    let mut source = |name: &str| {
        let source = at.get(name);
        found += usize::from(source.given());
        source.given().then_some(source)
    };
    let sources = [
        source("fieldRef"),
        source("resourceFieldRef"),
        source("configMapKeyRef"),
        source("secretKeyRef"),
        source("fileKeyRef"),
    ];
    let [field, resource, config_map, secret, file] = &sources;
    if let Some(field) = field {
        field_ref(field, ENV_FIELDS, errors);
    }
    if let Some(resource) = resource {
        resource_ref(resource, false, errors);
    }
    for keyed in [config_map, secret].into_iter().flatten() {
        key_ref(keyed, errors);
    }
    if let Some(file) = file {
        file_ref(file, errors);
    }
    if found == 0 {
        errors.invalid_value(at, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
    } else if has_value {
        errors.invalid_value(at, "", "may not be specified when `value` is not empty");
    } else if found > 1 {
        errors.invalid_value(at, "", ONE_AT_A_TIME);
    }
}

/// A field of the pod; labels and annotations may be picked by key.
pub(crate) fn field_ref(at: &At<'_>, allowed: &[&str], errors: &mut Errors) {
    let path = at.get("fieldPath");
    if !errors.need(&at.get("apiVersion")) || !errors.need(&path) {
        return;
    }
    let subscript = path
        .text()
        .strip_suffix("']")
        .and_then(|rest| rest.split_once("['"));
    let name = subscript.map_or(path.text(), |(name, _)| name);
    let name = if name == "spec.host" {
        "spec.nodeName"
    } else {
        name
    };
    if at.get("apiVersion").text() != "v1" {
        let version = at.get("apiVersion").text();
        errors.invalid(
            &path,
            format!("error converting fieldPath: unsupported pod version: {version}"),
        );
        return;
    }
    if !KNOWN_FIELDS.contains(&name) {
        errors.invalid(
            &path,
            format!(
                "error converting fieldPath: field label not supported: {}",
                path.text()
            ),
        );
        return;
    }
    match (name, subscript) {
        ("metadata.annotations", Some((_, key))) => {
            for problem in names::label_key(&key.to_lowercase()) {
                errors.invalid_value(at, key.to_lowercase(), problem);
            }
        }
        ("metadata.labels", Some((_, key))) => {
            for problem in names::label_key(key) {
                errors.invalid_value(at, key, problem);
            }
        }
        (_, Some(_)) => {
            errors.invalid(
                &path,
                format!(
                    "error converting fieldPath: field label does not support subscript: {name}"
                ),
            );
        }
        (_, None) if !allowed.contains(&name) => errors.unsupported(&path, allowed),
        _ => {}
    }
}

/// A resource of a container; in a volume the container must be named.
pub(crate) fn resource_ref(at: &At<'_>, volume: bool, errors: &mut Errors) {
    let resource = at.get("resource");
    let name = resource.text();
    let huge = name.starts_with("requests.hugepages-") || name.starts_with("limits.hugepages-");
    if volume && at.get("containerName").empty() {
        errors.required(&at.get("containerName"), "");
    } else if name.is_empty() {
        errors.required(&resource, "");
    } else if !RESOURCES.contains(&name) && !huge {
        errors.unsupported(&resource, RESOURCES);
    }
    divisor(at, name, huge, errors);
}

fn divisor(at: &At<'_>, resource: &str, huge: bool, errors: &mut Errors) {
    let divisor = at.get("divisor");
    if divisor.quantity().is_zero() {
        return;
    }
    let text = divisor.quantity().to_string();
    let sizes = SIZES.join(", ");
    let what = match resource {
        "limits.cpu" | "requests.cpu" => {
            if !matches!(text.as_str(), "1m" | "1") {
                errors.invalid_value(
                    &divisor,
                    resource,
                    "only divisor's values 1m and 1 are supported with the cpu resource",
                );
            }
            return;
        }
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !SIZES.contains(&text.as_str()) {
        errors.invalid_value(
            &divisor,
            resource,
            format!("only divisor's values {sizes} are supported with the {what} resource"),
        );
    }
}

fn key_ref(at: &At<'_>, errors: &mut Errors) {
    formats::subdomain(&at.get("name"), errors);
    let key = at.get("key");
    if errors.need(&key) {
        errors.each(&key, formats::config_key(key.text()));
    }
}

fn file_ref(at: &At<'_>, errors: &mut Errors) {
    let (key, volume, path) = (at.get("key"), at.get("volumeName"), at.get("path"));
    if errors.need(&key) {
        errors.each(&key, formats::variable_name(key.text()));
    }
    if errors.need(&volume) {
        formats::label(&volume, errors);
    }
    if errors.need(&path) {
        formats::no_backsteps(&path, errors);
    }
}

/// Whole config maps and secrets as variables.
pub(crate) fn from(at: &At<'_>, errors: &mut Errors) {
    for source in at.items() {
        let prefix = source.get("prefix");
        if !prefix.empty() {
            errors.each(&prefix, formats::variable_name(prefix.text()));
        }
        let mut found = 0;
        for kind in ["configMapRef", "secretRef"] {
            let reference = source.get(kind);
            if reference.given() {
                found += 1;
                if errors.need(&reference.get("name")) {
                    formats::subdomain(&reference.get("name"), errors);
                }
            }
        }
        match found {
            0 => errors.invalid_value(at, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid_value(at, "", ONE_AT_A_TIME),
        }
    }
}
