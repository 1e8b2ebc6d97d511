//! The checks of the baseline level.

use std::collections::BTreeSet;

use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::pod::{items, text};

use super::{Violation, violation};
use crate::admission::pod_security::pod::{Pod, listed, named, plural, quoted, who};

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
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
pub(super) fn adding(pod: &Pod<'_>, allowed: &[&str]) -> Option<String> {
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

pub(super) fn added_capabilities(pod: &Pod<'_>) -> Option<Violation> {
    violation(
        "non-default capabilities",
        adding(pod, &DEFAULT_CAPABILITIES)?,
    )
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn host_paths(pod: &Pod<'_>) -> Option<Violation> {
    let volumes = items(&pod.spec["volumes"]).filter(|volume| !volume["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(|volume| text(&volume["name"])).collect();
    if names.is_empty() {
        return None;
    }
    violation("hostPath volumes", named("volume", &names))
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn uses(count: usize) -> &'static str {
    if count == 1 { "uses" } else { "use" }
}

pub(super) fn probed_hosts(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
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
pub(super) const SE_LINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

pub(super) fn se_linux(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
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
pub(super) fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
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

pub(super) fn sysctls(pod: &Pod<'_>, allowed: usize) -> Option<Violation> {
    let names = items(&pod.spec["securityContext"]["sysctls"]).map(|sysctl| text(&sysctl["name"]));
    let forbidden: Vec<&str> = names
        .filter(|name| !SYSCTLS[..allowed].contains(name))
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    violation("forbidden sysctls", forbidden.join(", "))
}

pub(super) fn host_process(pod: &Pod<'_>) -> Option<Violation> {
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
