//! Services (pkg/apis/core/validation/validation.go, validateService).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{endpoints, formats, same, selectors};

const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const ONCE: &str = "may not change once set";

fn headless(spec: &At<'_>) -> bool {
    spec.get("clusterIPs").strings() == ["None"]
}

fn balanced(spec: &At<'_>) -> bool {
    spec.get("type").text() == "LoadBalancer"
}

pub(crate) fn service(object: &At<'_>, errors: &mut Errors) {
    let (spec, notes) = (
        object.get("spec"),
        object.get("metadata").get("annotations"),
    );
    let (hints, mode) = (notes.key(HINTS), notes.key(MODE));
    if hints.given() && mode.given() && hints.text() != mode.text() {
        errors.invalid(
            &mode,
            format!("must match annotations[{HINTS}] when both are specified"),
        );
    }
    let kind = spec.get("type");
    if spec.get("ports").empty() && !headless(&spec) && kind.text() != "ExternalName" {
        errors.required(&spec.get("ports"), "");
    }
    match kind.text() {
        "LoadBalancer" | "NodePort" if headless(&spec) => {
            let why = format!("may not be set to 'None' for {} services", kind.text());
            errors.invalid(&spec.get("clusterIPs").index(0), why);
        }
        "ExternalName" => external_name(&spec, errors),
        _ => {}
    }
    ports(&spec, errors);
    selectors::labels(&spec.get("selector"), errors);
    affinity(&spec, errors);
    addresses(&spec, errors);
    for address in spec.get("externalIPs").items() {
        if formats::parse_ip(address.text()).is_some() {
            endpoints::usable_ip(&address, errors);
        } else {
            formats::ip(&address, errors);
        }
    }
    errors.need_one_of(
        &kind,
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    );
    clashing_ports(&spec, errors);
    source_ranges(&spec, &notes, errors);
    let allocate = spec.get("allocateLoadBalancerNodePorts");
    if allocate.given() && !balanced(&spec) {
        errors.forbidden(&allocate, "may only be used when `type` is 'LoadBalancer'");
    }
    balancer_class(&spec, errors);
    traffic(&spec, errors);
}

fn external_name(spec: &At<'_>, errors: &mut Errors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !spec.get(field).empty() {
            errors.forbidden(&spec.get(field), "may not be set for ExternalName services");
        }
    }
    let at = spec.get("externalName");
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    if name.is_empty() {
        errors.required(&at, "");
    }
    if !name.is_empty() {
        for problem in crate::names::dns1123_subdomain(name) {
            errors.invalid_value(&at, name, problem);
        }
    }
}

fn ports(spec: &At<'_>, errors: &mut Errors) {
    let all = spec.get("ports");
    let mut names = HashSet::new();
    for port in all.items() {
        let (name, number, protocol) = (port.get("name"), port.get("port"), port.get("protocol"));
        if all.count() > 1 && name.empty() {
            errors.required(&name, "");
        } else if !name.empty() {
            formats::label(&name, errors);
            if !names.insert(name.text()) {
                errors.duplicate(&name);
            }
        }
        for problem in formats::port(number.int()) {
            errors.invalid_int(&number, problem);
        }
        errors.need_one_of(&protocol, &["SCTP", "TCP", "UDP"]);
        formats::port_or_name(&port.get("targetPort"), errors);
        if port.get("appProtocol").given() {
            formats::label_key(&port.get("appProtocol"), errors);
        }
    }
}

fn clashing_ports(spec: &At<'_>, errors: &mut Errors) {
    let all = spec.get("ports");
    if spec.get("type").text() == "ClusterIP" {
        for port in all.items().filter(|port| port.get("nodePort").int() != 0) {
            errors.forbidden(
                &port.get("nodePort"),
                "may not be used when `type` is 'ClusterIP'",
            );
        }
    }
    let mut nodes = HashSet::new();
    for port in all.items().filter(|port| port.get("nodePort").int() != 0) {
        if !nodes.insert((port.get("protocol").text(), port.get("nodePort").int())) {
            errors.duplicate(&port.get("nodePort"));
        }
    }
    let mut own = HashSet::new();
    for port in all.items() {
        let (protocol, number) = (port.get("protocol").text(), port.get("port").int());
        if !own.insert((protocol, number)) {
            let shown = serde_json::json!({"Name": "", "Protocol": protocol, "AppProtocol": null, "Port": number, "TargetPort": 0, "NodePort": 0});
            errors.duplicate_value(&port, shown);
        }
    }
}

