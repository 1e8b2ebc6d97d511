//! PUT of an object, and the shared loop of every read-modify-write (apiserver pkg/endpoints/handlers/update.go).

use super::Call;
use super::create::{insert, match_namespace, track};
use super::params::WriteOptions;
use crate::admission::resource_quota::charge;
use crate::admission::{Attributes, Operation};
use crate::registry::before::Part;
use crate::registry::{Outcome, Stored};
use crate::reply::Reply;
use serde_json::Value;
use triad_machinery::status::{OBJECT_MODIFIED, Status};
use triad_machinery::{managed_fields, meta};

/// How often a write without a resourceVersion is tried again when others write meanwhile.
const ATTEMPTS: u32 = 32;

/// Replaces the object in the path by the one in the body; creates it where the kind allows that.
pub(crate) async fn update(call: &mut Call, part: Part<'_>) -> Result<Reply, Status> {
    let accepted = call.accepted_view()?;
    let options = WriteOptions::parse(&call.query, "UpdateOptions", false)?;
    let mut object = call.decode_object(options.validation)?;
    match_namespace(call, &mut object)?;
    match_name(call, &mut object)?;
    let manager = call.manager(&options.field_manager);
    let registry = call.registry()?.clone();
    let subresource = sub(part).to_owned();
    let old = match call.fetch().await {
        Ok(old) => old,
        Err(status)
            if status.code == 404 && part == Part::Main && registry.resource().create_on_update =>
        {
            track(call, None, &mut object, &manager, "");
            let created = insert(call, object, options.dry_run).await?;
            return call.answer_outcome(201, created, &accepted);
        }
        Err(status) => return Err(status),
    };
    let changed = modify(call, part, options.dry_run, true, old, |call, live| {
        let mut object = object.clone();
        call.dedup_owners(&mut object, "");
        track(call, Some(live), &mut object, &manager, &subresource);
        Ok(object)
    })
    .await?;
    call.answer_outcome(200, changed, &accepted)
}

fn sub(part: Part<'_>) -> &str {
    match part {
        Part::Main => "",
        Part::Sub(name) => name,
    }
}

/// The name in the body must be the path's; an empty one is filled in.
fn match_name(call: &Call, object: &mut Value) -> Result<(), Status> {
    let asked = call.name().to_owned();
    let given = meta::name(object);
    if given.is_empty() {
        meta::set(object, "name", &asked);
        return Ok(());
    }
    if given == asked {
        Ok(())
    } else {
        Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({asked})"
        )))
    }
}

/// Changes a stored object: `change` makes the new object of the served version from the live one, as often as others
/// get in between (never when the change itself names the version it is based on). Returns what was stored.
pub(crate) async fn modify(
    call: &mut Call,
    part: Part<'_>,
    dry_run: bool,
    uid_is_precondition: bool,
    mut old: Stored,
    change: impl Fn(&mut Call, &Value) -> Result<Value, Status>,
) -> Result<Outcome, Status> {
    let registry = call.registry()?.clone();
    let api = call.api.clone();
    let warned = call.warnings.len();
    for _ in 0..ATTEMPTS {
        call.warnings.truncate(warned);
        let live = call.endpoint.served(old.object.clone());
        let object = change(call, &live)?;
        let mut object = call.endpoint.to_storage(object);
        if uid_is_precondition {
            check_uid(call, &object, &old.object)?;
        }
        let unconditional = call.endpoint.resource.unconditional_update;
        registry.check_version(&object, &old.object, unconditional)?;
        let attributes = Attributes::new(call, Operation::Update, sub(part));
        call.warnings.extend(
            api.admission
                .admit(&attributes, &mut object, Some(&old.object))
                .await?,
        );
        if meta::resource_version(&object).is_empty() {
            // Whoever judges what overwrites any version sees the one that it replaces (registry/generic/registry/store.go, Update).
            meta::set(&mut object, "resourceVersion", &old.revision.to_string());
        }
        let mut extra = if part == Part::Main {
            let old = Some(&old.object);
            registry
                .strategy
                .allocate(&api, &mut object, old, dry_run)?
        } else {
            Default::default()
        };
        call.dedup_owners(&mut object, super::AFTER_ADMISSION);
        let warnings = registry.before_update(call.written(), part, &mut object, &old.object)?;
        call.warnings.extend(warnings);
        call.warnings.extend(
            api.admission
                .validate(&attributes, Some(&object), Some(&old.object))
                .await?,
        );
        call.check_escalation(&object, Some(&old.object))?;
        managed_fields::keep_times(&old.object, &mut object);
        let ends = !meta::deletion_timestamp(&object).is_empty()
            && meta::finalizers(&object).next().is_none()
            && !registry.strategy.held(&object)
            && meta::deletion_grace_period_seconds(&object).unwrap_or(0) == 0;
        let done = if ends {
            // The answer shows the object as it was last stored.
            meta::set(&mut object, "resourceVersion", &old.revision.to_string());
            let removed = if dry_run {
                true
            } else {
                let extra = registry.strategy.release(&object);
                registry.remove(&old, extra).await?.is_some()
            };
            removed.then_some(Outcome::Shown(object))
        } else {
            let before = Some(&old.object);
            let mut charge = charge(&api, &attributes, &object, before, dry_run).await?;
            charge.guard(&api, &mut extra);
            let replaced = registry.replace(&old, object, extra, dry_run).await;
            let stored = matches!(replaced, Ok(Some(_)));
            charge.settle(&api, stored).await;
            replaced?
        };
        match done {
            Some(outcome) => return Ok(outcome),
            // Whoever named a version finds it changed in the next round.
            None => old = call.fetch().await?,
        }
    }
    Err(Status::conflict(
        registry.group_resource(),
        meta::name(&old.object),
        OBJECT_MODIFIED,
    ))
}

fn check_uid(call: &Call, object: &Value, old: &Value) -> Result<(), Status> {
    let (asked, live) = (meta::uid(object), meta::uid(old));
    if asked.is_empty() || asked == live {
        return Ok(());
    }
    // Reached when the registry's own precondition fails: upstream shows the storage error as it is.
    let key = call
        .registry()?
        .layout
        .key(call.namespace(), meta::name(old));
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {asked}, UID in object meta: {live}"
    );
    Err(Status::conflict(
        call.endpoint.group_resource(),
        meta::name(old),
        why,
    ))
}
