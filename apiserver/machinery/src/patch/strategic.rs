//! Strategic merge patch, driven by the schema: merge keys, merged lists of scalars, `$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList` and `$setElementOrder`, with upstream's (`apimachinery/pkg/util/strategicpatch`) errors.
//! The order of merged lists is made in `strategic/order.rs`, what the schema says is asked in `strategic/lookup.rs`.

mod fits;
mod list;
mod lookup;
mod order;

pub use fits::misfit;

use std::collections::HashSet;

use serde_json::{Key, Map, Value};

use super::PatchError;
use crate::goformat::plain;
use crate::nesting::{guarded, is_deep};
use crate::schema::{Schema, TypeId};
use list::{elements_are_maps, merge_handled};
use lookup::Lookup;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

type Object = Map<String, Value>;

/// The patched object. Directives are taken out of `patch` on the way, as upstream does, so that messages that
/// show the patch afterwards look the same.
pub fn apply(
    object: Value,
    patch: &mut Value,
    schema: &Schema,
    root: TypeId,
) -> Result<Value, PatchError> {
    guarded(is_deep(&[&object, patch]), || {
        merge(object, patch, schema, root)
    })
}

fn merge(
    object: Value,
    patch: &mut Value,
    schema: &Schema,
    root: TypeId,
) -> Result<Value, PatchError> {
    let mut object = match object {
        Value::Object(map) => map,
        _ => Object::new(),
    };
    let patch = match patch {
        Value::Object(map) => map,
        Value::Null => return Ok(Value::Object(object)),
        other => {
            let kind = super::merge::json_kind(other);
            return Err(PatchError::Malformed(format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    merge_maps(&mut object, patch, Lookup::root(schema, root))?;
    Ok(Value::Object(object))
}

fn merge_maps(
    original: &mut Object,
    patch: &mut Object,
    lookup: Lookup<'_>,
) -> Result<(), PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => {
                patch.shift_remove(DIRECTIVE);
                *original = patch.clone();
            }
            Some("delete") => original.clear(),
            _ => return Err(unknown_directive(directive, patch)),
        }
        return Ok(());
    }
    retain_keys(original, patch)?;
    apply_element_orders(original, patch, lookup)?;
    for (key, change) in patch.iter_mut() {
        let delete_from = delete_from_list(key)?;
        merge_field(
            original,
            delete_from.unwrap_or(key),
            change,
            delete_from.is_some(),
            lookup,
        )?;
    }
    Ok(())
}

fn merge_field(
    original: &mut Object,
    key: &str,
    change: &mut Value,
    is_delete_list: bool,
    lookup: Lookup<'_>,
) -> Result<(), PatchError> {
    if change.is_null() {
        original.shift_remove(key);
        return Ok(());
    }
    match (original.get_mut(key), change) {
        (Some(Value::Object(current)), Value::Object(changes)) => {
            let (inner, replace) = lookup.map_field(key)?;
            if replace {
                *current = changes.clone();
                return Ok(());
            }
            merge_maps(current, changes, inner)
        }
        (Some(Value::Array(current)), Value::Array(changes)) => {
            let meta = lookup.list_field(key)?;
            let list = std::mem::take(current);
            let merged = merge_handled(list, changes, &meta, is_delete_list)?;
            original.insert(key.to_owned(), Value::Array(merged));
            Ok(())
        }
        _ if is_delete_list => Ok(()),
        (current, change) => {
            let is_scalar_for_scalar = current
                .as_ref()
                .is_some_and(|c| same_scalar_type(c, change));
            if !is_scalar_for_scalar {
                discard_nulls(change);
            }
            match without_directives(change) {
                Some(value) => {
                    original.insert(key.to_owned(), value);
                }
                None => {
                    original.shift_remove(key);
                }
            }
            Ok(())
        }
    }
}

/// Carries out every `$setElementOrder/FIELD` of a map together with the field's own change.
fn apply_element_orders(
    original: &mut Object,
    patch: &mut Object,
    lookup: Lookup<'_>,
) -> Result<(), PatchError> {
    let keys: Vec<Key> = patch
        .keys()
        .filter(|key| key.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for key in keys {
        let wanted = match patch.shift_remove(&key) {
            Some(Value::Array(wanted)) => wanted,
            other => return Err(bad_type("[]interface {}", other.as_ref())),
        };
        let malformed =
            || PatchError::Malformed("invalid patch format of setElementOrder list".into());
        let field = key
            .strip_prefix(ELEMENT_ORDER)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(malformed)?;
        let list = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(bad_type("[]interface {}", Some(other))),
        };
        let current = list(original.get(field))?;
        let changes = list(patch.get(field))?;
        let meta = lookup.list_field(field)?;
        order::check_patch_order(changes.as_deref().unwrap_or_default(), &wanted, meta.key)?;
        let server_order = current.clone().unwrap_or_default();
        let both = [
            server_order.as_slice(),
            changes.as_deref().unwrap_or_default(),
        ];
        let merged = match (current, &changes) {
            (None, None) => continue,
            (Some(current), None) => current,
            (None, Some(changes)) => match without_directives(&Value::Array(changes.clone())) {
                Some(Value::Array(items)) => items,
                _ => continue,
            },
            (Some(current), Some(changes)) => {
                merge_handled(current, &mut changes.clone(), &meta, false)?
            }
        };
        elements_are_maps(&both)?;
        let arranged = order::arrange(merged, &wanted, &server_order, meta.key)?;
        original.insert(field.to_owned(), Value::Array(arranged));
        patch.shift_remove(field);
    }
    Ok(())
}

/// `$retainKeys`: every other key of the object goes; the patch may name no other.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(retained) = patch.shift_remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".into());
    let retained: HashSet<&str> = retained
        .as_array()
        .ok_or_else(malformed)?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let named = |key: &str| retained.contains(key);
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM_LIST) || key.starts_with(ELEMENT_ORDER);
        if !value.is_null() && !directive && !named(key) {
            return Err(malformed());
        }
    }
    original.retain(|key, _| named(key));
    Ok(())
}

fn delete_from_list(key: &str) -> Result<Option<&str>, PatchError> {
    let Some(rest) = key.strip_prefix(DELETE_FROM_LIST) else {
        return Ok(None);
    };
    let malformed = || PatchError::Malformed("invalid patch format of primitive list".into());
    rest.strip_prefix('/').map(Some).ok_or_else(malformed)
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// A copy without the maps that carry `$patch`; `None` when the value itself is one.
fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.iter()
                .filter_map(|(k, v)| Some((k.clone(), without_directives(v)?)))
                .collect(),
        )),
        Value::Array(items) => Some(items.iter().filter_map(without_directives).collect()),
        other => Some(other.clone()),
    }
}

fn same_scalar_type(a: &Value, b: &Value) -> bool {
    !a.is_object() && !a.is_array() && go_type(a) == go_type(b)
}

/// The Go type that a decoded value has.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn bad_type(expected: &str, actual: Option<&Value>) -> PatchError {
    let actual = actual.map_or("%!s(<nil>)", go_type);
    PatchError::Unsupported(format!("expected a {expected}, but received a {actual}"))
}

fn no_merge_key(item: &Value, key: &str) -> PatchError {
    PatchError::Unsupported(format!(
        "map: {} does not contain declared merge key: {key}",
        plain(item)
    ))
}

fn unknown_directive(directive: &Value, map: &Object) -> PatchError {
    let shown = plain(&Value::Object(map.clone()));
    PatchError::UnknownDirective(format!(
        "unknown patch type: {} in map: {shown}",
        plain(directive)
    ))
}

#[cfg(test)]
mod tests;
