//! Field ownership: who set which field (`metadata.managedFields`), kept on every write, and server-side apply.
//! Pure functions over object trees and the schema; the clock and the manager's name come with the [`Context`].
//! Follows `apimachinery/pkg/util/managedfields` and structured-merge-diff v6.

mod apply;
mod compare;
mod entries;
mod field_set;
mod fields;
mod last_applied;
mod merge;
mod narrowed;
mod path_element;
mod reconcile;
mod reset;
pub mod scale;
mod shape;
mod typed;
mod update;
mod validate;
pub(crate) mod words;

use std::sync::OnceLock;

use serde_json::{Map, Value};

pub use apply::{ApplyError, Conflict, apply};
pub use entries::{Entry, MAX_UPDATE_MANAGERS, Managed, Manager, Operation};
pub use field_set::FieldSet;
pub use fields::Fields;
pub use path_element::{PathElement, path_text};
pub use reset::{ResetFields, custom_reset_fields, kept_metadata, reset_fields};
pub use update::update;

use crate::custom;
use crate::goformat::is_printable;
use crate::meta;
use crate::schema::{Schema, TypeId};
use crate::status::FieldError;

/// Longest name of a manager, in bytes.
pub const MANAGER_MAX: usize = 128;

/// What a write is: its type, its author and its time.
pub struct Context<'a> {
    pub schema: &'a Schema,
    pub type_id: TypeId,
    /// Group and version of the request, `apps/v1` or `v1`; objects are given in this version.
    pub api_version: &'a str,
    pub kind: &'a str,
    /// See [`manager_name`].
    pub manager: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339 in seconds.
    pub now: &'a str,
    /// Fields that the strategy overwrites, which nobody can own this way; see [`reset_fields`].
    pub reset_fields: &'a ResetFields,
    pub versions: &'a dyn Versions,
    /// What a custom resource is; then `type_id` says nothing of it.
    pub custom: Option<&'a custom::Schema>,
}

impl<'a> Context<'a> {
    fn shape(&self) -> shape::Shape<'a> {
        match self.custom {
            Some(custom) => shape::Shape::custom(self.schema, custom),
            None => shape::Shape::root(self.schema, self.type_id),
        }
    }
}

/// Whether an object as a request wrote it asks to forget all managers: its list is empty, or holds one empty entry.
/// To be asked before decoding, which does not tell an empty list from none.
pub fn asks_to_forget(request: &Value) -> bool {
    Managed::is_reset(request)
}

/// Carries that wish over to the decoded object.
pub fn ask_to_forget(object: &mut Value) {
    if let Some(metadata) = meta::metadata_mut(object) {
        metadata.set("managedFields", Value::Array(Vec::new()));
    }
}

/// Conversion between the versions of one kind, needed when entries of several versions meet.
pub trait Versions: Sync {
    /// The object in that version with its type; none when the version is not known.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeId)>;

    /// The same of a custom resource, with its schema there.
    fn convert_custom(
        &self,
        _object: &Value,
        _api_version: &str,
    ) -> Option<(Value, &custom::Schema)> {
        None
    }
}

/// For kinds with one version.
pub struct OneVersion;

impl Versions for OneVersion {
    fn convert(&self, _: &Value, _: &str) -> Option<(Value, TypeId)> {
        None
    }
}

/// For kinds whose versions have the same fields, as most built-in kinds do.
pub struct SameFields<'a>(pub &'a Schema);

impl Versions for SameFields<'_> {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeId)> {
        let (group, version) = meta::group_version(api_version);
        let type_id = self.0.kind(group, version, meta::kind(object))?;
        let mut object = object.clone();
        if let Value::Object(root) = &mut object {
            root.set("apiVersion", api_version.into());
        }
        Some((object, type_id))
    }
}

/// The manager of a request: the `fieldManager` parameter, else what stands before the first slash of the User-Agent.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    if !field_manager.is_empty() {
        return field_manager.to_owned();
    }
    let product = user_agent.split('/').next().unwrap_or("");
    let mut name = String::new();
    for c in product.chars().filter(|c| is_printable(*c)) {
        if name.len() + c.len_utf8() > MANAGER_MAX {
            break;
        }
        name.push(c);
    }
    name
}

/// What is wrong with a `fieldManager` parameter.
pub fn check_manager(name: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if name.len() > MANAGER_MAX {
        errors.push(FieldError::too_long("fieldManager", MANAGER_MAX as i64));
    }
    for (place, c) in name.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let detail = format!("invalid character U+{:04X} (at position {place})", c as u32);
        errors.push(FieldError::invalid("fieldManager", name, detail));
    }
    errors
}

/// When nothing but times in `managedFields` differs, the old list stays, so that the write is none.
pub fn keep_times(old: &Value, new: &mut Value) {
    if !same_but_times(old, new) {
        return;
    }
    let entries = |object: &Value| Some(meta::metadata(object)?.get("managedFields")?.clone());
    let (Some(old_entries), Some(new_entries)) = (entries(old), entries(new)) else {
        return;
    };
    let Some(metadata) = meta::metadata_mut(new) else {
        return;
    };
    metadata.set("managedFields", old_entries);
    if !path_element::same(old, new)
        && let Some(metadata) = meta::metadata_mut(new)
    {
        metadata.set("managedFields", new_entries);
    }
}

fn list(object: &Value) -> Option<&Vec<Value>> {
    meta::metadata(object)?.get("managedFields")?.as_array()
}

/// Whether the managers of two objects are the same, whenever they wrote.
fn same_but_times(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (list(old), list(new)) else {
        return false;
    };
    let same = |old: &Value, new: &Value| {
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            return old == new;
        };
        let timeless =
            |entry: &Map<String, Value>| entry.keys().filter(|key| *key != "time").count();
        timeless(old) == timeless(new)
            && old
                .iter()
                .filter(|(key, _)| *key != "time")
                .all(|(key, value)| new.get(key) == Some(value))
    };
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
}

/// The set without the identity of the object, which nobody owns.
fn stripped(set: FieldSet) -> FieldSet {
    static IDENTITY: OnceLock<FieldSet> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| {
        FieldSet::of_fields(&[
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "clusterName"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ])
    });
    set.without(identity)
}

/// An object with a configuration laid over it, as apply does it, without looking at who owns what.
pub fn laid_over(
    live: &Value,
    config: &Value,
    schema: &Schema,
    type_id: TypeId,
) -> Result<Value, String> {
    merge::merge(live, config, shape::Shape::root(schema, type_id))
}

#[cfg(test)]
mod tests;
