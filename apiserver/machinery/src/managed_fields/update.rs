//! Ownership after a write that is no apply: whoever changed a field owns it, nobody else does any more.
//! Follows `apimachinery/pkg/util/managedfields` and structured-merge-diff's `merge/update.go`.

use serde_json::{Map, Value};

use super::compare::{Comparison, compare};
use super::entries::{Entry, Managed, Manager, Operation};
use super::field_set::FieldSet;
use super::narrowed::{fits, narrowed};
use super::typed::Typed;
use super::{Context, reconcile, stripped};
use crate::meta;
use crate::nesting::{guarded, is_deep};

/// Sets `metadata.managedFields` of `new`, which is what will be stored. `live` is what is stored now, none on create.
/// Never fails: when the fields cannot be worked out, the live object's entries stay.
pub fn update(live: Option<&Value>, new: &mut Value, context: &Context<'_>) {
    let nothing = Value::Object(Map::new());
    let stored = live.unwrap_or(&nothing);
    let managed = decoded(stored, new, context);
    if let Some(metadata) = new
        .as_object_mut()
        .and_then(|root| root.get_mut("metadata"))
        .and_then(Value::as_object_mut)
    {
        metadata.shift_remove("managedFields");
    }
    if managed.0.is_empty() && !meta::uid(stored).is_empty() {
        // Nobody was tracked before, so nobody is now; only creates and applies start it.
        return;
    }
    let outcome = guarded(is_deep(&[stored, new]), || {
        tracked(stored, new, managed, context.manager, context)
    });
    match outcome {
        Ok(managed) => managed.store(new),
        Err(_) => keep(stored, new),
    }
}

/// The entries to start from: those of the request when it has any, except through a subresource.
fn decoded(live: &Value, new: &Value, context: &Context<'_>) -> Managed {
    let of_live = || Managed::of(live).unwrap_or_default();
    if !context.subresource.is_empty() {
        return of_live();
    }
    if Managed::is_reset(new) {
        return Managed::default();
    }
    match Managed::of_request(new, live) {
        Ok(managed) if !managed.0.is_empty() => managed,
        _ => of_live(),
    }
}

fn keep(live: &Value, new: &mut Value) {
    let entries = meta::metadata(live)
        .and_then(|m| m.get("managedFields"))
        .cloned();
    if let (Some(entries), Some(metadata)) = (entries, meta::metadata_mut(new)) {
        metadata.set("managedFields", entries);
    }
}

/// The entries after `name` has turned `live` into `new`.
pub(super) fn tracked(
    live: &Value,
    new: &Value,
    managed: Managed,
    name: &str,
    context: &Context<'_>,
) -> Result<Managed, String> {
    // Entries of other versions are compared in those, for which the whole objects are converted.
    let shape = context.shape();
    let mut versions = managed.0.values().map(|entry| &entry.api_version);
    if versions.all(|version| version == context.api_version)
        && fits(live, shape)
        && fits(new, shape)
    {
        let (live, new) = narrowed(live, new, context);
        let (live, new) = (Typed::filled(&live, context), Typed::filled(&new, context));
        return owned(&live, &new, managed, name, context);
    }
    tracked_whole(live, new, managed, name, context)
}

/// As `tracked`, by a look at all of both objects.
pub(super) fn tracked_whole(
    live: &Value,
    new: &Value,
    managed: Managed,
    name: &str,
    context: &Context<'_>,
) -> Result<Managed, String> {
    let live = Typed::filled(live, context);
    let new = Typed::filled(new, context);
    live.validate(true)?;
    new.validate(true)?;
    owned(&live, &new, managed, name, context)
}

fn owned(
    live: &Typed<'_>,
    new: &Typed<'_>,
    managed: Managed,
    name: &str,
    context: &Context<'_>,
) -> Result<Managed, String> {
    let mut managed = reconcile::reconcile(live, managed, context)?;
    let (losses, changes) = losses(live, new, &mut managed, None, context)?;
    take(&mut managed, losses);
    // Without the fields that are reset: `losses` has left them out.
    let mut changed = changes.modified;
    changed.unite(changes.added);
    let own = stripped(changed);
    if !own.is_empty() {
        let manager = Manager::new(
            name,
            Operation::Update,
            context.api_version,
            context.subresource,
        );
        let fields = match managed.0.remove(&manager) {
            Some(mut before) => {
                before.fields.unite(own);
                before.fields
            }
            None => own.into(),
        };
        let entry = Entry {
            fields,
            api_version: context.api_version.into(),
            time: Some(context.now.into()),
        };
        managed.0.insert(manager, entry);
    }
    managed.cap_updates();
    Ok(managed)
}

/// What one manager loses to a write.
pub(super) struct Loss {
    pub manager: Manager,
    /// Fields of its own that the write sets to something else: conflicts, unless forced.
    pub changed: FieldSet,
    /// Fields that the write removes from the object, whoever owns them.
    pub removed: FieldSet,
}

/// Takes from the managers what they lose.
pub(super) fn take(managed: &mut Managed, losses: Vec<Loss>) {
    for Loss {
        manager,
        changed,
        removed,
    } in losses
    {
        if let Some(entry) = managed.0.get_mut(&manager) {
            entry.fields.subtract(&changed);
            entry.fields.subtract(&removed);
        }
    }
    managed.0.retain(|_, entry| !entry.fields.is_empty());
}

/// What each manager but `own` loses. Entries of versions that are gone are dropped.
pub(super) fn losses(
    live: &Typed<'_>,
    new: &Typed<'_>,
    managed: &mut Managed,
    own: Option<&Manager>,
    context: &Context<'_>,
) -> Result<(Vec<Loss>, Comparison), String> {
    let difference = |live: &Typed<'_>, new: &Typed<'_>| {
        let changes = compare(&live.value, &new.value, live.shape)
            .map_err(|e| format!("failed to compare objects: {e}"))?;
        Ok::<_, String>(changes.map(|set| context.reset_fields.keep(set)))
    };
    let changes = difference(live, new)?;
    let mut losses = Vec::new();
    let mut gone = Vec::new();
    for (manager, entry) in managed
        .0
        .iter()
        .filter(|(manager, _)| Some(*manager) != own)
    {
        let converted;
        let seen = if entry.api_version == context.api_version {
            &changes
        } else {
            let versions = (
                live.convert(&entry.api_version, context),
                new.convert(&entry.api_version, context),
            );
            let (Some(live), Some(new)) = versions else {
                gone.push(manager.clone());
                continue;
            };
            converted = difference(&live, &new)?;
            &converted
        };
        let mut changed = entry.fields.intersection(&seen.modified);
        changed.unite(entry.fields.intersection(&seen.added));
        losses.push(Loss {
            manager: manager.clone(),
            changed,
            removed: seen.removed.clone(),
        });
    }
    for manager in gone {
        managed.0.remove(&manager);
    }
    Ok((losses, changes))
}
