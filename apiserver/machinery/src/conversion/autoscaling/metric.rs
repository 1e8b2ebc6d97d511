//! One metric of a HorizontalPodAutoscaler: flat in v1 (`metricName`, `targetAverageValue`, `currentValue`), nested in v2 (`metric.name`,
//! `target.averageValue`, `current.value`). `side` is `target` for a specification and `current` for a status.

use serde_json::{Map, Value, json};

/// The sources that a metric may have.
const SOURCES: [&str; 5] = [
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
];

/// v2's names of amounts with the ends of v1's names.
const AMOUNTS: [(&str, &str); 3] = [
    ("value", "Value"),
    ("averageValue", "AverageValue"),
    ("averageUtilization", "AverageUtilization"),
];

/// A metric of v1 as one of v2.
pub(super) fn to_v2(mut metric: Value, side: &str) -> Value {
    for source in SOURCES {
        if let Some(Value::Object(old)) = metric.get_mut(source) {
            *old = source_to_v2(std::mem::take(old), source, side);
        }
    }
    metric
}

/// A metric of v2 as one of v1.
pub(super) fn from_v2(mut metric: Value, side: &str) -> Value {
    for source in SOURCES {
        if let Some(Value::Object(new)) = metric.get_mut(source) {
            *new = source_from_v2(std::mem::take(new), source, side);
        }
    }
    metric
}

fn source_to_v2(mut old: Map<String, Value>, source: &str, side: &str) -> Map<String, Value> {
    let mut new = Map::new();
    let mut amounts = Map::new();
    for (name, end) in AMOUNTS {
        if let Some(amount) = old.shift_remove(&format!("{side}{end}")) {
            amounts.insert(name.to_owned(), amount);
        }
    }
    if source == "object" {
        if let Some(average) = old.shift_remove("averageValue") {
            // v1 must name a value even where only the average counts.
            amounts = if side == "target" {
                Map::new()
            } else {
                amounts
            };
            amounts.insert("averageValue".to_owned(), average);
        }
        if let Some(target) = old.shift_remove("target") {
            new.insert("describedObject".to_owned(), target);
        }
    }
    if side == "target" {
        let kind = match (
            amounts.contains_key("averageUtilization"),
            amounts.contains_key("averageValue"),
        ) {
            (true, _) => "Utilization",
            (false, true) => "AverageValue",
            (false, false) => "Value",
        };
        amounts.insert("type".to_owned(), kind.into());
    }
    if let Some(name) = old.shift_remove("metricName") {
        let mut identifier = json!({ "name": name });
        if let Some(selector) = old.shift_remove(selector_name(source)) {
            identifier["selector"] = selector;
        }
        new.insert("metric".to_owned(), identifier);
    }
    new.extend(old);
    new.insert(side.to_owned(), Value::Object(amounts));
    new
}

fn source_from_v2(mut new: Map<String, Value>, source: &str, side: &str) -> Map<String, Value> {
    let mut old = Map::new();
    let amounts = new.shift_remove(side).unwrap_or_default();
    for (name, end) in AMOUNTS {
        if let Some(amount) = amounts.get(name) {
            let flat = if source == "object" && name == "averageValue" {
                name.to_owned()
            } else {
                format!("{side}{end}")
            };
            old.insert(flat, amount.clone());
        }
    }
    if source == "object" {
        old.entry(format!("{side}Value"))
            .or_insert_with(|| "0".into());
    }
    if let Some(target) = new.shift_remove("describedObject") {
        old.insert("target".to_owned(), target);
    }
    if let Some(Value::Object(mut identifier)) = new.shift_remove("metric") {
        old.insert(
            "metricName".to_owned(),
            identifier.shift_remove("name").unwrap_or_else(|| "".into()),
        );
        if let Some(selector) = identifier.shift_remove("selector") {
            old.insert(selector_name(source).to_owned(), selector);
        }
    }
    old.extend(new);
    old
}

fn selector_name(source: &str) -> &'static str {
    if source == "external" {
        "metricSelector"
    } else {
        "selector"
    }
}
