//! The order of a merged list: items that the patch names stand in its order, the others in the object's, and
//! the two sequences are woven together by the object's order.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value;

use super::super::PatchError;
use super::{DIRECTIVE, bad_type, no_merge_key};
use crate::goformat::plain;

/// Arranges `merged` after `patch_order` and `server_order`. `key` is empty for lists of scalars.
pub(super) fn arrange(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, PatchError> {
    let wanted = Places::of(patch_order, key)?;
    let existing = Places::of(server_order, key)?;
    let mut from_patch = Vec::new();
    let mut from_server = Vec::new();
    for item in merged {
        let identity = identity(&item, key)?;
        match wanted.find(&identity) {
            Some(place) => from_patch.push((place, existing.find(&identity), item)),
            None => {
                let place = existing.find(&identity);
                from_server.push((place.unwrap_or(usize::MAX), place, item));
            }
        }
    }
    from_patch.sort_by_key(|(place, ..)| *place);
    from_server.sort_by_key(|(place, ..)| *place);
    Ok(weave(from_server, from_patch))
}

type Placed = (usize, Option<usize>, Value);

/// Takes from the left only what the object has before the next of the right.
fn weave(left: Vec<Placed>, right: Vec<Placed>) -> Vec<Value> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (None, None) => return out,
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (Some((_, Some(l), _)), Some((_, Some(r), _))) => l.cmp(r) == Ordering::Less,
            _ => false,
        };
        let taken = if take_left { left.next() } else { right.next() };
        out.extend(taken.map(|(_, _, item)| item));
    }
}

/// Where each item of a list stands, by its merge key or by itself.
struct Places(HashMap<String, usize>);

impl Places {
    fn of(list: &[Value], key: &str) -> Result<Self, PatchError> {
        let mut places = HashMap::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            places.entry(identity(item, key)?).or_insert(i);
        }
        Ok(Self(places))
    }

    fn find(&self, identity: &str) -> Option<usize> {
        self.0.get(identity).copied()
    }
}

fn identity(item: &Value, key: &str) -> Result<String, PatchError> {
    if key.is_empty() {
        return Ok(item.to_string());
    }
    let map = item
        .as_object()
        .ok_or_else(|| bad_type("map[string]interface {}", Some(item)))?;
    map.get(key)
        .map(Value::to_string)
        .ok_or_else(|| no_merge_key(item, key))
}

/// The items of a patch must stand in the order that `$setElementOrder` gives, all of them in it.
pub(super) fn check_patch_order(
    patch: &[Value],
    wanted: &[Value],
    key: &str,
) -> Result<(), PatchError> {
    if patch.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let mut rest = wanted.iter();
    for item in patch {
        if !key.is_empty() && !item.is_object() {
            return Err(bad_type("map[string]interface {}", Some(item)));
        }
        if item.get(DIRECTIVE).is_some() {
            continue;
        }
        let identity_of_item = identity(item, key)?;
        loop {
            let Some(candidate) = rest.next() else {
                return Err(PatchError::Unsupported(format!(
                    "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                    plain(&Value::Array(patch.to_vec())),
                    plain(&Value::Array(wanted.to_vec()))
                )));
            };
            if identity(candidate, key)? == identity_of_item {
                break;
            }
        }
    }
    Ok(())
}
