//! Network policies, ingresses, ingress classes, service address blocks (pkg/apis/networking/validation/validation.go).

use super::at::{At, Errors};
use super::{formats, selectors};
use crate::names;

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

pub(crate) fn network_policy(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    selectors::label_selector(&spec.get("podSelector"), errors);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(rules).items() {
            for port in rule.get("ports").items() {
                policy_port(&port, errors);
            }
            for peer in rule.get(peers).items() {
                policy_peer(&peer, errors);
            }
        }
    }
    let types = spec.get("policyTypes");
    if types.count() > 2 {
        return errors.invalid(&types, "may not specify more than two policyTypes");
    }
    for kind in types.items() {
        errors.one_of(&kind, &["Ingress", "Egress"]);
    }
}

fn policy_port(at: &At<'_>, errors: &mut Errors) {
    let (protocol, port, end) = (at.get("protocol"), at.get("port"), at.get("endPort"));
    if protocol.given() {
        errors.one_of(&protocol, PROTOCOLS);
    }
    if !port.given() {
        if end.given() {
            errors.invalid(&end, "may not be specified when `port` is not specified");
        }
    } else if port.value.is_string() {
        if end.given() {
            errors.invalid(&end, "may not be specified when `port` is non-numeric");
        }
        formats::port_or_name(&port, errors);
    } else {
        formats::port_or_name(&port, errors);
        if end.given() {
            if end.int() < port.int() {
                errors.invalid(&end, "must be greater than or equal to `port`");
            }
            errors.each(&end, formats::port(end.int()));
        }
    }
}

