//! The formats that markers name (apimachinery pkg/api/validate/strfmt.go).

use super::super::at::At;
use crate::names;
use crate::status::FieldError;

/// Longest name of a device or its attribute, and longest domain before it.
const DEVICE_MAX: usize = 32;
const DOMAIN_MAX: usize = 63;
const QUOTA: &str = "requests.";
const OWN_DOMAIN: &str = "kubernetes.io/";

/// What is wrong with a text.
pub(super) type Format = fn(&At<'_>) -> Vec<FieldError>;

pub(super) fn named(name: &str) -> Option<Format> {
    Some(match name {
        "k8s-short-name" => |at| each(at, names::dns1123_label(at.text())),
        "k8s-long-name" => |at| each(at, names::dns1123_subdomain(at.text())),
        "k8s-long-name-caseless" => |at| each(at, names::dns1123_subdomain_caseless(at.text())),
        "k8s-label-key" => |at| each(at, names::label_key(at.text())),
        "k8s-prefixed-label-key" => |at| each(at, names::prefixed_label_key(at.text())),
        "k8s-path-segment-name" => |at| each(at, names::path_segment(at.text())),
        "k8s-uuid" => uuid,
        "k8s-resource-pool-name" => pool,
        "k8s-extended-resource-name" => extended_resource,
        "k8s-resource-fully-qualified-name" => fully_qualified,
        _ => return None,
    })
}

fn each(at: &At<'_>, problems: Vec<String>) -> Vec<FieldError> {
    let told = |problem| FieldError::invalid(&at.path, at.text(), problem);
    problems.into_iter().map(told).collect()
}

fn uuid(at: &At<'_>) -> Vec<FieldError> {
    let right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if at.text().len() == 36 && at.text().bytes().enumerate().all(right) {
        return Vec::new();
    }
    each(
        at,
        vec!["must be a lowercase UUID in 8-4-4-4-12 format".into()],
    )
}

fn pool(at: &At<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    if at.text().len() > names::SUBDOMAIN_MAX {
        found.push(FieldError::too_long(&at.path, names::SUBDOMAIN_MAX as i64));
    }
    for (place, part) in at.text().split('/').enumerate() {
        if part.is_empty() {
            found.extend(each(
                at,
                vec![format!("segment {place}: must not be empty")],
            ));
        }
        let problems = names::dns1123_subdomain(part);
        for problem in problems.into_iter().filter(|_| !part.is_empty()) {
            let detail = format!("segment {place}: {problem}");
            found.push(FieldError::invalid(&at.path, part, detail));
        }
    }
    found
}

fn extended_resource(at: &At<'_>) -> Vec<FieldError> {
    let mut problems = Vec::new();
    if !at.text().contains('/') {
        problems.push(
            "a name must be a domain-prefixed path, such as 'example.com/my-prop'".to_owned(),
        );
    } else if at.text().contains(OWN_DOMAIN) {
        problems.push(format!("must not have \"{OWN_DOMAIN}\" domain"));
    }
    if at.text().starts_with(QUOTA) {
        problems.push(format!("must not have \"{QUOTA}\" prefix"));
    }
    problems.extend(names::label_key(&format!("{QUOTA}{}", at.text())));
    each(at, problems)
}

fn fully_qualified(at: &At<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    let parts: Vec<&str> = at.text().split('/').collect();
    match parts[..] {
        [name] => found.extend(identifier(at, name)),
        [domain, name] => {
            if domain.is_empty() {
                found.push(FieldError::invalid(
                    &at.path,
                    "",
                    "prefix must not be empty",
                ));
            } else {
                if domain.len() > DOMAIN_MAX {
                    found.push(FieldError::too_long(&at.path, DOMAIN_MAX as i64));
                }
                for problem in names::dns1123_subdomain(domain) {
                    let detail = format!("prefix: {problem}");
                    found.push(FieldError::invalid(&at.path, domain, detail));
                }
            }
            if name.is_empty() {
                found.push(FieldError::invalid(&at.path, "", "name must not be empty"));
            } else {
                found.extend(identifier(at, name));
            }
        }
        _ => {}
    }
    if !at.text().contains('/') {
        let detail = "a fully qualified name must be a domain and a name separated by a slash";
        found.push(FieldError::invalid(&at.path, at.text(), detail));
    }
    found
}

fn identifier(at: &At<'_>, name: &str) -> Vec<FieldError> {
    let mut found = Vec::new();
    if name.len() > DEVICE_MAX {
        found.push(FieldError::too_long(&at.path, DEVICE_MAX as i64));
    }
    for problem in names::c_identifier(name) {
        found.push(FieldError::invalid(&at.path, name, problem));
    }
    found
}
