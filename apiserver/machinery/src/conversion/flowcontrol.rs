//! Priority levels: the shares of a limited level had another name, then no way to say none (kubernetes
//! pkg/apis/flowcontrol/v1beta{1,2,3}/conversion.go).

use serde_json::{Map, Value};

use super::{annotate, rename, spec, take_annotation};

const ASSURED: &str = "assuredConcurrencyShares";
const NOMINAL: &str = "nominalConcurrencyShares";
const ZERO: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

fn limited(level: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    spec(level)?.get_mut("limited")?.as_object_mut()
}

pub(super) fn assured_to_nominal(level: &mut Map<String, Value>) {
    if let Some(limited) = limited(level) {
        rename(limited, ASSURED, NOMINAL);
    }
}

pub(super) fn nominal_to_assured(level: &mut Map<String, Value>) {
    if let Some(limited) = limited(level) {
        rename(limited, NOMINAL, ASSURED);
    }
}

pub(super) fn annotation_to_zero(level: &mut Map<String, Value>) {
    let zero = take_annotation(level, ZERO).is_some();
    if let (true, Some(limited)) = (zero, limited(level)) {
        limited.entry(NOMINAL).or_insert_with(|| 0.into());
    }
}

pub(super) fn zero_to_annotation(level: &mut Map<String, Value>) {
    let zero = limited(level).is_some_and(|limited| limited.get(NOMINAL).is_some_and(|n| *n == 0));
    if zero {
        annotate(level, ZERO, String::new());
    }
}