fn affinity(spec: &At<'_>, errors: &mut Errors) {
    const LONGEST: i64 = 86_400;
    const WHEN: &str = "when session affinity type is ClientIP";
    let (kind, config) = (
        spec.get("sessionAffinity"),
        spec.get("sessionAffinityConfig"),
    );
    errors.need_one_of(&kind, &["ClientIP", "None"]);
    match kind.text() {
        "ClientIP" => {
            let seconds = config.get("clientIP").get("timeoutSeconds");
            for at in [&config, &config.get("clientIP"), &seconds] {
                if !at.given() {
                    return errors.required(at, WHEN);
                }
            }
            if seconds.int() <= 0 || seconds.int() > LONGEST {
                errors.invalid(
                    &seconds,
                    format!("must be greater than 0 and less than {LONGEST}"),
                );
            }
        }
        "None" if config.given() => {
            errors.forbidden(&config, "must not be set when session affinity is None")
        }
        _ => {}
    }
}

/// Cluster addresses and families (ValidateServiceClusterIPsRelatedFields).
pub(super) fn addresses(spec: &At<'_>, errors: &mut Errors) {
    if spec.get("type").text() == "ExternalName" {
        return;
    }
    let (one, all, families) = (
        spec.get("clusterIP"),
        spec.get("clusterIPs"),
        spec.get("ipFamilies"),
    );
    let list = all.strings();
    if one.empty() && !list.is_empty() {
        errors.invalid(&all, "must be empty when `clusterIP` is not specified");
    } else if !one.empty() && list.is_empty() {
        errors.required(&all, "");
    } else if !one.empty() && list[0] != one.text() {
        errors.invalid(&all, "first value must match `clusterIP`");
    }
    let mut seen = HashSet::new();
    for family in families.items() {
        errors.one_of(&family, &["IPv4", "IPv6"]);
        if !seen.insert(family.text()) {
            errors.duplicate(&family);
        }
    }
    if spec.get("ipFamilyPolicy").given() {
        errors.one_of(
            &spec.get("ipFamilyPolicy"),
            &["PreferDualStack", "RequireDualStack", "SingleStack"],
        );
    }
    let before = errors.0.len();
    for (i, address) in all.items().enumerate() {
        if i == 0 && address.text() == "None" {
            if list.len() > 1 {
                errors.invalid(&all, "'None' must be the first and only value");
            }
        } else {
            formats::ip(&address, errors);
        }
    }
    let wrong = errors.0.len() > before;
    if list.len() > 2 {
        errors.invalid(&all, "may only hold up to 2 values");
    }
    if wrong {
        return;
    }
    let v6 = |text: &str| text.contains(':');
    if list.len() > 1 && !(list.iter().any(|a| v6(a)) && list.iter().any(|a| !v6(a))) {
        errors.invalid(&all, "may specify no more than one IP for each IP family");
    }
    if headless(spec) {
        return;
    }
    for (i, (address, family)) in all.items().zip(families.strings()).enumerate() {
        if matches!(family, "IPv4" | "IPv6") && (family == "IPv6") != v6(address.text()) {
            errors.invalid(
                &address,
                format!("expected an {family} value as indicated by `ipFamilies[{i}]`"),
            );
        }
    }
}

fn source_ranges(spec: &At<'_>, notes: &At<'_>, errors: &mut Errors) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let ranges = spec.get_as("loadBalancerSourceRanges", "LoadBalancerSourceRanges");
    let note = notes.key(SOURCE_RANGES);
    let mut check = |at: &At<'_>, text: &str| {
        if formats::parse_cidr(text).is_none() {
            errors.invalid_value(at, text, formats::CIDR);
        }
    };
    if !ranges.empty() {
        for range in ranges.items() {
            check(&range, range.text().trim());
        }
        if !balanced(spec) {
            let at = errors.0.len()
                - errors
                    .0
                    .iter()
                    .rev()
                    .take_while(|e| e.field.starts_with(&ranges.path))
                    .count();
            errors
                .0
                .insert(at, crate::status::FieldError::forbidden(&ranges.path, ONLY));
        }
    } else if note.given() {
        for range in note
            .text()
            .trim()
            .split(',')
            .filter(|_| !note.text().trim().is_empty())
        {
            check(&note, range.trim());
        }
        if !balanced(spec) {
            let at = errors.0.len()
                - errors
                    .0
                    .iter()
                    .rev()
                    .take_while(|e| e.field == note.path)
                    .count();
            errors
                .0
                .insert(at, crate::status::FieldError::forbidden(&note.path, ONLY));
        }
    }
}

fn balancer_class(spec: &At<'_>, errors: &mut Errors) {
    let class = spec.get("loadBalancerClass");
    if !class.given() {
        return;
    }
    if balanced(spec) {
        formats::label_key(&class, errors);
    } else {
        errors.forbidden(&class, "may only be used when `type` is 'LoadBalancer'");
    }
}

fn needs_health_check(spec: &At<'_>) -> bool {
    balanced(spec) && spec.get("externalTrafficPolicy").text() == "Local"
}

