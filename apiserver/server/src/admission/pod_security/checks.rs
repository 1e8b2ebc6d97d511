//! The checks of the Pod Security Standards, each with the versions from which it is as it is
//! (k8s.io/pod-security-admission policy/check_*.go and registry.go).

use std::collections::BTreeSet;

use serde_json::Value;
use triad_machinery::goformat::quote;

use super::pod::{Pod, items, listed, named, plural, quoted, text, who};
use super::policy::{Level, Standard, Version};

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

fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
    let mut values = BTreeSet::new();
    let mut setters = pod.setters("appArmorProfile", &mut values, |profile| {
        !matches!(text(&profile["type"]), "RuntimeDefault" | "Localhost")
    });
    let allowed = |value: &str| {
        value.is_empty() || value == "runtime/default" || value.starts_with("localhost/")
    };
    let annotated: BTreeSet<String> = pod
        .annotations()
        .filter(|(key, value)| key.starts_with(ANNOTATION) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", quote(value)))
        .collect();
    let mut values = listed(values);
    if !annotated.is_empty() {
        setters.push(format!("annotation{}", plural(annotated.len())));
        values.extend(annotated);
    }
    if setters.is_empty() {
        return None;
    }
    violation(
        &format!("forbidden AppArmor profile{}", plural(values.len())),
        format!(
            "{} must not set AppArmor profile type to {}",
            setters.join(" and "),
            quoted(&values)
        ),
    )
}

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The containers that add other capabilities than these, and what they add.
fn adding(pod: &Pod<'_>, allowed: &[&str]) -> Option<String> {
    let mut added = BTreeSet::new();
    let mut containers = Vec::new();
    for container in pod.containers() {
        let capabilities = items(&container["securityContext"]["capabilities"]["add"]);
        let others = capabilities
            .map(text)
            .filter(|name| !allowed.contains(name));
        let before = containers.len();
        for other in others {
            added.insert(other.to_owned());
            containers.truncate(before);
            containers.push(text(&container["name"]));
        }
    }
    (!containers.is_empty()).then(|| {
        format!(
            "{} must not include {} in securityContext.capabilities.add",
            named("container", &containers),
            quoted(&listed(added))
        )
    })
}

fn added_capabilities(pod: &Pod<'_>) -> Option<Violation> {
    violation(
        "non-default capabilities",
        adding(pod, &DEFAULT_CAPABILITIES)?,
    )
}

fn undropped_capabilities(pod: &Pod<'_>) -> Option<Violation> {
    let keeping = pod.containers_where(|container| {
        let mut dropped = items(&container["securityContext"]["capabilities"]["drop"]);
        !dropped.any(|name| name == "ALL")
    });
    let keeping = (!keeping.is_empty()).then(|| {
        let who = named("container", &keeping);
        format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]")
    });
    let details: Vec<String> = keeping
        .into_iter()
        .chain(adding(pod, &["NET_BIND_SERVICE"]))
        .collect();
    if details.is_empty() {
        return None;
    }
    violation("unrestricted capabilities", details.join("; "))
}

fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let shared: Vec<String> = shared
        .filter(|field| pod.spec[field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if shared.is_empty() {
        return None;
    }
    violation("host namespaces", shared.join(", "))
}

fn host_paths(pod: &Pod<'_>) -> Option<Violation> {
    let volumes = items(&pod.spec["volumes"]).filter(|volume| !volume["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(|volume| text(&volume["name"])).collect();
    if names.is_empty() {
        return None;
    }
    violation("hostPath volumes", named("volume", &names))
}

fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
    let ports_of = |container: &Value| -> Vec<String> {
        let ports = items(&container["ports"]).filter_map(|port| port["hostPort"].as_i64());
        ports
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect()
    };
    let containers = pod.containers_where(|container| !ports_of(container).is_empty());
    if containers.is_empty() {
        return None;
    }
    let ports: BTreeSet<String> = pod.containers().flat_map(ports_of).collect();
    let detail = format!(
        "{} {} hostPort{} {}",
        named("container", &containers),
        uses(containers.len()),
        plural(ports.len()),
        listed(ports).join(", ")
    );
    violation("hostPort", detail)
}

fn uses(count: usize) -> &'static str {
    if count == 1 { "uses" } else { "use" }
}

fn probed_hosts(pod: &Pod<'_>) -> Option<Violation> {
    let hosts_of = |container: &Value| -> Vec<String> {
        let handlers = [
            &container["livenessProbe"],
            &container["readinessProbe"],
            &container["startupProbe"],
            &container["lifecycle"]["postStart"],
            &container["lifecycle"]["preStop"],
        ];
        let hosts = handlers
            .into_iter()
            .flat_map(|handler| ["httpGet", "tcpSocket"].map(|kind| text(&handler[kind]["host"])));
        hosts
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let containers = pod.containers_where(|container| !hosts_of(container).is_empty());
    if containers.is_empty() {
        return None;
    }
    let containers: BTreeSet<&str> = containers.into_iter().collect();
    let containers: Vec<&str> = containers.into_iter().collect();
    let hosts: BTreeSet<String> = pod.containers().flat_map(hosts_of).collect();
    let detail = format!(
        "{} {} probe or lifecycle host{} {}",
        named("container", &containers),
        uses(containers.len()),
        plural(hosts.len()),
        quoted(&listed(hosts))
    );
    violation("probe or lifecycle host", detail)
}

fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let containers = pod.containers_where(|c| c["securityContext"]["privileged"] == true);
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    violation(
        "privileged",
        format!("{who} must not set securityContext.privileged=true"),
    )
}

fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let unmasked = |container: &Value| {
        let mount = container["securityContext"]["procMount"].as_str()?;
        (mount != "Default").then(|| mount.to_owned())
    };
    let containers = pod.containers_where(|container| unmasked(container).is_some());
    if containers.is_empty() {
        return None;
    }
    let mounts: BTreeSet<String> = pod.containers().filter_map(unmasked).collect();
    let detail = format!(
        "{} must not set securityContext.procMount to {}",
        named("container", &containers),
        quoted(&listed(mounts))
    );
    violation("procMount", detail)
}

/// The last one came later.
const SE_LINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

fn se_linux(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let bad_type = |options: &Value| !allowed.contains(&text(&options["type"]));
    let sets = |options: &Value, field: &str| !text(&options[field]).is_empty();
    let setters = pod.setters("seLinuxOptions", &mut BTreeSet::new(), |options| {
        bad_type(options) || sets(options, "user") || sets(options, "role")
    });
    if setters.is_empty() {
        return None;
    }
    let everyone = std::iter::once(pod.spec).chain(pod.containers());
    let options: Vec<&Value> = everyone
        .map(|of| &of["securityContext"]["seLinuxOptions"])
        .filter(|options| !options.is_null())
        .collect();
    let types: BTreeSet<&str> = options
        .iter()
        .filter(|options| bad_type(options))
        .map(|options| text(&options["type"]))
        .collect();
    let types: Vec<&str> = types.into_iter().collect();
    let mut bad = Vec::new();
    if !types.is_empty() {
        bad.push(named("type", &types));
    }
    for field in ["user", "role"] {
        if options.iter().any(|options| sets(options, field)) {
            bad.push(format!("{field} may not be set"));
        }
    }
    let detail = format!(
        "{} set forbidden securityContext.seLinuxOptions: {}",
        setters.join(" and "),
        bad.join("; ")
    );
    violation("seLinuxOptions", detail)
}

fn is_seccomp_bad(profile: &Value) -> bool {
    !matches!(text(&profile["type"]), "Localhost" | "RuntimeDefault")
}

/// What said it before there were fields.
fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
    const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    let of_container = |container: &Value| {
        let name = text(&container["name"]);
        format!("container.seccomp.security.alpha.kubernetes.io/{name}")
    };
    let keys: BTreeSet<String> = pod
        .containers()
        .map(of_container)
        .chain([POD.to_owned()])
        .collect();
    let allowed = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let forbidden: BTreeSet<String> = pod
        .annotations()
        .filter(|(key, value)| keys.contains(*key) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", quote(value)))
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let detail = format!(
        "forbidden annotation{} {}",
        plural(forbidden.len()),
        listed(forbidden).join(", ")
    );
    violation("seccompProfile", detail)
}

fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    let mut values = BTreeSet::new();
    let setters = pod.setters("seccompProfile", &mut values, is_seccomp_bad);
    if setters.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must not set securityContext.seccompProfile.type to {}",
        setters.join(" and "),
        quoted(&listed(values))
    );
    violation("seccompProfile", detail)
}

fn seccomp_required(pod: &Pod<'_>) -> Option<Violation> {
    if let Some(bad) = seccomp(pod) {
        return Some(bad);
    }
    let unset = |of: &Value| of["securityContext"]["seccompProfile"].is_null();
    let containers = pod.containers_where(unset);
    if !unset(pod.spec) || containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    violation(
        "seccompProfile",
        format!(
            "pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""
        ),
    )
}

/// Each version allows the first so many.
const SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_notsent_lowat",
];

fn sysctls(pod: &Pod<'_>, allowed: usize) -> Option<Violation> {
    let names = items(&pod.spec["securityContext"]["sysctls"]).map(|sysctl| text(&sysctl["name"]));
    let forbidden: Vec<&str> = names
        .filter(|name| !SYSCTLS[..allowed].contains(name))
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    violation("forbidden sysctls", forbidden.join(", "))
}

fn host_process(pod: &Pod<'_>) -> Option<Violation> {
    let sets = |of: &Value| of["securityContext"]["windowsOptions"]["hostProcess"] == true;
    let setters = who(sets(pod.spec), &pod.containers_where(sets));
    if setters.is_empty() {
        return None;
    }
    let who = setters.join(" and ");
    violation(
        "hostProcess",
        format!("{who} must not set securityContext.windowsOptions.hostProcess=true"),
    )
}

fn privilege_escalation(pod: &Pod<'_>) -> Option<Violation> {
    let containers =
        pod.containers_where(|c| c["securityContext"]["allowPrivilegeEscalation"] != false);
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    violation(
        "allowPrivilegeEscalation != false",
        format!("{who} must set securityContext.allowPrivilegeEscalation=false"),
    )
}

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The other kinds of volumes, in the order in which upstream looks for them.
const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

fn restricted_volumes(pod: &Pod<'_>) -> Option<Violation> {
    let is = |volume: &Value, kind: &str| !volume[kind].is_null();
    let bad: Vec<&Value> = items(&pod.spec["volumes"])
        .filter(|volume| !VOLUMES.iter().any(|kind| is(volume, kind)))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let kind_of = |volume: &&Value| {
        let kind = OTHER_VOLUMES.into_iter().find(|kind| is(volume, kind));
        kind.unwrap_or("unknown").to_owned()
    };
    let kinds: BTreeSet<String> = bad.iter().map(kind_of).collect();
    let names: Vec<&str> = bad.iter().map(|volume| text(&volume["name"])).collect();
    let detail = format!(
        "{} {} restricted volume type{} {}",
        named("volume", &names),
        uses(names.len()),
        plural(kinds.len()),
        quoted(&listed(kinds))
    );
    violation("restricted volume types", detail)
}

fn run_as_root(pod: &Pod<'_>) -> Option<Violation> {
    let asked = |of: &Value| of["securityContext"]["runAsNonRoot"].as_bool();
    let refused = |of: &Value| asked(of) == Some(false);
    let setters = who(refused(pod.spec), &pod.containers_where(refused));
    let detail = if setters.is_empty() {
        let silent = pod.containers_where(|container| asked(container).is_none());
        if asked(pod.spec) == Some(true) || silent.is_empty() {
            return None;
        }
        let who = named("container", &silent);
        format!("pod or {who} must set securityContext.runAsNonRoot=true")
    } else {
        let who = setters.join(" and ");
        format!("{who} must not set securityContext.runAsNonRoot=false")
    };
    violation("runAsNonRoot != true", detail)
}

fn run_as_user_0(pod: &Pod<'_>) -> Option<Violation> {
    let is_root = |of: &Value| of["securityContext"]["runAsUser"] == 0;
    let setters = who(is_root(pod.spec), &pod.containers_where(is_root));
    if setters.is_empty() {
        return None;
    }
    let who = setters.join(" and ");
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}
