//! Texts that have a grammar besides the names of `names.rs`: ports, headers, keys, variables, addresses, paths.
//! Each function returns what is wrong, empty when nothing is (apimachinery pkg/util/validation).

use std::net::{IpAddr, Ipv4Addr};

use super::at::{At, Errors};
use crate::names;

pub(crate) const IMMUTABLE: &str = "field is immutable";
pub(crate) const NEGATIVE: &str = "must be greater than or equal to 0";
const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
pub(crate) const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

type Problems = Vec<String>;

pub(crate) fn range(first: i64, last: i64) -> String {
    format!("must be between {first} and {last}, inclusive")
}

pub(crate) fn at_least(least: i64) -> String {
    format!("must be greater than or equal to {least}")
}

pub(crate) fn at_most(most: i64) -> String {
    format!("must be less than or equal to {most}")
}

pub(crate) fn port(number: i64) -> Problems {
    if (1..=65535).contains(&number) {
        Vec::new()
    } else {
        vec![range(1, 65535)]
    }
}

/// An IANA service name.
pub(crate) fn port_name(name: &str) -> Problems {
    let mut problems = Vec::new();
    if name.len() > 15 {
        problems.push(names::max_len(15));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        let charset = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        problems.push(charset.into());
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".into());
    }
    if name.contains("--") {
        problems.push("must not contain consecutive hyphens".into());
    }
    if name.starts_with('-') || name.ends_with('-') {
        problems.push("must not begin or end with a hyphen".into());
    }
    problems
}

/// A port by number or by name.
pub(crate) fn port_or_name(at: &At<'_>, errors: &mut Errors) {
    match at.value.as_str() {
        Some(name) => errors.each(at, port_name(name)),
        None => {
            for problem in port(at.int()) {
                errors.invalid_int(at, problem);
            }
        }
    }
}

pub(crate) fn header_name(name: &str) -> Problems {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![names::pattern(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// A key of a config map or secret: a file name.
pub(crate) fn config_key(key: &str) -> Problems {
    let mut problems = Vec::new();
    if key.len() > names::SUBDOMAIN_MAX {
        problems.push(names::max_len(names::SUBDOMAIN_MAX));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if key.is_empty() || !key.bytes().all(plain) {
        problems.push(names::pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match key {
        "." | ".." => problems.push(format!("must not be '{key}'")),
        _ if key.starts_with("..") => problems.push("must not start with '..'".into()),
        _ => {}
    }
    problems
}

/// The name of an environment variable: printable ASCII without `=`.
pub(crate) fn variable_name(name: &str) -> Problems {
    if name.is_empty() {
        return vec!["environment variable name must be non-empty".into()];
    }
    let plain = |c: char| (' '..='~').contains(&c) && c != '=';
    if name.chars().all(plain) {
        return Vec::new();
    }
    let text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    vec![text.into()]
}

/// A user or group number.
pub(crate) fn user_id(at: &At<'_>, errors: &mut Errors) {
    if at.given() {
        errors.in_range(at, 0, i64::from(i32::MAX));
    }
}

pub(crate) fn file_mode(at: &At<'_>, errors: &mut Errors) {
    if at.given() && !(0..=0o777).contains(&at.int()) {
        errors.invalid_int(at, FILE_MODE);
    }
}

/// An address as Go's lenient parser reads it: leading zeros are taken.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let mut octets = [0u8; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// An address block as Go's lenient parser reads it; the address keeps its host bits.
pub(crate) fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (address, bits) = (parse_ip(address)?, bits.parse::<u8>().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

pub(crate) fn ip(at: &At<'_>, errors: &mut Errors) {
    if parse_ip(at.text()).is_none() {
        errors.invalid(at, IP);
    }
}

/// What is wrong with an address that must be written as it is printed.
pub fn strict_ip(text: &str) -> Problems {
    let problem = match parse_ip(text) {
        None => IP.to_owned(),
        Some(IpAddr::V4(_)) if text.parse::<IpAddr>().is_err() => {
            "must not have leading 0s".to_owned()
        }
        Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            "must not be an IPv4-mapped IPv6 address".to_owned()
        }
        Some(address) if address.to_string() != text => {
            format!("must be in canonical form (\"{address}\")")
        }
        Some(_) => return Vec::new(),
    };
    vec![problem]
}

/// An address with its network's length, written as it is printed.
pub(crate) fn interface_address(at: &At<'_>, errors: &mut Errors) {
    let Some((address, bits)) = parse_cidr(at.text()) else {
        let detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return errors.invalid(at, detail);
    };
    let canonical = format!("{address}/{bits}");
    if at.text() != canonical {
        errors.invalid(at, format!("must be in canonical form (\"{canonical}\")"));
    }
}

pub(crate) fn cidr(at: &At<'_>, errors: &mut Errors) {
    if parse_cidr(at.text()).is_none() {
        errors.invalid(at, CIDR);
    }
}

/// The first address of the block that an address lies in.
pub(crate) fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

/// Whether an address lies in a block.
pub(crate) fn contains(block: (IpAddr, u8), address: IpAddr) -> bool {
    block.0.is_ipv4() == address.is_ipv4() && network(block.0, block.1) == network(address, block.1)
}

pub(crate) fn label(at: &At<'_>, errors: &mut Errors) {
    errors.each(at, names::dns1123_label(at.text()));
}

pub(crate) fn subdomain(at: &At<'_>, errors: &mut Errors) {
    errors.each(at, names::dns1123_subdomain(at.text()));
}

pub(crate) fn label_key(at: &At<'_>, errors: &mut Errors) {
    errors.each(at, names::label_key(at.text()));
}

/// A path below some folder.
pub(crate) fn descending_path(at: &At<'_>, errors: &mut Errors) {
    if at.text().starts_with('/') {
        errors.invalid(at, "must be a relative path");
    }
    no_backsteps(at, errors);
}

pub(crate) fn no_backsteps(at: &At<'_>, errors: &mut Errors) {
    if at.text().split('/').any(|part| part == "..") {
        errors.invalid(at, "must not contain '..'");
    }
}

/// A path below some folder that takes no name which the kubelet keeps for itself.
pub(crate) fn free_path(at: &At<'_>, errors: &mut Errors) {
    descending_path(at, errors);
    if at.text().starts_with("..") && !at.text().starts_with("../") {
        errors.invalid(at, "must not start with '..'");
    }
}

/// `domain/path`.
pub(crate) fn domain_prefixed_path(at: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return errors.required(at, "");
    }
    match at.text().split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            for problem in names::dns1123_subdomain(domain) {
                errors.invalid_value(at, domain, problem);
            }
            if !path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b))
            {
                let shape = names::pattern("Invalid path", r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", &[]);
                errors.invalid_value(at, path, shape);
            }
        }
        _ => errors.invalid(
            at,
            "must be a domain-prefixed path (such as \"acme.io/foo\")",
        ),
    }
}
