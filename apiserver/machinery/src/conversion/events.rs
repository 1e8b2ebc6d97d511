//! Events: the core group and events.k8s.io name the same things differently, and are stored as the core group's.

use serde_json::{Map, Value};

use super::rename;

/// Names in the core group, and in events.k8s.io.
const NAMES: [(&str, &str); 8] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

pub(super) fn core_to_events(event: &mut Map<String, Value>) {
    NAMES
        .iter()
        .for_each(|(core, events)| rename(event, core, events));
}

pub(super) fn events_to_core(event: &mut Map<String, Value>) {
    NAMES
        .iter()
        .for_each(|(core, events)| rename(event, events, core));
}
