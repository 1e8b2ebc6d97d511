//! What a driver publishes of its devices (pkg/apis/resource/validation/validation.go).

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::devices::{self, up_to};
use super::{device_capacity, formats, go_value, same, selectors, volume_drivers};
use crate::names;

const DEVICES_MAX: usize = 128;
/// With taints, counters or lists of attributes.
const RICH_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMED_MAX: usize = 2;
const TAINTS_MAX: usize = 16;
const ATTRIBUTES_MAX: usize = 32;
const VALUES_MAX: usize = 48;
const VALUE_MAX_BYTES: usize = 64;
const KEY_SHOWN_BYTES: usize = 63 + 1 + 32;
const LISTS: &[&str] = &["bools", "ints", "strings", "versions"];

pub(crate) fn slice(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = object.get("spec");
    let before = old.map(|old| old.get("spec"));
    volume_drivers::csi_driver_name(&spec.get("driver"), errors);
    pool(&spec.get("pool"), errors);
    if let Some(before) = &before {
        let (name, was) = (spec.get("pool").get("name"), before.get("pool").get("name"));
        errors.immutable(&name, &was);
        errors.immutable(&spec.get("driver"), &before.get("driver"));
        errors.immutable(&spec.get("nodeName"), &before.get("nodeName"));
    }
    whole_slice_nodes(&spec, errors);
    let (counters, list) = (spec.get("sharedCounters"), spec.get("devices"));
    if counters.given() && list.given() {
        let detail = "only one of `sharedCounters` or `devices` is allowed";
        errors.invalid_value(&spec, "", detail);
    }
    devices(&spec, before.as_ref(), errors);
    for set in up_to(&counters, COUNTER_SETS_MAX) {
        counter_map(&set.get("counters"), errors);
    }
    devices::skipped_operations(&spec.get("skipNodeOperations"), errors);
}

fn pool(at: &At<'_>, errors: &mut Errors) {
    devices::pool_name(&at.get("name"), errors);
    errors.positive(&at.get("resourceSliceCount"));
    if at.get("generation").int() < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&at.get("generation"), detail);
    }
}

/// Which of the ways to name nodes are taken; wrong values of them are told.
fn node_fields(at: &At<'_>, empty_name: &str, flags: &[&str], errors: &mut Errors) -> Vec<String> {
    let mut taken = Vec::new();
    let (name, nodes) = (at.get("nodeName"), at.get("nodeSelector"));
    if name.given() && name.empty() {
        errors.invalid(&name, empty_name);
    } else if name.given() {
        taken.push("`nodeName`".to_owned());
        formats::subdomain(&name, errors);
    }
    if nodes.given() {
        taken.push("`nodeSelector`".to_owned());
        selectors::node_selector(&nodes, errors);
        let terms = nodes.get("nodeSelectorTerms");
        if flags.len() > 1 && terms.count() != 1 {
            let shown = go_value::internal_list("core/v1.NodeSelectorTerm", terms.value);
            errors.invalid_value(&terms, shown, "must have exactly one node selector term");
        }
    }
    for flag in flags {
        let flag_at = at.get(flag);
        if flag_at.yes() {
            taken.push(format!("`{flag}`"));
        } else if flag_at.given() {
            errors.invalid(&flag_at, "must be either unset or set to true");
        }
    }
    taken
}

fn whole_slice_nodes(spec: &At<'_>, errors: &mut Errors) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let empty_name = "must be either unset or set to a non-empty string";
    let taken = node_fields(
        spec,
        empty_name,
        &["allNodes", "perDeviceNodeSelection"],
        errors,
    );
    match taken.len() {
        0 => errors.required(spec, ONE),
        1 => {}
        _ => errors.invalid_value(
            spec,
            format!("{{{}}}", taken.join(", ")),
            format!("{ONE}, but multiple fields are set"),
        ),
    }
}

fn devices(spec: &At<'_>, before: Option<&At<'_>>, errors: &mut Errors) {
    let list = spec.get("devices");
    let rich = list.items().any(|device| {
        let attributes = device.get("attributes").entries();
        let listed = |at: &At<'_>| LISTS.iter().any(|list| at.get(list).given());
        !device.get("taints").empty()
            || !device.get("consumesCounters").empty()
            || attributes.iter().any(|(_, attribute)| listed(attribute))
    });
    let most = if rich { RICH_DEVICES_MAX } else { DEVICES_MAX };
    if list.count() > most {
        return errors.too_many(&list, list.count(), most);
    }
    let per_device = spec.get("perDeviceNodeSelection").yes();
    for device in list.items() {
        let name = device.get("name").text();
        let old = before.and_then(|before| {
            let mut old = before.get("devices").items();
            old.find(|old| old.get("name").text() == name)
        });
        self::device(&device, old.as_ref(), per_device, errors);
    }
    let mut seen = HashSet::new();
    for device in list.items() {
        let name = device.get("name").text();
        if !seen.insert(name) {
            errors.duplicate_value(&device, name);
        }
    }
}