fn policy_peer(at: &At<'_>, errors: &mut Errors) {
    let (pods, namespaces, block) = (
        at.get("podSelector"),
        at.get("namespaceSelector"),
        at.get("ipBlock"),
    );
    selectors::label_selector(&pods, errors);
    selectors::label_selector(&namespaces, errors);
    if block.given() {
        ip_block(&block, errors);
    }
    let selected = pods.given() || namespaces.given();
    if !selected && !block.given() {
        errors.required(at, "must specify a peer");
    } else if selected && block.given() {
        errors.forbidden(at, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(at: &At<'_>, errors: &mut Errors) {
    let cidr = at.get("cidr");
    if cidr.empty() {
        return;
    }
    formats::cidr(&cidr, errors);
    let Some(block) = formats::parse_cidr(cidr.text()) else {
        return;
    };
    for except in at.get("except").items() {
        formats::cidr(&except, errors);
        if let Some(hole) = formats::parse_cidr(except.text())
            && (!formats::contains(block, hole.0) || block.1 >= hole.1)
        {
            errors.invalid(&except, "must be a strict subset of `cidr`");
        }
    }
}

pub(crate) fn ingress_create(object: &At<'_>, errors: &mut Errors) {
    ingress(object, errors);
    let key = "kubernetes.io/ingress.class";
    let note = object.get("metadata").get("annotations").get(key);
    let class = object.get("spec").get("ingressClassName");
    if note.given() && class.given() && note.text() != class.text() {
        errors.invalid(
            &note.shown_at(format!("annotations.{key}")),
            "must match `ingressClassName` when both are specified",
        );
    }
}

pub(crate) fn ingress(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (rules, backend) = (spec.get("rules"), spec.get("defaultBackend"));
    if rules.empty() && !backend.given() {
        errors.invalid_value(
            &spec,
            rules.value.clone(),
            "either `defaultBackend` or `rules` must be specified",
        );
    }
    if backend.given() {
        ingress_backend(&backend, errors);
    }
    for rule in rules.items() {
        if !rule.get("host").empty() {
            dns_name(&rule.get("host"), errors);
            host(&rule.get("host"), errors);
        }
        let http = rule.get("http");
        if http.given() {
            errors.need(&http.get("paths"));
            for path in http.get("paths").items() {
                ingress_path(&path, errors);
            }
        }
    }
    for tls in spec.get("tls").items() {
        for name in tls.get("hosts").items() {
            host(&name, errors);
        }
        if !tls.get("secretName").empty() {
            formats::subdomain(&tls.get("secretName"), errors);
        }
    }
    if spec.get("ingressClassName").given() {
        formats::subdomain(&spec.get("ingressClassName"), errors);
    }
}

fn dns_name(at: &At<'_>, errors: &mut Errors) {
    if formats::parse_ip(at.text()).is_some() {
        errors.invalid(at, "must be a DNS name, not an IP address");
    }
}

fn host(at: &At<'_>, errors: &mut Errors) {
    if at.text().contains('*') {
        errors.each(at, names::wildcard_dns1123_subdomain(at.text()));
    } else {
        formats::subdomain(at, errors);
    }
}

fn ingress_path(at: &At<'_>, errors: &mut Errors) {
    let (kind, path) = (at.get("pathType"), at.get("path"));
    if !kind.given() {
        return errors.required(&kind, "pathType must be specified");
    }
    match kind.text() {
        "Exact" | "Prefix" => {
            if !path.text().starts_with('/') {
                errors.invalid(&path, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if path.text().contains(part) {
                    errors.invalid(&path, format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if path.text().ends_with(end) {
                    errors.invalid(&path, format!("cannot end with '{end}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !path.empty() && !path.text().starts_with('/') {
                errors.invalid(&path, "must be an absolute path");
            }
        }
        _ => errors.unsupported(&kind, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    ingress_backend(&at.get("backend"), errors);
}

fn ingress_backend(at: &At<'_>, errors: &mut Errors) {
    let (resource, service) = (at.get("resource"), at.get("service"));
    match (resource.given(), service.given()) {
        (true, true) => {
            errors.invalid_value(at, "", "cannot set both resource and service backends")
        }
        (false, false) => errors.invalid_value(at, "", "resource or service backend is required"),
        (true, false) => reference(&resource, errors),
        (false, true) => {
            if errors.need(&service.get("name")) {
                formats::label(&service.get("name"), errors);
            }
            let (name, number) = (
                service.get("port").get("name"),
                service.get("port").get("number"),
            );
            match (!name.empty(), number.int() != 0) {
                (true, true) => {
                    errors.invalid_value(at, "", "cannot set both port name & port number")
                }
                (true, false) => errors.each(&name, formats::port_name(name.text())),
                (false, true) => errors.each(&number, formats::port(number.int())),
                (false, false) => errors.required(at, "port name or number is required"),
            }
        }
    }
}

/// An object by group, kind and name.
fn reference(at: &At<'_>, errors: &mut Errors) {
    if at.get("apiGroup").given() {
        formats::subdomain(&at.get("apiGroup"), errors);
    }
    for field in ["kind", "name"] {
        if errors.need(&at.get(field)) {
            errors.each(&at.get(field), names::path_segment(at.get(field).text()));
        }
    }
}

pub(crate) fn ingress_class(object: &At<'_>, errors: &mut Errors) {
    const CONTROLLER_MAX: usize = 250;
    let (controller, parameters) = (
        object.get("spec").get("controller"),
        object.get("spec").get("parameters"),
    );
    if controller.text().len() > CONTROLLER_MAX {
        errors.too_long(&controller, CONTROLLER_MAX);
    }
    formats::domain_prefixed_path(&controller, errors);
    if !parameters.given() {
        return;
    }
    reference(&parameters, errors);
    let (scope, namespace) = (parameters.get("scope"), parameters.get("namespace"));
    if !scope.given() {
        return errors.required(&scope, "");
    }
    if !errors.one_of(&scope, &["Cluster", "Namespace"]) {
        return;
    }
    match (scope.text(), namespace.given()) {
        ("Namespace", false) => {
            errors.required(&namespace, "`parameters.scope` is set to 'Namespace'")
        }
        ("Namespace", true) => formats::label(&namespace, errors),
        (_, true) => errors.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'"),
        _ => {}
    }
}

pub(crate) fn ingress_class_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable(
        &object.get("spec").get("controller"),
        &old.get("spec").get("controller"),
    );
    ingress_class(object, errors);
}

/// Addresses in the status of a balanced ingress or service.
pub(crate) fn balancer_status(at: &At<'_>, errors: &mut Errors) {
    for entry in at.get("ingress").items() {
        if !entry.get("ip").empty() {
            formats::ip(&entry.get("ip"), errors);
        }
        if !entry.get("hostname").empty() {
            formats::subdomain(&entry.get("hostname"), errors);
            dns_name(&entry.get("hostname"), errors);
        }
    }
}

/// The object that an address belongs to.
pub(crate) fn ip_address(object: &At<'_>, errors: &mut Errors) {
    let parent = object.get("spec").get("parentRef");
    if !parent.get("group").empty() {
        formats::subdomain(&parent.get("group"), errors);
    }
    for field in ["resource", "name"] {
        if !parent.get(field).empty() {
            errors.each(
                &parent.get(field),
                names::path_segment(parent.get(field).text()),
            );
        }
    }
    let namespace = parent.get("namespace");
    if !namespace.empty() {
        errors.each(&namespace, names::path_segment(namespace.text()));
    }
}

/// Address blocks that services draw from, at most one of each family.
pub(crate) fn service_cidr(object: &At<'_>, errors: &mut Errors) {
    let blocks = object.get("spec").get("cidrs");
    if blocks.empty() {
        return errors.required(&blocks, "at least one CIDR required");
    }
    if blocks.count() > 2 {
        let shown =
            super::go_value::internal("networking/v1.ServiceCIDRSpec", object.get("spec").value);
        return errors.invalid_value(&blocks, shown, "may only hold up to 2 values");
    }
    for block in blocks.items() {
        strict_cidr(&block, errors);
    }
    let families: Vec<bool> = blocks
        .strings()
        .iter()
        .filter_map(|b| formats::parse_cidr(b))
        .map(|b| b.0.is_ipv4())
        .collect();
    if let [a, b] = families.as_slice()
        && a == b
    {
        errors.invalid(&blocks, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
    }
}

/// A block in its one canonical spelling.
fn strict_cidr(at: &At<'_>, errors: &mut Errors) {
    let Some((address, bits)) = formats::parse_cidr(at.text()) else {
        return errors.invalid(at, formats::CIDR);
    };
    let text = at.text().split('/').next().unwrap_or("");
    if text
        .split('.')
        .any(|part| part.len() > 1 && part.starts_with('0'))
        && address.is_ipv4()
    {
        return errors.invalid(at, "must not have leading 0s in IP");
    }
    let base = formats::network(address, bits);
    let canonical = format!("{base}/{bits}");
    if base != address {
        errors.invalid(
            at,
            format!("must not have bits set beyond the prefix length (\"{canonical}\")"),
        );
    } else if canonical != at.text() {
        errors.invalid(at, format!("must be in canonical form (\"{canonical}\")"));
    }
}

pub(crate) fn service_cidr_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (now, then) = (
        object.get("spec").get("cidrs"),
        old.get("spec").get("cidrs"),
    );
    let (new, before) = (now.strings(), then.strings());
    if new.len() == before.len() || (before.len() == 1 && new.len() == 2) {
        for block in now
            .items()
            .zip(&before)
            .filter(|(block, old)| block.text() != **old)
            .map(|(block, _)| block)
        {
            errors.invalid(&block, formats::IMMUTABLE);
        }
        if new.len() != before.len() {
            service_cidr(object, errors);
        }
    } else {
        errors.invalid_value(&now, now.value.clone(), formats::IMMUTABLE);
    }
}
