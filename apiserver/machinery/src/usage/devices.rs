//! What a claim of devices uses, by the class of each (pkg/quota/v1/evaluator/core/resource_claims.go).

use super::Amounts;
use crate::quantity::{Format, Quantity};
use serde_json::Value;

/// What follows the class.
const OF_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
/// Whoever asks for all devices may get this many (AllocationResultsMaxSize).
const ALL: i64 = 32;

pub(super) fn covers(name: &str) -> bool {
    name.ends_with(OF_CLASS)
}

pub(super) fn usage(claim: &Value) -> Amounts {
    let mut used = Amounts::default();
    let requests = claim.pointer("/spec/devices/requests");
    for request in requests.and_then(Value::as_array).into_iter().flatten() {
        used = used.plus(&of_request(request));
    }
    used
}

/// Of alternatives the most that any would take of each class.
fn of_request(request: &Value) -> Amounts {
    let alternatives = request["firstAvailable"].as_array();
    let alternatives = alternatives.map_or(&[][..], Vec::as_slice);
    let mut used = Amounts::default();
    if alternatives.is_empty() {
        used = of_class(&request["exactly"]);
    }
    for alternative in alternatives {
        used.raise(&of_class(alternative));
    }
    used
}

fn of_class(request: &Value) -> Amounts {
    let mut used = Amounts::default();
    if let Some(class) = request["deviceClassName"].as_str() {
        let devices = match request["allocationMode"].as_str() {
            Some("ExactCount") => request["count"].as_i64().unwrap_or(0),
            Some("All") => ALL,
            // A mode of a later version is not counted.
            _ => 0,
        };
        let devices = Quantity::from_int(devices, Format::DecimalSi);
        used.set(&format!("{class}{OF_CLASS}"), devices);
    }
    used
}