fn device(at: &At<'_>, old: Option<&At<'_>>, per_device: bool, errors: &mut Errors) {
    let (attributes, capacity, taints) =
        (at.get("attributes"), at.get("capacity"), at.get("taints"));
    formats::label(&at.get("name"), errors);
    counts(at, errors);
    for (key, attribute) in attributes.entries() {
        qualified_name(&attributes, key, errors);
        self::attribute(&shown(&attributes, &attribute, key), errors);
    }
    let changed =
        |field: &str| old.is_none_or(|old| !same(old.get(field).value, at.get(field).value));
    if changed("capacity") {
        let shared = at.get("allowMultipleAllocations").yes();
        for (key, amount) in capacity.entries() {
            qualified_name(&capacity, key, errors);
            device_capacity::capacity(&shown(&capacity, &amount, key), shared, errors);
        }
    }
    if changed("taints") {
        if taints.count() > TAINTS_MAX {
            errors.too_many(&taints, taints.count(), TAINTS_MAX);
        }
        for taint in up_to(&taints, TAINTS_MAX) {
            devices::taint(&taint, errors);
        }
    }
    for consumed in up_to(&at.get("consumesCounters"), CONSUMED_MAX) {
        counter_map(&consumed.get("counters"), errors);
    }
    device_nodes(at, per_device, errors);
    devices::bindings(at, errors);
}

fn counts(at: &At<'_>, errors: &mut Errors) {
    let attributes = at.get("attributes");
    let entries = attributes.count() + at.get("capacity").count();
    if entries > ATTRIBUTES_MAX {
        let detail = format!(
            "the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}"
        );
        errors.invalid_value(at, entries, detail);
    }
    let values = |attribute: &At<'_>| {
        let listed: usize = LISTS.iter().map(|list| attribute.get(list).count()).sum();
        listed.max(1)
    };
    let values: usize = attributes.entries().iter().map(|(_, at)| values(at)).sum();
    if values > VALUES_MAX {
        let detail = format!("the total number of attribute values must not exceed {VALUES_MAX}");
        errors.invalid_value(at, values, detail);
    }
}

/// An entry of a map whose key may be too long to be shown whole.
fn shown<'a>(map: &At<'a>, entry: &At<'a>, key: &str) -> At<'a> {
    if key.len() <= KEY_SHOWN_BYTES || !key.is_ascii() {
        return entry.clone();
    }
    let rest = KEY_SHOWN_BYTES - 3;
    let (front, back) = (&key[..rest.div_ceil(2)], &key[key.len() - rest / 2..]);
    entry.shown_at(format!("{}[{front}...{back}]", map.path))
}

fn device_nodes(at: &At<'_>, per_device: bool, errors: &mut Errors) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if !per_device {
        let fields = ["nodeName", "nodeSelector", "allNodes"];
        if fields.iter().any(|field| at.get(field).given()) {
            let detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.invalid_value(at, Value::Null, detail);
        }
        return;
    }
    let taken = node_fields(at, "must not be empty", &["allNodes"], errors);
    match taken.len() {
        0 => errors.required(at, ONE),
        1 => {}
        _ => errors.invalid_value(at, format!("{{{}}}", taken.join(", ")), ONE),
    }
}

fn counter_map(at: &At<'_>, errors: &mut Errors) {
    if at.count() > COUNTERS_MAX {
        errors.too_many(at, at.count(), COUNTERS_MAX);
    }
}

/// `[domain/]name`, the name being an identifier of C.
fn qualified_name(at: &At<'_>, name: &str, errors: &mut Errors) {
    const ID_MAX: usize = 32;
    let identifier = |name: &str, errors: &mut Errors| {
        if name.len() > ID_MAX {
            errors.too_long(at, ID_MAX);
        }
        for problem in names::c_identifier(name) {
            errors.invalid_value(at, name, problem);
        }
    };
    match name.split('/').collect::<Vec<_>>()[..] {
        [name] => identifier(name, errors),
        [domain, name] => {
            if domain.is_empty() {
                errors.invalid_value(at, "", "the domain must not be empty");
            } else {
                let value = Value::from(domain);
                volume_drivers::csi_driver_name(&at.standing_in(&value), errors);
            }
            if name.is_empty() {
                errors.invalid_value(at, "", "the name must not be empty");
            } else {
                identifier(name, errors);
            }
        }
        _ => {}
    }
}

fn attribute(at: &At<'_>, errors: &mut Errors) {
    let long = |at: &At<'_>, errors: &mut Errors| {
        if at.text().len() > VALUE_MAX_BYTES {
            errors.too_long(at, VALUE_MAX_BYTES);
        }
    };
    long(&at.get("string"), errors);
    if at.get("version").given() {
        version(&at.get("version"), errors);
        long(&at.get("version"), errors);
    }
    for list in LISTS {
        let list = at.get(list);
        if list.given() && list.empty() {
            errors.invalid(&list, "must not be empty if specified");
        }
    }
    for item in at.get("versions").items() {
        version(&item, errors);
        long(&item, errors);
    }
}

fn version(at: &At<'_>, errors: &mut Errors) {
    if !is_semver(at.text()) {
        errors.invalid(at, "must be a string compatible with semver.org spec 2.0.0");
    }
}

/// `1.2.3[-pre.release][+build]`.
fn is_semver(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    let core: Vec<&str> = core.split('.').collect();
    core.len() == 3
        && core.iter().all(|part| number(part))
        && pre.is_none_or(|pre| pre.split('.').all(|p| word(p) && (!digits(p) || number(p))))
        && build.is_none_or(|build| build.split('.').all(word))
}

#[cfg(test)]
mod tests {
    use super::is_semver;

    #[test]
    fn versions() {
        for right in ["0.0.0", "1.2.3-alpha.1", "1.2.3+build.01", "1.0.0--x"] {
            assert!(is_semver(right), "{right}");
        }
        for wrong in ["1.2", "01.2.3", "1.2.3-01", "1.2.3-", "v1.2.3", "1.2.3+"] {
            assert!(!is_semver(wrong), "{wrong}");
        }
    }
}
