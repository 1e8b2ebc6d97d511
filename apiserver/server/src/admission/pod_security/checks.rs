//! The checks of the Pod Security Standards, each with the versions from which it is as it is
//! (k8s.io/pod-security-admission policy/check_*.go and registry.go).

mod baseline;
mod restricted;

use super::pod::Pod;
use super::policy::{Level, Standard, Version};
use baseline::{
    SE_LINUX_TYPES, added_capabilities, app_armor, host_namespaces, host_paths, host_ports,
    host_process, privileged, probed_hosts, proc_mount, se_linux, seccomp, seccomp_annotations,
    sysctls,
};
use restricted::{
    privilege_escalation, restricted_volumes, run_as_root, run_as_user_0, seccomp_required,
    undropped_capabilities,
};

/// What a check has against a pod: in few words, and with what is meant.
pub(super) struct Violation {
    pub(super) reason: String,
    pub(super) detail: String,
}

type CheckPod = fn(&Pod<'_>) -> Option<Violation>;

struct Check {
    id: &'static str,
    /// Each from a minor version on.
    versions: &'static [(u32, CheckPod)],
    /// The baseline check that a restricted one stands for.
    overrides: &'static str,
}

/// A newer version than this has nothing that it has not.
const NEWEST: u32 = 37;

/// In the order in which violations are listed.
const BASELINE: &[Check] = &[
    baseline("appArmorProfile", &[(0, app_armor)]),
    baseline("capabilities_baseline", &[(0, added_capabilities)]),
    baseline("hostNamespaces", &[(0, host_namespaces)]),
    baseline("hostPathVolumes", &[(0, host_paths)]),
    baseline("hostPorts", &[(0, host_ports)]),
    baseline("hostProbesAndHostLifecycle", &[(34, probed_hosts)]),
    baseline("privileged", &[(0, privileged)]),
    baseline(
        "procMount",
        &[
            (0, proc_mount),
            (35, |pod| unless(pod.has_own_users(), pod, proc_mount)),
        ],
    ),
    baseline(
        "seLinuxOptions",
        &[
            (0, |pod| se_linux(pod, &SE_LINUX_TYPES[..4])),
            (31, |pod| se_linux(pod, &SE_LINUX_TYPES)),
        ],
    ),
    baseline(
        "seccompProfile_baseline",
        &[(0, seccomp_annotations), (19, seccomp)],
    ),
    baseline(
        "sysctls",
        &[
            (0, |pod| sysctls(pod, 5)),
            (27, |pod| sysctls(pod, 6)),
            (29, |pod| sysctls(pod, 10)),
            (32, |pod| sysctls(pod, 12)),
            (37, |pod| sysctls(pod, 14)),
        ],
    ),
    baseline("windowsHostProcess", &[(0, host_process)]),
];

const RESTRICTED: &[Check] = &[
    restricted(
        "allowPrivilegeEscalation",
        "",
        &[
            (8, privilege_escalation),
            (25, |pod| {
                unless(pod.is_windows(), pod, privilege_escalation)
            }),
        ],
    ),
    restricted(
        "capabilities_restricted",
        "capabilities_baseline",
        &[
            (22, undropped_capabilities),
            (25, |pod| {
                unless(pod.is_windows(), pod, undropped_capabilities)
            }),
        ],
    ),
    restricted("procMount_restricted", "procMount", &[(35, proc_mount)]),
    restricted(
        "restrictedVolumes",
        "hostPathVolumes",
        &[(0, restricted_volumes)],
    ),
    restricted(
        "runAsNonRoot",
        "",
        &[
            (0, run_as_root),
            (35, |pod| unless(pod.has_own_users(), pod, run_as_root)),
        ],
    ),
    restricted(
        "runAsUser",
        "",
        &[
            (23, run_as_user_0),
            (35, |pod| unless(pod.has_own_users(), pod, run_as_user_0)),
        ],
    ),
    restricted(
        "seccompProfile_restricted",
        "seccompProfile_baseline",
        &[
            (19, seccomp_required),
            (25, |pod| unless(pod.is_windows(), pod, seccomp_required)),
        ],
    ),
];

const fn baseline(id: &'static str, versions: &'static [(u32, CheckPod)]) -> Check {
    restricted(id, "", versions)
}

const fn restricted(
    id: &'static str,
    overrides: &'static str,
    versions: &'static [(u32, CheckPod)],
) -> Check {
    Check {
        id,
        versions,
        overrides,
    }
}

impl Check {
    fn at(&self, minor: u32) -> Option<CheckPod> {
        let reached = self.versions.iter().rev();
        reached
            .filter(|(from, _)| *from <= minor)
            .map(|(_, check)| *check)
            .next()
    }
}

/// What a pod violates of a standard.
pub(super) fn evaluate(standard: Standard, pod: &Pod<'_>) -> Vec<Violation> {
    let minor = match standard.version {
        Version::Minor(minor) => minor.min(NEWEST),
        Version::Latest => NEWEST,
    };
    let restricted: Vec<(&Check, CheckPod)> = match standard.level {
        Level::Privileged => return Vec::new(),
        Level::Baseline => Vec::new(),
        Level::Restricted => RESTRICTED
            .iter()
            .filter_map(|check| Some((check, check.at(minor)?)))
            .collect(),
    };
    let stands = |check: &&Check| !restricted.iter().any(|(by, _)| by.overrides == check.id);
    let baseline = BASELINE.iter().filter(stands);
    let checks = baseline
        .filter_map(|check| check.at(minor))
        .chain(restricted.iter().map(|(_, check)| *check));
    checks.filter_map(|check| check(pod)).collect()
}

fn violation(reason: &str, detail: String) -> Option<Violation> {
    Some(Violation {
        reason: reason.to_owned(),
        detail,
    })
}

fn unless(excused: bool, pod: &Pod<'_>, check: CheckPod) -> Option<Violation> {
    if excused { None } else { check(pod) }
}
