//! Claims for devices, their templates, device classes and taints (pkg/apis/resource/validation/validation.go), all but the
//! compilation of selectors.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{formats, resources, volumes};
use crate::names;

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];
const LIST_MAX: usize = 32;
const FIRST_MAX: usize = 8;
const PARAMETERS_MAX_BYTES: usize = 10 * 1024;

pub(crate) fn claim(object: &At<'_>, errors: &mut Errors) {
    claim_spec(&object.get("spec"), errors);
}

pub(crate) fn claim_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.declared_immutable(&object.get("spec"), &old.get("spec"));
}

pub(crate) fn claim_template(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    volumes::template_metadata(&spec.get("metadata"), errors);
    claim_spec(&spec.get("spec"), errors);
}

fn claim_spec(spec: &At<'_>, errors: &mut Errors) {
    let devices = spec.get("devices");
    let requests = devices.get("requests");
    if bounded(&requests, LIST_MAX, errors) {
        let mut seen = HashSet::new();
        for request in requests.items() {
            self::request(&request, errors);
            if !seen.insert(request.get("name").text()) {
                errors.declared_duplicate(&request);
            }
        }
    }
    let known = request_names(&requests);
    if bounded(&devices.get("constraints"), LIST_MAX, errors) {
        for constraint in devices.get("constraints").items() {
            self::constraint(&constraint, &known, errors);
        }
    }
    if bounded(&devices.get("config"), LIST_MAX, errors) {
        for config in devices.get("config").items() {
            request_refs(&config.get("requests"), &known, errors);
            configuration(&config, errors);
        }
    }
}

/// Whether a list is short enough to be looked into.
fn bounded(at: &At<'_>, max: usize, errors: &mut Errors) -> bool {
    let fits = at.count() <= max;
    if !fits {
        errors.too_many(at, at.count(), max);
    }
    fits
}

fn request_names(requests: &At<'_>) -> HashSet<String> {
    let mut known = HashSet::new();
    for request in requests.items() {
        let name = request.get("name").text();
        known.insert(name.to_owned());
        known.extend(
            request
                .get("firstAvailable")
                .items()
                .map(|sub| format!("{name}/{}", sub.get("name").text())),
        );
    }
    known
}

fn request(at: &At<'_>, errors: &mut Errors) {
    formats::label(&at.get("name"), errors);
    let (exact, first) = (at.get("exactly"), at.get("firstAvailable"));
    match (exact.given(), !first.empty()) {
        (false, false) => errors.required(
            at,
            "exactly one of `exactly` or `firstAvailable` is required",
        ),
        (true, true) => errors.invalid_value(
            at,
            Value::Null,
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
        ),
        (true, false) => request_body(&exact, errors),
        (false, true) => {
            if bounded(&first, FIRST_MAX, errors) {
                let mut seen = HashSet::new();
                for sub in first.items() {
                    formats::label(&sub.get("name"), errors);
                    request_body(&sub, errors);
                    if !seen.insert(sub.get("name").text()) {
                        errors.declared_duplicate(&sub);
                    }
                }
            }
        }
    }
}

fn request_body(at: &At<'_>, errors: &mut Errors) {
    let (class, mode, count) = (
        at.get("deviceClassName"),
        at.get("allocationMode"),
        at.get("count"),
    );
    if errors.need(&class) {
        formats::subdomain(&class, errors);
    }
    selectors(&at.get("selectors"), errors);
    match mode.text() {
        "All" if count.int() != 0 => {
            errors.invalid(&count, "must not be specified when allocationMode is 'All'")
        }
        "All" => {}
        "ExactCount" if count.int() <= 0 => errors.invalid_int(&count, "must be greater than zero"),
        "ExactCount" => {}
        _ => errors.declared_one_of(&mode, &["All", "ExactCount"]),
    }
    for toleration in at.get("tolerations").items() {
        self::toleration(&toleration, errors);
    }
}

fn selectors(at: &At<'_>, errors: &mut Errors) {
    if bounded(at, LIST_MAX, errors) {
        for selector in at.items().filter(|selector| !selector.get("cel").given()) {
            errors.required(&selector.get("cel"), "");
        }
    }
}

