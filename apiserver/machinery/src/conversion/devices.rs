//! Dynamic resources in v1beta1: a request said itself what stands in `exactly` since, and a device was `basic` (kubernetes
//! pkg/apis/resource/v1beta1/conversion.go).

use serde_json::{Map, Value};

use super::{each_in, spec};

/// The packages of the newer form.
pub(super) const FLAT: &[&str] = &["resource/v1", "resource/v1beta2"];
/// What a request keeps beside the one thing that it asks for.
const OF_REQUEST: [&str; 2] = ["name", "firstAvailable"];

fn requests(spec: &mut Map<String, Value>, change: fn(&mut Map<String, Value>)) {
    if let Some(devices) = spec.get_mut("devices").and_then(Value::as_object_mut) {
        each_in(devices, "requests").for_each(change);
    }
}

fn to_exact(request: &mut Map<String, Value>) {
    let (kept, exactly): (Map<_, _>, Map<_, _>) = std::mem::take(request)
        .into_iter()
        .partition(|(field, _)| OF_REQUEST.contains(&field.as_str()));
    *request = kept;
    if !exactly.is_empty() {
        request.set("exactly", exactly.into());
    }
}

fn from_exact(request: &mut Map<String, Value>) {
    if let Some(Value::Object(exactly)) = request.shift_remove("exactly") {
        request.extend(exactly);
    }
}

pub(super) fn claim_to_exact(claim: &mut Map<String, Value>) {
    if let Some(spec) = spec(claim) {
        requests(spec, to_exact);
    }
}

pub(super) fn claim_from_exact(claim: &mut Map<String, Value>) {
    if let Some(spec) = spec(claim) {
        requests(spec, from_exact);
    }
}

pub(super) fn template_to_exact(template: &mut Map<String, Value>) {
    if let Some(spec) = spec(template) {
        claim_to_exact(spec);
    }
}

pub(super) fn template_from_exact(template: &mut Map<String, Value>) {
    if let Some(spec) = spec(template) {
        claim_from_exact(spec);
    }
}

pub(super) fn slice_to_flat(slice: &mut Map<String, Value>) {
    let Some(spec) = spec(slice) else { return };
    for device in each_in(spec, "devices") {
        if let Some(Value::Object(basic)) = device.shift_remove("basic") {
            device.extend(basic);
        }
    }
}

pub(super) fn slice_from_flat(slice: &mut Map<String, Value>) {
    let Some(spec) = spec(slice) else { return };
    for device in each_in(spec, "devices") {
        let (kept, basic): (Map<_, _>, Map<_, _>) = std::mem::take(device)
            .into_iter()
            .partition(|(field, _)| field == "name");
        *device = kept;
        device.set("basic", basic.into());
    }
}