fn traffic(spec: &At<'_>, errors: &mut Errors) {
    let (policy, health) = (
        spec.get("externalTrafficPolicy"),
        spec.get("healthCheckNodePort"),
    );
    let kind = spec.get("type").text();
    let external = matches!(kind, "LoadBalancer" | "NodePort")
        || (kind == "ClusterIP" && !spec.get("externalIPs").empty());
    if external {
        errors.need_one_of(&policy, &["Cluster", "Local"]);
    } else if !policy.empty() {
        errors.invalid(
            &policy,
            "may only be set for externally-accessible services",
        );
    }
    if needs_health_check(spec) {
        // One that is not asked for is drawn after validation.
        if health.int() != 0 {
            errors.each(&health, formats::port(health.int()));
        }
    } else if health.int() != 0 {
        errors.invalid(
            &health,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        );
    }
    let internal = spec.get("internalTrafficPolicy");
    if internal.given() {
        errors.one_of(&internal, &["Cluster", "Local"]);
    } else if matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
        errors.required(&internal, "");
    }
    let distribution = spec.get("trafficDistribution");
    if distribution.given() {
        errors.one_of(
            &distribution,
            &["PreferClose", "PreferSameZone", "PreferSameNode"],
        );
    }
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (spec, before) = (object.get("spec"), old.get("spec"));
    let named = |spec: &At<'_>| spec.get("type").text() == "ExternalName";
    if !named(&spec) && !named(&before) {
        if !(headless(&spec) && headless(&before)) {
            kept_list(&spec, &before, "clusterIPs", "clusterIP", errors);
        }
        if !headless(&spec) && !headless(&before) {
            kept_list(&spec, &before, "ipFamilies", "ipFamily", errors);
        }
    }
    if balanced(&spec) && balanced(&before) {
        let (class, was) = (
            spec.get("loadBalancerClass"),
            before.get("loadBalancerClass"),
        );
        if !same(class.value, was.value) {
            errors.invalid_value(&class, class.value.clone(), ONCE);
        }
    }
    balancer_class(&spec, errors);
    let health = spec.get("healthCheckNodePort");
    if needs_health_check(&spec)
        && needs_health_check(&before)
        && health.int() != before.get("healthCheckNodePort").int()
    {
        errors.forbidden(&health, formats::IMMUTABLE);
    }
    service(object, errors);
}

/// The first address and family stay; a second one may come and go with the policy.
fn kept_list(spec: &At<'_>, before: &At<'_>, field: &str, single: &str, errors: &mut Errors) {
    let (now, then) = (spec.get(field), before.get(field));
    let (new, old) = (now.strings(), then.strings());
    let first = now.index(0);
    let shown = now.value.clone();
    if new.len() == old.len() {
        for i in (0..new.len()).filter(|i| new[*i] != old[*i]) {
            let at = if field == "clusterIPs" {
                now.index(i)
            } else {
                first.clone()
            };
            errors.invalid_value(&at, shown.clone(), ONCE);
        }
        return;
    }
    if old.len() > new.len() && spec.get("clusterIPs").empty() {
        errors.invalid_value(
            &first,
            shown.clone(),
            format!("primary {single} can not be unset"),
        );
    }
    if let (Some(new), Some(old)) = (new.first(), old.first())
        && new != old
    {
        errors.invalid_value(&first, spec.get("clusterIPs").value.clone(), ONCE);
    }
    let policy = spec.get("ipFamilyPolicy");
    if old.len() > new.len() && new.len() == 1 && policy.text() != "SingleStack" {
        errors.invalid_value(
            &policy,
            policy.value.clone(),
            format!("must be set to 'SingleStack' when releasing the secondary {single}"),
        );
    }
}

/// Addresses that a balancer gave to the service.
pub(crate) fn status(object: &At<'_>, errors: &mut Errors) {
    let ingress = object.get("status").get("loadBalancer").get("ingress");
    if !balanced(&object.get("spec")) && !ingress.empty() {
        return errors.forbidden(
            &ingress,
            "may only be used when `spec.type` is 'LoadBalancer'",
        );
    }
    for entry in ingress.items() {
        let (ip, mode, name) = (entry.get("ip"), entry.get("ipMode"), entry.get("hostname"));
        if !ip.empty() {
            formats::ip(&ip, errors);
        }
        match (mode.given(), ip.empty()) {
            (false, false) => errors.required(&mode, "must be specified when `ip` is set"),
            (true, true) => errors.forbidden(&mode, "may not be specified when `ip` is not set"),
            (true, false) => {
                errors.one_of(&mode, &["Proxy", "VIP"]);
            }
            (false, true) => {}
        }
        if !name.empty() {
            formats::subdomain(&name, errors);
            if formats::parse_ip(name.text()).is_some() {
                errors.invalid(&name, "must be a DNS name, not an IP address");
            }
        }
    }
}
