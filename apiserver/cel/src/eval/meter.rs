//! What an expression costs while it runs: cel-go's interpreter/runtimecost.go, the trackers of ext/lists.go and ext/sets.go, and
//! k8s.io/apiserver pkg/cel/library/cost.go.

use super::Error;
use super::value::{Opaque, Value};
use crate::cost::libraries::{CHECK, COSTING_ONE};

const TRAVERSAL: f64 = 0.1;
const REGEX: f64 = 0.25;
const LIST: u64 = 10;

pub(super) const MAKE_LIST: u64 = LIST;
pub(super) const MAKE_MAP: u64 = 30;
pub(super) const MAKE_OBJECT: u64 = 40;

/// Counts up to a budget.
pub(super) struct Meter {
    pub(super) cost: u64,
    budget: u64,
}

impl Meter {
    pub(super) fn new(budget: u64) -> Self {
        Self { cost: 0, budget }
    }

    pub(super) fn charge(&mut self, cost: u64) -> Result<(), Error> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.budget {
            return Err(Error::Budget);
        }
        Ok(())
    }
}

/// The size of a value: elements, entries, characters, bytes; 1 for what has none.
pub(super) fn size(value: &Value<'_>) -> u64 {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Optional(Some(inner)) => return size(inner),
        Value::Opaque(Opaque::Address(address)) => address.bytes(),
        Value::Opaque(Opaque::Network(network)) => network.bytes(),
        _ => 1,
    };
    size as u64
}

fn scaled(value: u64, factor: f64) -> u64 {
    (value as f64 * factor).ceil() as u64
}

/// What a call costs, by the one overload that it was resolved to (empty where there are several).
pub(super) fn call(function: &str, overload: &str, args: &[Value<'_>], result: &Value<'_>) -> u64 {
    let known = list_library(overload, args, result)
        .or_else(|| kubernetes(function, overload, args, result));
    known.unwrap_or_else(|| standard(overload, args))
}

fn standard(overload: &str, args: &[Value<'_>]) -> u64 {
    let of = |at: usize| args.get(at).map_or(1, size);
    match overload {
        "starts_with_string" | "ends_with_string" => scaled(of(1), TRAVERSAL),
        "string_to_bytes" | "bytes_to_string" | "strings_quote" | "string_format" => {
            scaled(of(0), TRAVERSAL)
        }
        "in_list" => of(1),
        "add_string" | "add_bytes" => scaled(of(0) + of(1), TRAVERSAL),
        "matches" | "matches_string" => pattern(of(0), of(1)),
        "contains_string" => scaled(of(0), TRAVERSAL) * scaled(of(1), TRAVERSAL),
        _ if compares(overload) => scaled(of(0).min(of(1)), TRAVERSAL),
        _ => 1,
    }
}

fn compares(overload: &str) -> bool {
    let ordered = [
        "less_string",
        "greater_string",
        "less_equals_string",
        "greater_equals_string",
    ];
    let bytes = [
        "less_bytes",
        "greater_bytes",
        "less_equals_bytes",
        "greater_equals_bytes",
    ];
    ["equals", "not_equals"].contains(&overload)
        || ordered.contains(&overload)
        || bytes.contains(&overload)
}

fn pattern(text: u64, pattern: u64) -> u64 {
    let text = ((1.0 + text as f64) * TRAVERSAL).ceil() as u64;
    text * scaled(pattern, REGEX)
}

fn list_library(overload: &str, args: &[Value<'_>], result: &Value<'_>) -> Option<u64> {
    let made = |factor: f64, size: u64| {
        let factor = if factor < 0.0 { 1.0 } else { factor };
        Some(((size as f64 * factor) as u64).saturating_add(1 + LIST))
    };
    let of = |at: usize| args.get(at).map_or(1, size);
    let compared = |at: usize| {
        let Some(Value::List(list)) = args.get(at) else {
            return made(2.0, 0);
        };
        let texts = matches!(list.get(0), Some(Value::String(_) | Value::Bytes(_)));
        let pairs = (list.len() as u64).saturating_mul(list.len() as u64);
        made(if texts { 2.0 + TRAVERSAL } else { 2.0 }, pairs)
    };
    let sets = |factor: u64| Some(1 + of(0).saturating_mul(of(1)).saturating_mul(factor));
    match overload {
        "list_slice" | "lists_range" | "list_reverse" => made(1.0, size(result)),
        "list_flatten" => made(1.0, of(0)),
        "list_flatten_int" => match args.get(1) {
            Some(Value::Int(depth)) => made(*depth as f64, of(0)),
            _ => made(1.0, of(0)),
        },
        "list_distinct" => compared(0),
        "list_sets_contains_list" | "list_sets_intersects_list" => sets(1),
        "list_sets_equivalent_list" => sets(2),
        _ if overload.ends_with("_sortByAssociatedKeys") => compared(1),
        _ if overload.ends_with("_sort") => compared(0),
        _ => None,
    }
}

fn kubernetes(
    function: &str,
    overload: &str,
    args: &[Value<'_>],
    result: &Value<'_>,
) -> Option<u64> {
    let of = |at: usize| args.get(at).map_or(1, size);
    Some(match function {
        "check" => CHECK,
        _ if COSTING_ONE.contains(&function) => 1,
        "fieldSelector" | "labelSelector" if args.len() >= 2 => {
            let length = of(1);
            LIST + scaled(length, TRAVERSAL) + scaled(scaled(length, 0.5), 50.0)
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => {
            args.first().map_or(0, traversal)
        }
        "url"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "jsonpatch.escapeKey"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver" => scaled(of(0), TRAVERSAL),
        "ip" if overload == "cidr_ip" => 1,
        "ip" => scaled(of(0), TRAVERSAL),
        "replace" | "split" | "ip.isCanonical" => scaled(of(0), 2.0 * TRAVERSAL),
        "join" => scaled(size(result), 2.0 * TRAVERSAL),
        "find" | "findAll" => pattern(of(0), of(1)),
        "containsIP" | "containsCIDR" => {
            let mut cost = scaled(2 * of(0), TRAVERSAL);
            if function == "containsCIDR" {
                cost += scaled(of(0), TRAVERSAL) + 1;
            }
            if overload.ends_with("_string") {
                cost += scaled(of(1), TRAVERSAL);
            }
            cost
        }
        "validate" => match args.first() {
            Some(Value::Opaque(Opaque::Format(format))) => pattern(of(1), format.pattern_length()),
            _ => return None,
        },
        "_==_" if matches!(args.first(), Some(Value::Opaque(_))) => 1,
        _ => return None,
    })
}

/// Walking all of a value, and what is in it.
fn traversal(value: &Value<'_>) -> u64 {
    match value {
        Value::String(text) => (text.len() as f64 * TRAVERSAL) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * TRAVERSAL) as u64,
        Value::List(list) => list.iter().map(|element| traversal(&element)).sum(),
        Value::Map(map) => map
            .entries()
            .map(|(key, value)| traversal(&key) + traversal(&value))
            .sum(),
        _ => 1,
    }
}
