//! Resource names and amounts: requests, limits and claims of containers and pods
//! (pkg/apis/core/validation/validation.go, validateResourceRequirements; pkg/apis/core/helper).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::formats;
use crate::names;
use crate::quantity::Quantity;

const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const COUNTED: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

pub(crate) fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

pub(crate) fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// Without a prefix, or with one of kubernetes.io.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Of some vendor: `example.com/gpu`.
pub(crate) fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::label_key(&format!("requests.{name}")).is_empty()
}

/// Whether more of it may be promised than there is.
fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// The name of any resource.
pub(crate) fn name(at: &At<'_>, name: &str, errors: &mut Errors) -> bool {
    let problems = names::label_key(name);
    if !problems.is_empty() {
        for problem in problems {
            errors.invalid_value(at, name, problem);
        }
        return false;
    }
    if !name.contains('/') && !is_standard(name) {
        errors.invalid_value(
            at,
            name,
            "must be a standard resource type or fully qualified",
        );
        return false;
    }
    true
}

/// The name of a resource that containers use.
pub(crate) fn container_name(at: &At<'_>, resource: &str, errors: &mut Errors) {
    name(at, resource, errors);
    if !resource.contains('/') {
        if !matches!(resource, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(resource) {
            errors.invalid_value(at, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid_value(
            at,
            resource,
            "doesn't follow extended resource name standard",
        );
    }
}

fn pod_name(at: &At<'_>, resource: &str, errors: &mut Errors) {
    if name(at, resource, errors)
        && !matches!(resource, "cpu" | "memory")
        && !is_huge_page(resource)
    {
        errors.0.push(crate::status::FieldError::not_supported(
            &at.path,
            resource,
            &["cpu", "hugepages-", "memory"],
        ));
    }
}

/// An amount: not negative, and whole where the resource is counted.
pub(crate) fn amount(at: &At<'_>, resource: &str, errors: &mut Errors) {
    let quantity = at.quantity();
    if quantity.sign() < 0 {
        errors.invalid_value(at, at.text(), formats::NEGATIVE);
    }
    let counted = COUNTED.contains(&resource) || is_extended(resource);
    if counted && quantity.milli_value() % 1000 != 0 {
        errors.invalid_value(at, at.text(), "must be an integer");
    }
}

/// Whose resources these are: pods take fewer names than containers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Container,
    Pod,
}

/// Requests, limits and claims. `claims` are the names that the pod has.
pub(crate) fn requirements(at: &At<'_>, owner: Owner, claims: &[&str], errors: &mut Errors) {
    let (limits, requests) = (at.get("limits"), at.get("requests"));
    let (mut huge, mut compute) = (false, false);
    let check_name = if owner == Owner::Pod {
        pod_name
    } else {
        container_name
    };
    for (resource, limit) in limits.entries() {
        check_name(&limit, resource, errors);
        amount(&limit, resource, errors);
        huge |= huge_pages(&limit, resource, errors);
        compute |= matches!(resource, "cpu" | "memory");
    }
    for (resource, request) in requests.entries() {
        check_name(&request, resource, errors);
        amount(&request, resource, errors);
        let limit = limits.key(resource);
        if limit.given() {
            let (asked, most) = (request.quantity(), limit.quantity());
            if asked != most && !may_overcommit(resource) {
                errors.invalid_value(
                    &requests,
                    request.text(),
                    format!("must be equal to {resource} limit of {}", limit.text()),
                );
            } else if asked > most {
                errors.invalid_value(
                    &requests,
                    request.text(),
                    format!(
                        "must be less than or equal to {resource} limit of {}",
                        limit.text()
                    ),
                );
            }
        } else if !may_overcommit(resource) {
            errors.required(
                &limits,
                "Limit must be set for non overcommitable resources",
            );
        }
        huge |= huge_pages(&request, resource, errors);
        compute |= matches!(resource, "cpu" | "memory");
    }
    if huge && !compute {
        errors.forbidden(at, "HugePages require cpu or memory");
    }
    claim_names(&at.get("claims"), claims, errors);
}

/// Whether these are huge pages, which come in whole pages.
fn huge_pages(at: &At<'_>, resource: &str, errors: &mut Errors) -> bool {
    let Some(size) = resource.strip_prefix("hugepages-") else {
        return false;
    };
    let page = Quantity::parse(size).map_or(0, |size| size.value());
    let bytes = at.quantity().value();
    if page == 0 || bytes % page != 0 {
        errors.invalid(
            at,
            format!(
                "{} is not positive integer multiple of {resource}",
                at.text()
            ),
        );
    }
    true
}

fn claim_names(at: &At<'_>, known: &[&str], errors: &mut Errors) {
    let mut seen: HashSet<String> = HashSet::new();
    for claim in at.items() {
        let name = claim.get("name").text();
        if name.is_empty() {
            errors.required(&claim, "");
            continue;
        }
        if seen.contains(name) {
            errors.duplicate_value(&claim, name);
        } else {
            let request = claim.get("request");
            let mut key = name.to_owned();
            if !request.empty() {
                formats::label(&request, errors);
                key = format!("{name}/{}", request.text());
            }
            let narrower = request.empty()
                && seen
                    .iter()
                    .any(|other| other.split_once('/').is_some_and(|(head, _)| head == name));
            if seen.contains(&key) || narrower {
                errors.duplicate_value(&claim, key.as_str());
            }
            seen.insert(key);
        }
        if !known.contains(&name) {
            let mut sorted = known.to_vec();
            sorted.sort_unstable();
            let mut error = crate::status::FieldError::not_found(&claim.path, name);
            error.detail = if sorted.is_empty() {
                "must be one of the names in pod.spec.resourceClaims which is empty".into()
            } else {
                format!(
                    "must be one of the names in pod.spec.resourceClaims: {}",
                    sorted.join(", ")
                )
            };
            errors.0.push(error);
        }
    }
}
