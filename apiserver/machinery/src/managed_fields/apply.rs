//! Server-side apply: the configuration is merged in, fields that its manager applied before and no longer does go
//! unless somebody else owns them, and fields that others own and would change are conflicts.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::compare::with_named_parents;
use super::entries::{Entry, Managed, Manager, Operation};
use super::field_set::FieldSet;
use super::merge::merge;
use super::narrowed::fits;
use super::path_element::{PathElement, path_text};
use super::typed::Typed;
use super::update::{losses, take, tracked};
use super::{Context, last_applied, reconcile, stripped};
use crate::meta;
use crate::nesting::{guarded, is_deep};
use crate::status::{Cause, Status, reason};

const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Why nothing was applied.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplyError {
    /// 400.
    BadRequest(String),
    /// 409; each field with its owner.
    Conflicts(Vec<Conflict>),
    /// What upstream answers with a bare 500: the configuration does not fit its type.
    Unfit(String),
}

/// A field that somebody else owns and the configuration would change.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    pub manager: Manager,
    pub path: Vec<PathElement>,
}

/// The object after the apply, with its managed fields; not yet defaulted or checked. `live` is none on create.
/// The configuration is taken as the client sent it.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    context: &Context<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    let nothing = Value::Object(Map::new());
    let live = live.unwrap_or(&nothing);
    guarded(is_deep(&[live, config]), || {
        applied(live, config, context, force)
    })
}

fn applied(
    live: &Value,
    config: &Value,
    context: &Context<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    check(config, context)?;
    let nothing = Value::Object(Map::new());
    let mut managed = Managed::of(live)
        .map_err(|e| ApplyError::Unfit(format!("failed to decode managed fields: {e}")))?;
    if managed.0.is_empty() {
        managed = tracked(&nothing, live, managed, BEFORE_FIRST_APPLY, context).map_err(|e| {
            ApplyError::Unfit(format!("failed to create manager for existing fields: {e}"))
        })?;
    }
    let before = (context.manager == last_applied::KUBECTL).then(|| managed.clone());
    let (mut object, managed) = match (merged(live, config, managed, context, force), before) {
        (Err(ApplyError::Conflicts(found)), Some(managed)) => {
            let Some(allowed) = last_applied::allowed(live, context) else {
                return Err(ApplyError::Conflicts(found));
            };
            let rest: Vec<Conflict> = found
                .into_iter()
                .filter(|conflict| !allowed.has(&conflict.path))
                .collect();
            if !rest.is_empty() {
                return Err(ApplyError::Conflicts(rest));
            }
            merged(live, config, managed, context, true)?
        }
        (result, _) => result?,
    };
    last_applied::refresh(&mut object, config, context);
    managed.store(&mut object);
    Ok(object)
}

fn check(config: &Value, context: &Context<'_>) -> Result<(), ApplyError> {
    let (api_version, kind) = (meta::api_version(config), meta::kind(config));
    if api_version != context.api_version || kind != context.kind {
        let (group, version) = meta::group_version(api_version);
        return Err(ApplyError::BadRequest(format!(
            "invalid object type: {group}/{version}, Kind={kind}"
        )));
    }
    let entries = meta::metadata(config).and_then(|m| m.get("managedFields"));
    if entries.is_some_and(|entries| !entries.is_null()) {
        return Err(ApplyError::BadRequest(
            "metadata.managedFields must be nil".into(),
        ));
    }
    Ok(())
}

