//! What only Windows pods have and what they cannot have (pkg/apis/core/validation/validation.go).

use serde_json::json;

use super::at::{At, Errors};
use super::containers;
use super::formats;
use super::pods::Settings;

const SPEC_MAX_KIB: usize = 64;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;
const NOT_ON_WINDOWS: &str = "cannot be set for a windows pod";

pub(crate) fn options(at: &At<'_>, errors: &mut Errors) {
    let (name, spec, user) = (
        at.get("gmsaCredentialSpecName"),
        at.get("gmsaCredentialSpec"),
        at.get("runAsUserName"),
    );
    if name.given() {
        formats::subdomain(&name, errors);
    }
    if spec.given() && spec.empty() {
        errors.invalid(&spec, "gmsaCredentialSpec cannot be an empty string");
    } else if spec.text().len() > SPEC_MAX_KIB * 1024 {
        errors.invalid(
            &spec,
            format!("gmsaCredentialSpec size must be under {SPEC_MAX_KIB} KiB"),
        );
    }
    if user.given() {
        user_name(&user, errors);
    }
}

fn user_name(at: &At<'_>, errors: &mut Errors) {
    let text = at.text();
    if text.is_empty() {
        return errors.invalid(at, "runAsUserName cannot be an empty string");
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return errors.invalid(at, "runAsUserName cannot contain control characters");
    }
    let parts: Vec<&str> = text.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return errors.invalid(at, "runAsUserName cannot contain more than one backslash"),
    };
    if domain.is_some_and(|domain| domain.len() >= DOMAIN_MAX) {
        errors.invalid(
            at,
            format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"),
        );
    }
    if domain.is_some_and(|domain| !net_bios(domain) && !dns(domain)) {
        errors.invalid(
            at,
            "runAsUserName's Domain doesn't match the NetBios nor the DNS format",
        );
    }
    if user.is_empty() {
        errors.invalid(at, "runAsUserName's User cannot be empty");
    } else if user.len() > USER_MAX {
        errors.invalid(
            at,
            format!("runAsUserName's User length must not be longer than {USER_MAX} characters"),
        );
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        errors.invalid(
            at,
            "runAsUserName's User cannot contain only periods or spaces",
        );
    }
    if user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        errors.invalid(
            at,
            "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]",
        );
    }
}

fn net_bios(domain: &str) -> bool {
    let count = domain.chars().count();
    (1..=15).contains(&count)
        && !domain.starts_with('.')
        && !domain.contains(|c| "\\/:*?\"<>|".contains(c))
}

fn dns(domain: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && end(bytes.first())
            && end(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    })
}

/// Containers that are processes of the host are all of a pod's or none.
pub(crate) fn host_processes(spec: &At<'_>, settings: &Settings, errors: &mut Errors) {
    let of = |at: &At<'_>| {
        at.get("securityContext")
            .get("windowsOptions")
            .get("hostProcess")
            .value
            .as_bool()
    };
    let of_pod = of(spec);
    let all = containers::all(spec);
    let mut count = 0;
    for (_, container) in &all {
        let own = of(container);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let at = container
                .get("securityContext")
                .get("windowsOptions")
                .get("hostProcess");
            errors.invalid(
                &at,
                format!("pod hostProcess value must be identical if both are specified, was {pod}"),
            );
        }
        count += usize::from(own.or(of_pod) == Some(true));
    }
    if count == 0 {
        return;
    }
    if count != all.len() {
        errors.invalid_value(spec, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    }
    if !spec.get("hostNetwork").yes() {
        errors.invalid_value(
            &spec.get("hostNetwork"),
            json!(false),
            "hostNetwork must be true if pod contains any hostProcess containers",
        );
    }
    if !settings.allow_privileged {
        errors.forbidden(
            spec,
            "hostProcess containers are disallowed by cluster policy",
        );
    }
}

/// `spec.os` and what may not be set under it.
pub(crate) fn os(spec: &At<'_>, errors: &mut Errors) {
    let os = spec.get("os");
    if !os.given() {
        return;
    }
    let name = os.get("name");
    match name.text() {
        "" => errors.required(&name, ""),
        "linux" => {
            let why = "windows options cannot be set for a linux pod";
            let mut check = |context: At<'_>| {
                if context.get("windowsOptions").given() {
                    errors.forbidden(&context.get("windowsOptions"), why);
                }
            };
            check(spec.get("securityContext"));
            for (_, container) in containers::all(spec) {
                check(container.get("securityContext"));
            }
        }
        "windows" => on_windows(spec, errors),
        _ => errors.unsupported(&name.shown_at(&os.path), &["linux", "windows"]),
    }
}

fn on_windows(spec: &At<'_>, errors: &mut Errors) {
    const POD: &[&str] = &[
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const CONTAINER: &[&str] = &[
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let mut refuse = |at: At<'_>, fields: &[&str]| {
        for field in fields.iter().filter(|field| at.get(field).given()) {
            errors.forbidden(&at.get(field), NOT_ON_WINDOWS);
        }
    };
    refuse(spec.get("securityContext"), POD);
    refuse(spec.clone(), &["hostUsers"]);
    for field in ["hostPID", "hostIPC"] {
        if spec.get(field).yes() {
            refuse(spec.clone(), &[field]);
        }
    }
    refuse(spec.clone(), &["shareProcessNamespace"]);
    for (_, container) in containers::all(spec) {
        refuse(container.get("securityContext"), CONTAINER);
    }
}
