//! Endpoint slices (pkg/apis/discovery/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{endpoints, formats, same, selectors};
use crate::names;

const ENDPOINTS_MAX: usize = 1000;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;
const TOPOLOGY_MAX: usize = 16;

pub(crate) fn endpoint_slice(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let (kind, endpoints) = (object.get("addressType"), object.get("endpoints"));
    ports(&object.get("ports"), errors);
    let kept = old.is_some_and(|old| same(old.get("endpoints").value, endpoints.value));
    if kept {
        // What was stored once may stay as it is.
    } else if endpoints.count() > ENDPOINTS_MAX {
        errors.too_many(&endpoints, endpoints.count(), ENDPOINTS_MAX);
    } else {
        for at in endpoints.items() {
            endpoint(&at, kind.text(), errors);
        }
    }
}

fn endpoint(at: &At<'_>, kind: &str, errors: &mut Errors) {
    let addresses = at.get("addresses");
    for address in addresses.items() {
        match kind {
            "IPv4" | "IPv6" => match formats::parse_ip(address.text()) {
                None => formats::ip(&address, errors),
                Some(ip) => {
                    if ip.is_ipv4() != (kind == "IPv4") {
                        errors.invalid_value(
                            &addresses,
                            address.text(),
                            format!("must be an {kind} address"),
                        );
                    }
                    endpoints::usable_ip(&address, errors);
                }
            },
            "FQDN" => domain_name(&address, errors),
            _ => {}
        }
    }
    if at.get("nodeName").given() {
        formats::subdomain(&at.get("nodeName"), errors);
    }
    let topology = at.get("deprecatedTopology");
    if topology.count() > TOPOLOGY_MAX {
        errors.too_many(&topology, topology.count(), TOPOLOGY_MAX);
    }
    selectors::labels(&topology, errors);
    if at.get("hostname").given() {
        formats::label(&at.get("hostname"), errors);
    }
    if at.get("hints").given() {
        hints(&at.get("hints"), errors);
    }
}

/// A name with at least two parts; a closing dot is taken (IsFullyQualifiedDomainName).
fn domain_name(at: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return errors.required(at, "");
    }
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    let problems = names::dns1123_subdomain(name);
    if !problems.is_empty() {
        for problem in problems {
            errors.invalid_value(at, name, problem);
        }
        return;
    }
    if !name.contains('.') {
        return errors.invalid_value(
            at,
            name,
            "should be a domain with at least two segments separated by dots",
        );
    }
    for part in name.split('.') {
        for problem in names::dns1123_label(part) {
            errors.invalid_value(at, part, problem);
        }
    }
}

fn hints(at: &At<'_>, errors: &mut Errors) {
    for field in ["forZones", "forNodes"] {
        let list = at.get(field);
        if list.count() > HINTS_MAX {
            return errors.too_many(&list, list.count(), HINTS_MAX);
        }
        let mut seen = HashSet::new();
        for hint in list.items() {
            let name = hint.get("name");
            if !seen.insert(name.text()) {
                errors.duplicate(&name);
            }
            if field == "forZones" {
                errors.each(&name, names::label_value(name.text()));
            } else {
                formats::subdomain(&name, errors);
            }
        }
    }
}

fn ports(at: &At<'_>, errors: &mut Errors) {
    if at.count() > PORTS_MAX {
        return errors.too_many(at, at.count(), PORTS_MAX);
    }
    let mut seen = HashSet::new();
    for port in at.items() {
        let (name, protocol) = (port.get("name"), port.get("protocol"));
        if !name.empty() {
            formats::label(&name, errors);
        }
        if !seen.insert(name.text()) {
            errors.duplicate(&name);
        }
        if protocol.given() {
            errors.one_of(&protocol, &["SCTP", "TCP", "UDP"]);
        } else {
            errors.required(&protocol, "");
        }
        if port.get("appProtocol").given() {
            formats::label_key(&port.get("appProtocol"), errors);
        }
    }
}
