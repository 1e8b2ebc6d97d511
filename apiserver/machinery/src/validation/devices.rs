//! Claims for devices, their templates, device classes and taints (pkg/apis/resource/validation/validation.go). What markers of the
//! schema table demand is not repeated here.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use triad_cel::env::Mode;
use triad_cel::environments::device;

use super::at::{At, Errors};
use super::{conditions, formats, volume_drivers, volumes};
use crate::names;

pub(crate) const LIST_MAX: usize = 32;
const FIRST_MAX: usize = 8;
const BINDINGS_MAX: usize = 4;
const PARAMETERS_MAX_BYTES: usize = 10 * 1024;
const RULE_CONDITIONS_MAX: usize = 8;

pub(crate) fn claim(object: &At<'_>, errors: &mut Errors) {
    claim_spec(&object.get("spec"), errors);
}

pub(crate) fn claim_template(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    volumes::template_metadata(&spec.get("metadata"), errors);
    claim_spec(&spec.get("spec"), errors);
}

pub(crate) fn claim_template_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable_internal(
        "resource/v1.ResourceClaimTemplateSpec",
        &object.get("spec"),
        &old.get("spec"),
    );
}

fn claim_spec(spec: &At<'_>, errors: &mut Errors) {
    let devices = spec.get("devices");
    let (requests, constraints, config) = (
        devices.get("requests"),
        devices.get("constraints"),
        devices.get("config"),
    );
    let known = request_names(spec);
    let used = Used::by(&constraints);
    for request in up_to(&requests, LIST_MAX) {
        self::request(&request, &used, errors);
    }
    for constraint in up_to(&constraints, LIST_MAX) {
        self::constraint(&constraint, &known, errors);
    }
    for config in up_to(&config, LIST_MAX) {
        request_refs(&config.get("requests"), &known, errors);
        configuration(&config, errors);
    }
}

/// The elements of a list, none where there are more than may be: those are not looked into.
pub(crate) fn up_to<'a>(at: &At<'a>, max: usize) -> impl Iterator<Item = At<'a>> + use<'a> {
    let fits = at.count() <= max;
    at.items().filter(move |_| fits)
}

pub(crate) fn request_names(spec: &At<'_>) -> HashSet<String> {
    let mut known = HashSet::new();
    for request in spec.get("devices").get("requests").items() {
        let name = request.get("name").text();
        known.insert(name.to_owned());
        let subs = request.get("firstAvailable");
        known.extend(
            subs.items()
                .map(|sub| format!("{name}/{}", sub.get("name").text())),
        );
    }
    known
}

/// Which attributes constraints name, by request; the empty request stands for all.
struct Used<'a>(HashMap<&'a str, HashSet<&'a str>>);

impl<'a> Used<'a> {
    fn by(constraints: &At<'a>) -> Self {
        let mut used: HashMap<&str, HashSet<&str>> = HashMap::new();
        for constraint in constraints.items() {
            let attribute = match constraint.get("matchAttribute") {
                same if same.given() => same.text(),
                _ if constraint.get("distinctAttribute").given() => {
                    constraint.get("distinctAttribute").text()
                }
                _ => continue,
            };
            let mut requests = constraint.get("requests").strings();
            if requests.is_empty() {
                requests.push("");
            }
            for request in requests {
                used.entry(request).or_default().insert(attribute);
            }
        }
        Used(used)
    }

    fn contains(&self, attribute: &str, request: &str) -> bool {
        let parent = request.split('/').next().unwrap_or("");
        ["", request, parent].iter().any(|request| {
            self.0
                .get(request)
                .is_some_and(|set| set.contains(attribute))
        })
    }
}

fn request(at: &At<'_>, used: &Used<'_>, errors: &mut Errors) {
    formats::label(&at.get("name"), errors);
    let (exact, first) = (at.get("exactly"), at.get("firstAvailable"));
    let name = at.get("name").text();
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
        (true, false) => request_body(&exact, name, used, errors),
        (false, true) => {
            for sub in up_to(&first, FIRST_MAX) {
                formats::label(&sub.get("name"), errors);
                let name = format!("{name}/{}", sub.get("name").text());
                request_body(&sub, &name, used, errors);
            }
        }
    }
}

fn request_body(at: &At<'_>, name: &str, used: &Used<'_>, errors: &mut Errors) {
    let (class, mode, count) = (
        at.get("deviceClassName"),
        at.get("allocationMode"),
        at.get("count"),
    );
    if errors.need(&class) {
        formats::subdomain(&class, errors);
    }
    selectors(&at.get("selectors"), false, errors);
    derived_attributes(&at.get("derivedAttributes"), name, used, errors);
    match mode.text() {
        "All" if count.int() != 0 => {
            errors.invalid(&count, "must not be specified when allocationMode is 'All'")
        }
        "All" => {}
        "ExactCount" => errors.positive(&count),
        _ => errors.unsupported(&mode, &["All", "ExactCount"]),
    }
    for toleration in at.get("tolerations").items() {
        self::toleration(&toleration, errors);
    }
}

/// `stored`: they are as they were, and were right then.
fn selectors(at: &At<'_>, stored: bool, errors: &mut Errors) {
    for selector in up_to(at, LIST_MAX) {
        let cel = selector.get("cel");
        if !cel.given() {
            errors.required(&cel, "");
        } else if !stored {
            expression(&cel.get("expression"), errors);
        }
    }
}

fn expression(at: &At<'_>, errors: &mut Errors) {
    if at.text().len() > device::LONGEST {
        errors.too_long(at, device::LONGEST);
        return;
    }
    match device::selector(at.text(), Mode::New) {
        Err(detail) => errors.invalid_value(at, at.text(), detail),
        Ok(checked) if device::cost(&checked, Mode::New) > device::DEAREST => {
            errors.forbidden(at, "too complex, exceeds cost limit");
        }
        Ok(_) => {}
    }
}