fn toleration(at: &At<'_>, errors: &mut Errors) {
    let (key, operator, value, effect) = (
        at.get("key"),
        at.get("operator"),
        at.get("value"),
        at.get("effect"),
    );
    match operator.text() {
        "Exists" if !value.empty() => errors.invalid(&value, "must be empty for operator `Exists`"),
        "Equal" => errors.each(&value, names::label_value(value.text())),
        _ => {}
    }
    if !key.empty() {
        errors.declared_each(&key, names::label_key(key.text()));
    }
    if errors.declared_need(&operator) {
        errors.declared_one_of(&operator, &["Equal", "Exists"]);
    }
    if !effect.empty() {
        errors.declared_one_of(&effect, EFFECTS);
    }
}

fn constraint(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    request_refs(&at.get("requests"), known, errors);
    let (same, distinct) = (at.get("matchAttribute"), at.get("distinctAttribute"));
    let name = if same.given() { same } else { distinct };
    if !name.given() {
        return errors.required(at, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set");
    }
    errors.declared_each(&name, full_name(name.text()));
}

/// `domain/name`, the name being an identifier of C.
fn full_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    match text.split_once('/') {
        None => {
            problems.extend(c_identifier(text));
            problems.push(
                "a fully qualified name must be a domain and a name separated by a slash".into(),
            );
        }
        Some((domain, name)) if !name.contains('/') => {
            problems.extend(names::dns1123_subdomain(&domain.to_lowercase()));
            problems.extend(c_identifier(name));
        }
        Some(_) => {}
    }
    problems
}

fn c_identifier(text: &str) -> Vec<String> {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(start) && text.chars().all(|c| start(c) || c.is_ascii_digit()) {
        return Vec::new();
    }
    let what = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
    vec![names::pattern(
        what,
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

fn request_refs(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    const UNKNOWN: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    for reference in at.items() {
        let parts: Vec<&str> = reference.text().split('/').collect();
        if parts.len() > 2 {
            errors.invalid(&reference, UNKNOWN);
            continue;
        }
        for part in parts {
            for problem in names::dns1123_label(part) {
                errors.invalid_value(&reference, part, problem);
            }
        }
        if !known.contains(reference.text()) {
            errors.invalid(&reference, UNKNOWN);
        }
    }
}

fn configuration(at: &At<'_>, errors: &mut Errors) {
    let opaque = at.get("opaque");
    if !opaque.given() {
        return errors.required(&opaque, "");
    }
    let (driver, parameters) = (opaque.get("driver"), opaque.get("parameters"));
    if !parameters.given() {
        errors.required(&parameters, "");
    } else if parameters.value.to_string().len() > PARAMETERS_MAX_BYTES {
        errors.too_long(&parameters, PARAMETERS_MAX_BYTES);
    } else if !parameters.value.is_object() {
        errors.invalid_value(
            &parameters,
            "<value omitted>",
            "must be a valid JSON object",
        );
    }
    if errors.declared_need(&driver) {
        errors.declared_each(&driver, names::dns1123_subdomain_caseless(driver.text()));
    }
}

pub(crate) fn class(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    selectors(&spec.get("selectors"), errors);
    for config in spec.get("config").items() {
        configuration(&config, errors);
    }
    let name = spec.get("extendedResourceName");
    if name.given() && !resources::is_extended(name.text()) {
        let mut problems = Vec::new();
        if !name.text().contains('/') {
            problems.push(
                "a name must be a domain-prefixed path, such as 'example.com/my-prop'".to_owned(),
            );
        }
        problems.extend(names::label_key(&format!("requests.{}", name.text())));
        errors.declared_each(&name, problems);
    }
}

pub(crate) fn taint_rule(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let selector = spec.get("deviceSelector");
    let (driver, pool, device) = (
        selector.get("driver"),
        selector.get("pool"),
        selector.get("device"),
    );
    if driver.given() {
        volumes::csi_driver_name(&driver, errors);
    }
    if pool.given() {
        pool_name(&pool, errors);
    }
    if device.given() {
        formats::label(&device, errors);
    }
    taint(&spec.get("taint"), errors);
}

fn pool_name(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    if at.text().len() > names::SUBDOMAIN_MAX {
        errors.too_long(at, names::SUBDOMAIN_MAX);
    }
    for part in at.text().split('/') {
        for problem in names::dns1123_subdomain(part) {
            errors.invalid_value(at, part, problem);
        }
    }
}

fn taint(at: &At<'_>, errors: &mut Errors) {
    let (value, effect) = (at.get("value"), at.get("effect"));
    formats::label_key(&at.get("key"), errors);
    if !value.empty() {
        errors.each(&value, names::label_value(value.text()));
    }
    if errors.declared_need(&effect) {
        errors.declared_one_of(&effect, EFFECTS);
    }
}