fn merged(
    live: &Value,
    config: &Value,
    managed: Managed,
    context: &Context<'_>,
    force: bool,
) -> Result<(Value, Managed), ApplyError> {
    let unfit = |what: &str| {
        let what = what.to_owned();
        move |why: String| ApplyError::Unfit(format!("{what}: {why}"))
    };
    let config = Typed::raw(config.clone(), context);
    config.validate(false).map_err(unfit(&format!(
        "failed to create typed patch object ({})",
        title(&config.value)
    )))?;
    let typed = Typed::filled(live, context);
    if !fits(live, typed.shape) {
        typed.validate(true).map_err(unfit(&format!(
            "failed to create typed live object ({})",
            title(&typed.value)
        )))?;
    }
    let mut managed = reconcile::reconcile(&typed, managed, context).map_err(ApplyError::Unfit)?;
    let value =
        merge(&typed.value, &config.value, typed.shape).map_err(unfit("failed to merge config"))?;
    let object = Typed {
        value,
        ..typed.clone()
    };

    let me = Manager::new(
        context.manager,
        Operation::Apply,
        context.api_version,
        context.subresource,
    );
    let before = managed.0.remove(&me);
    let fields = context.reset_fields.keep(config.fields());
    let time = before.as_ref().and_then(|entry| entry.time.clone());
    managed.0.insert(
        me.clone(),
        Entry {
            fields: fields.into(),
            api_version: context.api_version.into(),
            time,
        },
    );
    let object = prune(object, &managed, (&me, before.as_ref()), context);

    let (losses, _) =
        losses(&typed, &object, &mut managed, Some(&me), context).map_err(ApplyError::Unfit)?;
    if !force {
        let found: Vec<Conflict> = losses
            .iter()
            .flat_map(|loss| listed(&loss.manager, &loss.changed))
            .collect();
        if !found.is_empty() {
            return Err(ApplyError::Conflicts(found));
        }
    }
    take(&mut managed, losses);
    let changed = !super::path_element::same(&typed.value, &object.value);
    if let Some(mut entry) = managed.0.remove(&me) {
        let fields = stripped(entry.fields.into_set());
        entry.fields = match before {
            // What says so already need not be written anew.
            Some(before) if *before.fields == fields => before.fields,
            _ => fields.into(),
        };
        if changed {
            entry.time = Some(context.now.into());
        }
        if !entry.fields.is_empty() {
            managed.0.insert(me, entry);
        }
    }
    let value = if changed {
        object.value
    } else {
        without_entries(live)
    };
    Ok((value, managed))
}

fn without_entries(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = meta::metadata_mut(&mut object) {
        metadata.shift_remove("managedFields");
    }
    object
}

fn listed(manager: &Manager, fields: &FieldSet) -> Vec<Conflict> {
    fields
        .paths()
        .into_iter()
        .map(|path| Conflict {
            manager: manager.clone(),
            path,
        })
        .collect()
}

/// How upstream names an object in such texts: `namespace/name; group/version, Kind=kind`.
fn title(object: &Value) -> String {
    let (group, version) = meta::group_version(meta::api_version(object));
    let (namespace, name, kind) = (
        meta::namespace(object),
        meta::name(object),
        meta::kind(object),
    );
    format!("{namespace}/{name}; {group}/{version}, Kind={kind}")
}

/// Takes out what the manager applied before and nobody owns now.
pub(super) fn prune<'a>(
    merged: Typed<'a>,
    managed: &Managed,
    (me, before): (&Manager, Option<&Entry>),
    context: &Context<'a>,
) -> Typed<'a> {
    let Some(before) = before.filter(|entry| !entry.fields.is_empty()) else {
        return merged;
    };
    let applied_still = |entry: &Entry| before.fields.is_within(&entry.fields);
    let of_this_version = |entry: &Entry| entry.api_version == context.api_version;
    if managed.0.get(me).is_some_and(applied_still)
        && of_this_version(before)
        && managed.0.values().all(of_this_version)
    {
        // Whatever would be taken out would be put back.
        return merged;
    }
    pruned(merged, managed, before, context)
}

/// As `prune`, by taking out all that the manager applied before and putting back what is owned.
pub(super) fn pruned<'a>(
    merged: Typed<'a>,
    managed: &Managed,
    before: &Entry,
    context: &Context<'a>,
) -> Typed<'a> {
    let Some(merged_then) = merged.convert(&before.api_version, context) else {
        return merged;
    };
    let last = with_named_parents(&before.fields, Some(merged_then.shape));
    let pruned = merged_then.without(&last);
    let pruned = add_back_owned(&merged_then, pruned, managed, context);
    let pruned = add_back_unowned(&merged_then, &pruned, &last, context);
    pruned
        .convert(context.api_version, context)
        .unwrap_or(merged)
}

