//! Merging lists: of maps by their merge key, of scalars as sets, with the directives that list elements may carry.
//! Called for lists that both the object and the patch have.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::PatchError;
use super::lookup::ListMeta;
use super::{DIRECTIVE, Object, go_type, merge_maps, no_merge_key, order, unknown_directive};
use crate::goformat::plain;

/// The list as the field's strategy has it: merged, or the patch's.
pub(super) fn merge_handled(
    original: Vec<Value>,
    patch: &mut [Value],
    meta: &ListMeta<'_>,
    is_delete_list: bool,
) -> Result<Vec<Value>, PatchError> {
    if meta.merge || is_delete_list {
        merge_lists(original, patch, meta, is_delete_list)
    } else {
        Ok(patch.to_vec())
    }
}

fn merge_lists(
    original: Vec<Value>,
    patch: &mut [Value],
    meta: &ListMeta<'_>,
    is_delete_list: bool,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let maps = elements_are_maps(&[&original, patch])?;
    if !maps {
        if is_delete_list {
            let unwanted: HashSet<String> = patch.iter().map(Value::to_string).collect();
            return Ok(original
                .into_iter()
                .filter(|item| !unwanted.contains(&item.to_string()))
                .collect());
        }
        let server_order = original.clone();
        let mut seen = HashSet::new();
        let both = original.into_iter().chain(patch.iter().cloned());
        let merged = both.filter(|item| seen.insert(item.to_string())).collect();
        return order::arrange(merged, patch, &server_order, "");
    }
    if meta.key.is_empty() {
        return Err(PatchError::Unsupported(format!(
            "cannot merge lists without merge key for {}",
            meta.kind_name()
        )));
    }
    let (original, plain_patch) = apply_list_directives(original, patch, meta.key)?;
    let server_order = original.clone();
    let patch_order = plain_patch.clone();
    let merged = merge_elements(original, plain_patch, meta)?;
    order::arrange(merged, &patch_order, &server_order, meta.key)
}

/// Carries out `$patch` on list elements; what is left of the patch has none.
fn apply_list_directives(
    mut original: Vec<Value>,
    patch: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut rest = Vec::new();
    let mut unwanted = HashSet::new();
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            rest.push(item.clone());
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = item.get(key).ok_or_else(|| no_merge_key(item, key))?;
                unwanted.insert(value.to_string());
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(PatchError::Unsupported(
                    "merging lists cannot yet be specified in the patch".into(),
                ));
            }
            _ => {
                return Err(unknown_directive(
                    directive,
                    item.as_object().unwrap_or(&Object::new()),
                ));
            }
        }
    }
    if replace {
        return Ok((rest, Vec::new()));
    }
    if !unwanted.is_empty() {
        original.retain(|item| {
            !item
                .get(key)
                .is_some_and(|value| unwanted.contains(&value.to_string()))
        });
    }
    Ok((original, rest))
}

fn merge_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    meta: &ListMeta<'_>,
) -> Result<Vec<Value>, PatchError> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (i, item) in original.iter().enumerate() {
        if let Some(value) = item.get(meta.key) {
            places.entry(value.to_string()).or_insert(i);
        }
    }
    for mut item in patch {
        let value = item
            .get(meta.key)
            .ok_or_else(|| no_merge_key(&item, meta.key))?
            .to_string();
        match places.get(&value) {
            Some(place) => {
                if let (Value::Object(current), Value::Object(changes)) =
                    (&mut original[*place], &mut item)
                {
                    merge_maps(current, changes, meta.element)?;
                }
            }
            None => {
                places.insert(value, original.len());
                original.push(item);
            }
        }
    }
    Ok(original)
}

/// Whether the elements of the lists are maps; all must be of one type, and none a list.
pub(super) fn elements_are_maps(lists: &[&[Value]]) -> Result<bool, PatchError> {
    let mut all = lists.iter().flat_map(|list| list.iter());
    let Some(first) = all.next() else {
        return Err(PatchError::Unsupported(
            "no elements in any of the given slices".into(),
        ));
    };
    if first.is_array() {
        return Err(PatchError::DoesNotApply(
            "lists of lists are not supported".into(),
        ));
    }
    if first.is_null() || all.any(|item| go_type(item) != go_type(first)) {
        let shown: Vec<String> = lists
            .iter()
            .map(|list| plain(&Value::Array(list.to_vec())))
            .collect();
        let text = format!(
            "list element types are not identical: [{}]",
            shown.join(" ")
        );
        return Err(PatchError::Unsupported(text));
    }
    Ok(first.is_object())
}
