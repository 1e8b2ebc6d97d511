//! Validation of the built-in kinds on create and update, after metadata has been judged: upstream's rules, field paths, messages
//! and order. Pure: an object goes in, errors come out; called by the registry for every write.
//!
//! One function for each kind, reached by resource; rules that several kinds share stand in files of their own.

mod at;
mod containers;
mod diff;
mod env;
mod formats;
mod go_value;
mod mounts;
mod persistent_volumes;
mod pod_resources;
mod pod_update;
mod pods;
mod probes;
mod projected_volumes;
mod resources;
mod scheduling;
mod security;
mod selectors;
mod volumes;
mod windows;

use serde_json::Value;

use crate::status::FieldError;
use at::{At, Errors};
pub use pods::Settings;

/// Which resource an object is of.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    /// Empty for the core group.
    pub group: &'a str,
    /// `pods`.
    pub resource: &'a str,
}

/// Everything wrong with a new object beside its metadata.
pub fn validate(kind: Kind<'_>, object: &Value, settings: &Settings) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let at = At::root(object);
    match (kind.group, kind.resource) {
        ("", "pods") => pods::create(&at, settings, &mut errors),
        ("", "podtemplates") => pods::template(&at.get("template"), settings, &mut errors),
        ("", "persistentvolumes") => persistent_volumes::volume(&at, &mut errors),
        ("", "persistentvolumeclaims") => persistent_volumes::claim(&at, &mut errors),
        _ => {}
    }
    errors.0
}

/// Everything wrong with a changed object beside its metadata.
pub fn validate_update(
    kind: Kind<'_>,
    object: &Value,
    old: &Value,
    settings: &Settings,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (at, before) = (At::root(object), At::root(old));
    match (kind.group, kind.resource) {
        ("", "pods") => pod_update::update(&at, &before, settings, &mut errors),
        ("", "persistentvolumes") => persistent_volumes::volume_update(&at, &before, &mut errors),
        ("", "persistentvolumeclaims") => {
            persistent_volumes::claim_update(&at, &before, &mut errors)
        }
        _ => return validate(kind, object, settings),
    }
    errors.0
}

/// Everything wrong with an object written through one of its subresources.
pub fn validate_subresource(
    kind: Kind<'_>,
    subresource: &str,
    object: &Value,
    old: &Value,
    settings: &Settings,
) -> Vec<FieldError> {
    let _ = (kind, subresource, object, old, settings);
    Vec::new()
}

/// Equal as upstream's Semantic.DeepEqual has it: absent, null, empty and (in objects) zero are the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let null = &Value::Null;
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter()
                .all(|key| same(a.get(key).unwrap_or(null), b.get(key).unwrap_or(null)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Null, other) | (other, Value::Null) => match other {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        },
        _ => a == b,
    }
}
