//! One metric of a HorizontalPodAutoscaler: flat in v1 (`metricName`, `targetAverageValue`, `currentValue`), nested in v2 (`metric.name`,
//! `target.averageValue`, `current.value`). `side` is `target` for a specification and `current` for a status.

use serde_json::{Map, Value, json};

use crate::codec::json;
use crate::schema::schema;

/// The fields of a metric, in v1's order: its kind, then the sources that it may have.
const FIELDS: [&str; 6] = [
    "type",
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
];

/// v2's names of amounts with the ends of v1's names.
const AMOUNTS: [(&str, &str); 3] = [
    ("value", "Value"),
    ("averageUtilization", "AverageUtilization"),
    ("averageValue", "AverageValue"),
];

/// A metric of v1 as one of v2.
pub(super) fn to_v2(metric: Value, side: &str) -> Value {
    each_source(metric, |source, old| source_to_v2(old, source, side))
}

/// A metric of v2 as one of v1.
pub(super) fn from_v2(metric: Value, side: &str) -> Value {
    each_source(metric, |source, new| source_from_v2(new, source, side))
}

fn each_source(
    mut metric: Value,
    change: impl Fn(&str, Map<String, Value>) -> Map<String, Value>,
) -> Value {
    let mut changed = Map::new();
    for field in FIELDS {
        match metric.get_mut(field).map(Value::take) {
            None | Some(Value::Null) => {}
            Some(Value::Object(source)) => {
                changed.insert(field.to_owned(), change(field, source).into());
            }
            Some(other) => {
                changed.insert(field.to_owned(), other);
            }
        }
    }
    Value::Object(changed)
}

/// The amount that v1 always says of a source, zero where v2 does not have it.
fn always(source: &str, side: &str) -> Option<&'static str> {
    match (source, side) {
        ("object", _) | ("external", "current") => Some("value"),
        ("pods", _) | ("resource" | "containerResource", "current") => Some("averageValue"),
        _ => None,
    }
}

fn source_to_v2(mut old: Map<String, Value>, source: &str, side: &str) -> Map<String, Value> {
    let mut new = Map::new();
    let mut amounts = Map::new();
    for (name, end) in AMOUNTS {
        let amount = old.shift_remove(&flat_name(source, side, name, end));
        match amount.filter(|amount| !amount.is_null()) {
            Some(amount) => {
                amounts.insert(name.to_owned(), amount);
            }
            None if always(source, side) == Some(name) => {
                amounts.insert(name.to_owned(), "0".into());
            }
            None => {}
        }
    }
    if source == "object" {
        // v1 must name a value even where only the average counts.
        if side == "target"
            && amounts.contains_key("averageValue")
            && amounts.get("value").is_some_and(is_zero)
        {
            amounts.shift_remove("value");
        }
        if let Some(target) = old.shift_remove("target") {
            new.set("describedObject", target);
        }
    }
    if side == "target" {
        amounts.set("type", kind(source, &amounts).into());
    }
    if let Some(name) = old.shift_remove("metricName") {
        let mut identifier = json!({ "name": name });
        let selector = old.shift_remove(selector_name(source));
        if let Some(selector) = selector.filter(|selector| !selector.is_null()) {
            identifier["selector"] = selector;
        }
        new.set("metric", identifier);
    }
    new.extend(old);
    new.insert(side.to_owned(), Value::Object(amounts));
    new
}

/// What v2 calls a target that v1 tells by its amounts.
fn kind(source: &str, amounts: &Map<String, Value>) -> &'static str {
    let has = |name: &str| amounts.contains_key(name);
    match source {
        "object" if !has("averageValue") => "Value",
        "external" if has("value") => "Value",
        "resource" | "containerResource" if has("averageUtilization") => "Utilization",
        _ => "AverageValue",
    }
}

fn is_zero(amount: &Value) -> bool {
    let quantity = amount.as_str().map(crate::quantity::Quantity::parse);
    quantity.is_some_and(|quantity| quantity.is_ok_and(|quantity| quantity.is_zero()))
}

fn source_from_v2(mut new: Map<String, Value>, source: &str, side: &str) -> Map<String, Value> {
    let mut old = Map::new();
    if let Some(target) = new.shift_remove("describedObject") {
        let ty = "autoscaling/v1.CrossVersionObjectReference";
        old.set("target", in_order(target, ty));
    }
    if let Some(name) = new.shift_remove("name") {
        old.set("name", name);
    }
    let mut identifier = new.shift_remove("metric").unwrap_or_default();
    let selector = identifier.get_mut("selector").map(Value::take);
    let selector = selector.map(|selector| in_order(selector, "meta/v1.LabelSelector"));
    if let Value::Object(mut identifier) = identifier {
        let name = identifier.shift_remove("name");
        old.set("metricName", name.unwrap_or_else(|| "".into()));
    }
    let external = source == "external";
    if let Some(selector) = selector.clone().filter(|_| external) {
        old.insert(selector_name(source).to_owned(), selector);
    }
    let amounts = new.shift_remove(side).unwrap_or_default();
    let mut flat = Map::new();
    for (name, end) in AMOUNTS {
        let zero = || (always(source, side) == Some(name)).then(|| "0".into());
        if let Some(amount) = amounts.get(name).cloned().or_else(zero) {
            flat.insert(flat_name(source, side, name, end), amount);
        }
    }
    let average = flat.shift_remove("averageValue");
    old.extend(flat);
    if let Some(selector) = selector.filter(|_| !external) {
        old.insert(selector_name(source).to_owned(), selector);
    }
    if let Some(average) = average {
        old.set("averageValue", average);
    }
    old.extend(new);
    old
}

fn flat_name(source: &str, side: &str, name: &str, end: &str) -> String {
    if source == "object" && name == "averageValue" {
        name.to_owned()
    } else {
        format!("{side}{end}")
    }
}

/// A value with the fields of its type in their order.
fn in_order(value: Value, ty: &str) -> Value {
    let Some(ty) = schema().type_named(ty) else {
        return value;
    };
    let ordered = json::encode(&value, ty, None);
    serde_json::from_slice(&ordered).unwrap_or(value)
}

fn selector_name(source: &str) -> &'static str {
    if source == "external" {
        "metricSelector"
    } else {
        "selector"
    }
}