fn derived_attributes(at: &At<'_>, request: &str, used: &Used<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for attribute in at.items() {
        let name = attribute.get("name");
        if !name.empty() && !used.contains(name.text(), request) {
            errors.invalid(&name, "must be referenced by at least one matchAttribute or distinctAttribute constraint targeting this request");
        }
    }
    for attribute in at.items() {
        let name = attribute.get("name").text();
        if !seen.insert(name) {
            errors.duplicate_value(&attribute, name);
        }
    }
}

pub(crate) fn toleration(at: &At<'_>, errors: &mut Errors) {
    let (operator, value) = (at.get("operator"), at.get("value"));
    match operator.text() {
        "Exists" if !value.empty() => errors.invalid(&value, "must be empty for operator `Exists`"),
        "Equal" => errors.each(&value, names::label_value(value.text())),
        _ => {}
    }
}

fn constraint(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    request_refs(&at.get("requests"), known, errors);
    if !at.get("matchAttribute").given() && !at.get("distinctAttribute").given() {
        errors.required(at, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set");
    }
}

pub(crate) fn request_refs(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    for reference in up_to(at, LIST_MAX) {
        request_ref(&reference, known, errors);
    }
}

pub(crate) fn request_ref(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    const UNKNOWN: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    let parts: Vec<&str> = at.text().split('/').collect();
    if parts.len() > 2 {
        return errors.invalid(at, UNKNOWN);
    }
    for part in parts {
        for problem in names::dns1123_label(part) {
            errors.invalid_value(at, part, problem);
        }
    }
    if !known.contains(at.text()) {
        errors.invalid(at, UNKNOWN);
    }
}

pub(crate) fn configuration(at: &At<'_>, errors: &mut Errors) {
    let opaque = at.get("opaque");
    if opaque.given() {
        raw_object(&opaque.get("parameters"), PARAMETERS_MAX_BYTES, errors);
    } else {
        errors.required(&opaque, "");
    }
}

/// A JSON object that is not looked into.
pub(crate) fn raw_object(at: &At<'_>, max_bytes: usize, errors: &mut Errors) {
    if !at.given() {
        errors.required(at, "");
    } else if at.value.to_string().len() > max_bytes {
        errors.too_long(at, max_bytes);
    } else if !at.value.is_object() {
        errors.invalid_value(at, "<value omitted>", "must be a valid JSON object");
    }
}

pub(crate) fn class(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = object.get("spec");
    let selectors = spec.get("selectors");
    let kept = old.map(|old| old.get("spec").get("selectors"));
    let stored = kept.is_some_and(|kept| kept.value == selectors.value);
    self::selectors(&selectors, stored, errors);
    for config in up_to(&spec.get("config"), LIST_MAX) {
        configuration(&config, errors);
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
        volume_drivers::csi_driver_name(&driver, errors);
    }
    if pool.given() {
        pool_name(&pool, errors);
    }
    if device.given() {
        formats::label(&device, errors);
    }
    taint(&spec.get("taint"), errors);
}

pub(crate) fn taint_rule_status(status: &At<'_>, errors: &mut Errors) {
    let list = status.get("conditions");
    conditions::all(&list, errors);
    if list.count() > RULE_CONDITIONS_MAX {
        errors.too_many(&list, list.count(), RULE_CONDITIONS_MAX);
    }
}

pub(crate) fn pool_name(at: &At<'_>, errors: &mut Errors) {
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

pub(crate) fn taint(at: &At<'_>, errors: &mut Errors) {
    formats::label_key(&at.get("key"), errors);
    let value = at.get("value");
    if !value.empty() {
        errors.each(&value, names::label_value(value.text()));
    }
}

/// Conditions under which a device is bound, and under which binding failed: both or none, without overlap.
pub(crate) fn bindings(at: &At<'_>, errors: &mut Errors) {
    let (bound, failed) = (
        at.get("bindingConditions"),
        at.get("bindingFailureConditions"),
    );
    for list in [&bound, &failed] {
        for condition in up_to(list, BINDINGS_MAX) {
            formats::label_key(&condition, errors);
        }
    }
    let wanted: HashSet<&str> = bound.strings().into_iter().collect();
    for (list, apart) in [(&bound, false), (&failed, true)] {
        let mut seen = HashSet::new();
        for condition in list.items() {
            if !seen.insert(condition.text()) {
                errors.duplicate(&condition);
            }
            if apart && wanted.contains(condition.text()) {
                let detail = "bindingFailureConditions must not overlap with bindingConditions";
                errors.invalid(&condition, detail);
            }
        }
    }
    if bound.empty() && !failed.empty() {
        let detail = "bindingConditions are required to use bindingFailureConditions";
        errors.invalid_value(&bound, Value::Null, detail);
    }
    if failed.empty() && !bound.empty() {
        let detail = "bindingFailureConditions are required to use bindingConditions";
        errors.invalid_value(&failed, Value::Null, detail);
    }
}

/// Preparing cannot be left out unless what undoes it is left out too.
pub(crate) fn skipped_operations(at: &At<'_>, errors: &mut Errors) {
    let skipped = at.strings();
    let has = |operation: &str| skipped.contains(&operation);
    if has("NodePrepareResources") && !has("NodeUnprepareResources") && !has("*") {
        let detail =
            "NodePrepareResources cannot be skipped unless NodeUnprepareResources is also skipped";
        errors.invalid(at, detail);
    }
}
