//! Security contexts of pods and containers, and the annotations that once stood in their place
//! (pkg/apis/core/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::pods::Settings;
use super::{formats, go_value, windows};

const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

pub(crate) fn container(at: &At<'_>, host_users: bool, settings: &Settings, errors: &mut Errors) {
    if !at.given() {
        return;
    }
    let privileged = at.get("privileged");
    if privileged.yes() && !settings.allow_privileged {
        errors.forbidden(&privileged, "disallowed by cluster policy");
    }
    formats::user_id(&at.get("runAsUser"), errors);
    formats::user_id(&at.get("runAsGroup"), errors);
    let mount = at.get("procMount");
    if mount.given() {
        errors.one_of(&mount, &["Default", "Unmasked"]);
        if host_users && mount.text() == "Unmasked" {
            errors.invalid(&mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(&at.get("seccompProfile"), errors);
    let escalation = at.get("allowPrivilegeEscalation");
    if escalation.given() && !escalation.yes() {
        let shown = go_value::internal("core/v1.SecurityContext", at.value);
        if privileged.yes() {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_value(at, shown.clone(), why);
        }
        let added = at.get("capabilities").get("add").strings();
        for _ in added.iter().filter(|cap| **cap == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_value(at, shown.clone(), why);
        }
    }
    windows::options(&at.get("windowsOptions"), errors);
    app_armor(&at.get("appArmorProfile"), errors);
}

pub(crate) fn pod(at: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    if !at.given() {
        return;
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        formats::user_id(&at.get(field), errors);
    }
    for group in at.get("supplementalGroups").items() {
        formats::user_id(&group, errors);
    }
    sysctls(&at.get("sysctls"), spec, errors);
    let set = |field: &str, known: &[&str], errors: &mut Errors| {
        if at.get(field).given() {
            errors.one_of(&at.get(field), known);
        }
    };
    set("fsGroupChangePolicy", &["Always", "OnRootMismatch"], errors);
    seccomp(&at.get("seccompProfile"), errors);
    windows::options(&at.get("windowsOptions"), errors);
    app_armor(&at.get("appArmorProfile"), errors);
    set("supplementalGroupsPolicy", &["Merge", "Strict"], errors);
    set("seLinuxChangePolicy", &["MountOption", "Recursive"], errors);
}

fn seccomp(at: &At<'_>, errors: &mut Errors) {
    if !at.given() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    if kind.empty() {
        errors.required(&kind, "type is required when seccompProfile is set");
    } else {
        errors.one_of(&kind, PROFILES);
    }
    if kind.text() != "Localhost" {
        if profile.given() {
            let shown = go_value::internal("core/v1.SeccompProfile", at.value);
            errors.invalid_value(
                &profile,
                shown,
                "can only be set when seccomp type is Localhost",
            );
        }
    } else if profile.given() {
        formats::descending_path(&profile, errors);
    } else {
        errors.required(&profile, "must be set when seccomp type is Localhost");
    }
}

fn app_armor(at: &At<'_>, errors: &mut Errors) {
    const NEEDED: &str = "must be set when AppArmor type is Localhost";
    const PATH_MAX: usize = 4095;
    if !at.given() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    match kind.text() {
        "Localhost" if !profile.given() => errors.required(&profile, NEEDED),
        "Localhost" => {
            let name = profile.text();
            if name.trim() != name {
                errors.invalid(&profile, "must not be padded with whitespace");
            } else if name.is_empty() {
                errors.required(&profile, NEEDED);
            }
            if name.len() > PATH_MAX {
                errors.too_long(&profile, PATH_MAX);
            }
        }
        "RuntimeDefault" | "Unconfined" if profile.given() => {
            errors.invalid(&profile, "can only be set when AppArmor type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => errors.required(&kind, "type is required when appArmorProfile is set"),
        _ => errors.unsupported(&kind, PROFILES),
    }
}

fn sysctls(at: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for sysctl in at.items() {
        let name = sysctl.get("name");
        if name.empty() {
            errors.required(&name, "");
        } else if !sysctl_name(name.text()) {
            let shape = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&name, shape);
        } else if !seen.insert(name.text()) {
            errors.duplicate(&name);
        }
        let dotted = name.text().replace('/', ".");
        if spec.get("hostNetwork").yes() && dotted.starts_with("net.") {
            errors.invalid(&name, "may not be specified when 'hostNetwork' is true");
        } else if spec.get("hostIPC").yes()
            && (IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue."))
        {
            errors.invalid(&name, "may not be specified when 'hostIPC' is true");
        }
    }
}

/// Sysctls of the IPC namespace besides those below `fs.mqueue.`.
const IPC: &[&str] = &[
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
];

fn sysctl_name(name: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    name.len() <= 253
        && name.split(['.', '/']).all(|part| {
            let bytes = part.as_bytes();
            end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
        })
}

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
pub(crate) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The seccomp and AppArmor annotations of a pod or template.
pub(crate) fn annotations(at: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    for (key, value) in at.entries() {
        if key == SECCOMP_POD || key.starts_with(SECCOMP_CONTAINER) {
            let place = value.shown_at(format!("{}.{key}", at.path));
            match value.text() {
                "runtime/default" | "docker/default" | "unconfined" => {}
                text => match text.strip_prefix("localhost/") {
                    Some(_) => formats::descending_path(&place, errors),
                    None => errors.invalid(&place, "must be a valid seccomp profile"),
                },
            }
        }
    }
    for (key, value) in at.entries() {
        let Some(container) = key.strip_prefix(APP_ARMOR) else {
            continue;
        };
        let named = |c: &At<'_>| c.get("name").text() == container;
        if !super::containers::all(spec).iter().any(|(_, c)| named(c)) {
            errors.invalid_value(&value, container, "container not found");
        }
        let text = value.text();
        if !matches!(text, "" | "runtime/default" | "unconfined") && !text.starts_with("localhost/")
        {
            errors.invalid(
                &value,
                format!(
                    "invalid AppArmor profile name: {}",
                    crate::goformat::quote(text)
                ),
            );
        }
    }
}

/// Annotations and fields must say the same on create.
pub(crate) fn annotations_match(pod: &At<'_>, errors: &mut Errors) {
    let (spec, notes) = (pod.get("spec"), pod.get("metadata").get("annotations"));
    let of_pod = spec.get("securityContext");
    matching(
        &notes.get(SECCOMP_POD),
        &of_pod.get("seccompProfile"),
        "seccomp",
        errors,
    );
    let containers = super::containers::all(&spec);
    for (_, container) in &containers {
        let key = format!("{SECCOMP_CONTAINER}{}", container.get("name").text());
        let field = container.get("securityContext").get("seccompProfile");
        matching(&notes.get(&key), &field, "seccomp", errors);
    }
    if spec.get("os").get("name").text() == "windows" {
        return;
    }
    for (_, container) in &containers {
        let key = format!("{APP_ARMOR}{}", container.get("name").text());
        let own = container.get("securityContext").get("appArmorProfile");
        let field = if own.given() {
            own.clone()
        } else {
            of_pod.get("appArmorProfile").shown_at(&own.path)
        };
        matching(&notes.get(&key), &field, "apparmor", errors);
    }
}

fn matching(annotation: &At<'_>, field: &At<'_>, what: &str, errors: &mut Errors) {
    if !annotation.given() || !field.given() {
        return;
    }
    let (text, kind) = (annotation.text(), field.get("type"));
    let same = match kind.text() {
        "Unconfined" => text == "unconfined",
        "RuntimeDefault" => {
            text == "runtime/default" || (what == "seccomp" && text == "docker/default")
        }
        "Localhost" => text.starts_with("localhost/"),
        _ => true,
    };
    let profile = field.get("localhostProfile");
    if !same {
        errors.forbidden(
            &kind,
            format!("{what} type in annotation and field must match"),
        );
    } else if kind.text() == "Localhost"
        && text.strip_prefix("localhost/") != profile.value.as_str()
    {
        errors.forbidden(
            &profile,
            format!("{what} profile in annotation and field must match"),
        );
    }
}