/// Puts back what any manager owns, first in the version that was pruned in.
fn add_back_owned<'a>(
    merged: &Typed<'a>,
    pruned: Typed<'a>,
    managed: &Managed,
    context: &Context<'a>,
) -> Typed<'a> {
    let mut by_version: BTreeMap<&str, FieldSet> = BTreeMap::new();
    for entry in managed.0.values() {
        let owned = by_version
            .remove(entry.api_version.as_str())
            .unwrap_or_default();
        by_version.insert(&entry.api_version, owned.union(&entry.fields));
    }
    let mut versions: Vec<(&str, FieldSet)> = by_version.into_iter().collect();
    versions.sort_by_key(|(version, _)| *version != merged.api_version);
    let (mut merged, mut pruned) = (merged.clone(), pruned);
    for (version, owned) in versions {
        let (Some(full), Some(less)) = (
            merged.convert(version, context),
            pruned.convert(version, context),
        ) else {
            continue;
        };
        let shape = Some(full.shape);
        let kept =
            with_named_parents(&less.fields(), shape).union(&with_named_parents(&owned, shape));
        pruned = full.without(&with_named_parents(&full.fields(), shape).difference(&kept));
        merged = full;
    }
    pruned
}

/// Puts back what was not applied by this manager before: it may belong to nobody, or to updaters.
fn add_back_unowned<'a>(
    merged: &Typed<'a>,
    pruned: &Typed<'a>,
    last: &FieldSet,
    context: &Context<'a>,
) -> Typed<'a> {
    let Some(pruned) = pruned.convert(&merged.api_version, context) else {
        return merged.clone();
    };
    let shape = Some(merged.shape);
    let kept = with_named_parents(&pruned.fields(), shape);
    let all = with_named_parents(&merged.fields(), shape);
    merged.without(&all.difference(&kept).intersection(last))
}

impl ApplyError {
    pub fn to_status(&self) -> Status {
        match self {
            Self::BadRequest(text) => Status::bad_request(text.as_str()),
            Self::Unfit(text) => Status::plain_error(text),
            Self::Conflicts(conflicts) => {
                Status::apply_conflict(causes(conflicts), self.to_string())
            }
        }
    }
}

fn causes(conflicts: &[Conflict]) -> Vec<Cause> {
    let cause = |conflict: &Conflict| Cause {
        reason: reason::CAUSE_FIELD_MANAGER_CONFLICT.into(),
        message: format!("conflict with {}", conflict.manager.shown()),
        field: path_text(&conflict.path),
    };
    conflicts.iter().map(cause).collect()
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(text) | Self::Unfit(text) => f.write_str(text),
            Self::Conflicts(conflicts) => match conflicts.as_slice() {
                [one] => {
                    let (manager, path) = (one.manager.shown(), path_text(&one.path));
                    write!(
                        f,
                        "Apply failed with 1 conflict: conflict with {manager}: {path}"
                    )
                }
                many => {
                    let mut by_manager: BTreeMap<String, Vec<&Conflict>> = BTreeMap::new();
                    for conflict in many {
                        by_manager
                            .entry(conflict.manager.identifier())
                            .or_default()
                            .push(conflict);
                    }
                    write!(f, "Apply failed with {} conflicts: ", many.len())?;
                    let mut lines = Vec::new();
                    for conflicts in by_manager.values() {
                        lines.extend(
                            conflicts
                                .first()
                                .map(|c| format!("conflicts with {}:", c.manager.shown())),
                        );
                        lines.extend(
                            conflicts
                                .iter()
                                .map(|c| format!("- {}", path_text(&c.path))),
                        );
                    }
                    f.write_str(&lines.join("\n"))
                }
            },
        }
    }
}

impl std::error::Error for ApplyError {}
