//! Merging an applied configuration into the live object, and taking fields out of an object by their set.
//! Lists keep the applied order; items that only the live object has stay where they were.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::field_set::FieldSet;
use super::path_element::PathElement;
use super::shape::{Kind, Shape};

/// The live object with the configuration laid over it.
pub(super) fn merge(live: &Value, config: &Value, shape: Shape<'_>) -> Result<Value, String> {
    Ok(pair(Some(live), Some(config), shape)?.unwrap_or(Value::Null))
}

fn pair(
    live: Option<&Value>,
    config: Option<&Value>,
    shape: Shape<'_>,
) -> Result<Option<Value>, String> {
    if config.is_none() {
        return Ok(live.cloned());
    }
    let kind = shape.kind(config);
    let is_empty = |value: Option<&Value>| match (kind, value) {
        (Kind::Map, Some(Value::Object(map))) => map.is_empty(),
        (Kind::List, Some(Value::Array(items))) => items.is_empty(),
        _ => true,
    };
    if kind == Kind::Scalar || shape.is_atomic(kind) || is_empty(live) && is_empty(config) {
        return Ok(config.or(live).cloned());
    }
    if kind == Kind::Map {
        return merge_maps(live, config, shape);
    }
    merge_lists(items(live), items(config), shape)
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What the configuration leaves as it is stays a copy of what the live object has.
fn merge_maps(
    live: Option<&Value>,
    config: Option<&Value>,
    shape: Shape<'_>,
) -> Result<Option<Value>, String> {
    let mut out = live.and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, wanted) in config.and_then(Value::as_object).into_iter().flatten() {
        let inner = shape
            .field(key)
            .ok_or_else(|| format!(".{key}: field not declared in schema"))?;
        match pair(out.get(key), Some(wanted), inner)? {
            None => drop(out.shift_remove(key)),
            Some(value) if out.get(key).is_some_and(|there| there.is_copy_of(&value)) => {}
            Some(value) => drop(out.put(key, value)),
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

fn merge_lists(
    live: &[Value],
    config: &[Value],
    shape: Shape<'_>,
) -> Result<Option<Value>, String> {
    let live = Indexed::new(live, shape, true)?;
    let config = Indexed::new(config, shape, false)?;
    let mut shared = config
        .steps
        .iter()
        .filter(|step| live.items.contains_key(step));
    let mut next_shared = shared.next();
    let mut merged = BTreeSet::new();
    let mut out = Vec::with_capacity(live.steps.len().max(config.steps.len()));
    let (mut l, mut c) = (0, 0);
    let inner = shape.item();
    while l < live.steps.len() || c < config.steps.len() {
        if let (Some(step), Some(wanted)) = (live.steps.get(l), config.steps.get(c)) {
            if step == wanted {
                merged.insert(step);
                out.extend(pair(live.item(step), config.item(step), inner)?);
                (l, c) = (l + 1, c + 1);
                next_shared = shared.next();
                continue;
            }
            if config.items.contains_key(step) && next_shared.is_some_and(|next| next != step) {
                // Shared, but not the one whose turn it is.
                l += 1;
                continue;
            }
        }
        if let Some(step) = live.steps.get(l) {
            if !config.items.contains_key(step) {
                // By place: several items may bear this name.
                out.extend(pair(live.list.get(l), None, inner)?);
                l += 1;
                continue;
            }
            if merged.contains(step) {
                l += 1;
            }
        }
        if let Some(step) = config.steps.get(c) {
            merged.insert(step);
            out.extend(pair(live.item(step), config.item(step), inner)?);
            c += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// A list with the name of each item. Where several items share a name, none of them is merged with.
struct Indexed<'a> {
    list: &'a [Value],
    steps: Vec<PathElement>,
    items: BTreeMap<PathElement, Option<&'a Value>>,
}

impl<'a> Indexed<'a> {
    fn new(list: &'a [Value], shape: Shape<'_>, allow_duplicates: bool) -> Result<Self, String> {
        let mut steps = Vec::with_capacity(list.len());
        let mut items: BTreeMap<PathElement, Option<&Value>> = BTreeMap::new();
        for (i, item) in list.iter().enumerate() {
            let step = shape
                .item_step(item)
                .map_err(|why| format!("element {i}: {why}"))?;
            if let Some(known) = items.get_mut(&step) {
                if !allow_duplicates {
                    return Err(format!("duplicate entries for key {step}"));
                }
                *known = None;
            } else {
                items.insert(step.clone(), Some(item));
            }
            steps.push(step);
        }
        Ok(Self { list, steps, items })
    }

    fn item(&self, step: &PathElement) -> Option<&'a Value> {
        self.items.get(step).copied().flatten()
    }
}

/// The value without the fields of the set. What is atomic and has something removed goes whole.
pub(super) fn remove(value: &Value, fields: &FieldSet, shape: Shape<'_>) -> Value {
    let kind = shape.kind(Some(value));
    match value {
        Value::Object(map) if kind == Kind::Map => {
            if map.is_empty() || shape.is_atomic(kind) {
                return Value::Null;
            }
            let mut out = Map::new();
            for (key, value) in map {
                let found = fields.at(&PathElement::field(key));
                if found.is_some_and(|node| node.member) {
                    continue;
                }
                let kept = match (found, shape.field(key)) {
                    (Some(node), Some(inner)) => remove(value, &node.below, inner),
                    _ => value.clone(),
                };
                out.put(key, kept);
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Object(out)
            }
        }
        Value::Array(items) if kind == Kind::List => {
            if items.is_empty() || shape.is_atomic(kind) {
                return Value::Null;
            }
            let mut out = Vec::new();
            for item in items {
                let step = shape.item_step(item).ok();
                let found = step.and_then(|step| fields.at(&step));
                if found.is_some_and(|node| node.member) {
                    continue;
                }
                out.push(match found {
                    Some(node) => remove(item, &node.below, shape.item()),
                    None => item.clone(),
                });
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Array(out)
            }
        }
        _ if kind == Kind::Scalar => value.clone(),
        _ => Value::Null,
    }
}
