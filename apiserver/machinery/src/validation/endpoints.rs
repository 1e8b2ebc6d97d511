//! Endpoints and the addresses that they may name (pkg/apis/core/validation/validation.go, ValidateEndpoints).

use std::net::IpAddr;

use super::at::{At, Errors};
use super::{formats, same};

pub(crate) fn endpoints(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let subsets = object.get("subsets");
    // What was stored once may stay as it is.
    if old.is_some_and(|old| same(old.get("subsets").value, subsets.value)) {
        return;
    }
    for subset in subsets.items() {
        let lists = [subset.get("addresses"), subset.get("notReadyAddresses")];
        if lists.iter().all(At::empty) {
            errors.required(&subset, "must specify `addresses` or `notReadyAddresses`");
        }
        for entry in lists.iter().flat_map(At::items) {
            address(&entry, errors);
        }
        let ports = subset.get("ports");
        for entry in ports.items() {
            port(&entry, ports.count() > 1, errors);
        }
    }
}

fn address(at: &At<'_>, errors: &mut Errors) {
    formats::ip(&at.get("ip"), errors);
    if !at.get("hostname").empty() {
        formats::label(&at.get("hostname"), errors);
    }
    if at.get("nodeName").given() {
        formats::subdomain(&at.get("nodeName"), errors);
    }
    usable_ip(&at.get("ip"), errors);
}

/// An address that traffic may be sent to (ValidateEndpointIP).
pub(crate) fn usable_ip(at: &At<'_>, errors: &mut Errors) {
    let Some(ip) = formats::parse_ip(at.text()) else {
        return errors.invalid(at, "must be a valid IP address");
    };
    if ip.is_unspecified() {
        errors.invalid(at, format!("may not be unspecified ({})", at.text()));
    }
    if ip.is_loopback() {
        errors.invalid(
            at,
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        );
    }
    let (unicast, multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (
            v6.segments()[0] & 0xffc0 == 0xfe80,
            v6.segments()[0] & 0xff0f == 0xff02,
        ),
    };
    if unicast {
        errors.invalid(
            at,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        );
    }
    if multicast {
        errors.invalid(
            at,
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        );
    }
}

fn port(at: &At<'_>, need_name: bool, errors: &mut Errors) {
    let name = at.get("name");
    if need_name && name.empty() {
        errors.required(&name, "");
    } else if !name.empty() {
        formats::label(&name, errors);
    }
    for problem in formats::port(at.get("port").int()) {
        errors.invalid_int(&at.get("port"), problem);
    }
    errors.need_one_of(&at.get("protocol"), &["SCTP", "TCP", "UDP"]);
    if at.get("appProtocol").given() {
        formats::label_key(&at.get("appProtocol"), errors);
    }
}
