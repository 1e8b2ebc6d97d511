//! Deletion: preconditions, grace, finalizers and what happens to dependents (apiserver pkg/registry/generic/registry/store.go,
//! pkg/registry/rest/delete.go).

use super::{Registry, Stored};
use crate::cacher::{FOREGROUND, ORPHAN};
use crate::handlers::params::DeleteOptions;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::scheme::GcPolicy;
use triad_machinery::status::{GroupResource, OBJECT_MODIFIED, Status};

const ATTEMPTS: u32 = 32;

/// How a deletion ended.
pub(crate) enum Deletion {
    /// The object is gone; its last state.
    Gone(Value),
    /// The object stays until its grace is over or its finalizers are done.
    Pending(Value),
}

/// What a deletion makes of an object.
enum Plan {
    /// Remove it; this is what the answer shows.
    Remove(Value),
    /// Keep this object, marked as deleting.
    Mark(Value),
    /// The deletion goes on as it is.
    Nothing,
}

impl Registry {
    /// Deletes the object, or starts its deletion.
    pub(crate) async fn delete(
        &self,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deletion, Status> {
        let old = self.get(namespace, name).await?;
        self.delete_read(old, namespace, name, options).await
    }

    /// As `delete`, of an object that a list has just shown and that was read here since, without a barrier; none that is gone
    /// meanwhile is missed.
    pub(crate) async fn delete_listed(
        &self,
        old: Stored,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        match self.delete_read(old, namespace, name, options).await {
            Err(status) if status.code == 404 => Ok(()),
            done => done.map(drop),
        }
    }

    async fn delete_read(
        &self,
        mut old: Stored,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deletion, Status> {
        for _ in 0..ATTEMPTS {
            self.preconditions(&old.object, options)?;
            self.strategy.check_deletion(&old.object)?;
            if let Some(done) = self.attempt(&old, options).await? {
                return Ok(done);
            }
            old = self.get(namespace, name).await?;
        }
        Err(Status::conflict(
            self.group_resource(),
            name,
            OBJECT_MODIFIED,
        ))
    }

    async fn attempt(
        &self,
        old: &Stored,
        options: &DeleteOptions,
    ) -> Result<Option<Deletion>, Status> {
        match self.plan(&old.object, options) {
            Plan::Nothing => Ok(Some(Deletion::Pending(old.object.clone()))),
            Plan::Mark(object) => {
                let replaced = self.replace(old, object, Default::default(), options.dry_run);
                let outcome = replaced.await?;
                outcome
                    .map(|outcome| outcome.into_object(self).map(Deletion::Pending))
                    .transpose()
            }
            Plan::Remove(object) if options.dry_run => Ok(Some(Deletion::Gone(object))),
            Plan::Remove(mut object) => {
                let removed = self.remove(old, self.strategy.release(&old.object)).await?;
                Ok(removed.map(|revision| {
                    meta::set(&mut object, "resourceVersion", &revision.to_string());
                    Deletion::Gone(object)
                }))
            }
        }
    }

    pub(crate) fn preconditions(
        &self,
        object: &Value,
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        // Here upstream names the kind, not the resource, but where a kind deletes by itself.
        let own = self.strategy.own_precondition();
        let kind = GroupResource {
            group: &self.resource().group,
            resource: if own.is_some() {
                &self.resource().plural
            } else {
                &self.resource().kind
            },
        };
        for (asked, found, what, since) in [
            (
                &options.uid,
                meta::uid(object),
                "UID",
                "deleted and then recreated",
            ),
            (
                &options.resource_version,
                meta::resource_version(object),
                "ResourceVersion",
                "modified",
            ),
        ] {
            let Some(asked) = asked.as_deref().filter(|asked| *asked != found) else {
                continue;
            };
            let why = match own {
                Some(failed) => format!(
                    "{failed}: {what} in precondition: {asked}, {what} in object meta: {found}"
                ),
                None => format!(
                    "the {what} in the precondition ({asked}) does not match the {what} in record ({found}). The object might have been {since}"
                ),
            };
            return Err(Status::conflict(kind, meta::name(object), why));
        }
        Ok(())
    }

    fn plan(&self, old: &Value, options: &DeleteOptions) -> Plan {
        let mut object = old.clone();
        let deleting = !meta::deletion_timestamp(old).is_empty();
        if !deleting && self.strategy.begin_own_deletion(&mut object) {
            meta::set(&mut object, "deletionTimestamp", &self.clock.now());
            return Plan::Mark(object);
        }
        let finalizers = self.collector_finalizers(old, options);
        let finalizers_change = finalizers
            .iter()
            .map(String::as_str)
            .ne(meta::finalizers(old));
        if self.resource().graceful_delete {
            match self.grace(&mut object, old, options, deleting) {
                Grace::Pending => return Plan::Nothing,
                Grace::Waits => {
                    set_finalizers(&mut object, &finalizers);
                    return Plan::Mark(object);
                }
                Grace::None => {}
            }
        }
        set_finalizers(&mut object, &finalizers);
        self.strategy.begin_deletion(&mut object);
        if finalizers.is_empty() && !self.strategy.held(&object) {
            return Plan::Remove(object);
        }
        if deleting
            && !finalizers_change
            && (meta::deletion_grace_period_seconds(old) == Some(0)
                || self.strategy.ends_by_itself())
        {
            return Plan::Nothing;
        }
        self.mark(&mut object);
        Plan::Mark(object)
    }

    fn grace(
        &self,
        object: &mut Value,
        old: &Value,
        options: &DeleteOptions,
        deleting: bool,
    ) -> Grace {
        if deleting {
            let current = meta::deletion_grace_period_seconds(old).unwrap_or(0);
            return match options.grace_period_seconds.map(positive) {
                Some(asked) if asked < current => {
                    let was = triad_machinery::duration::parse_time(meta::deletion_timestamp(old))
                        .map_or(self.clock.unix_seconds(), |(seconds, _)| seconds);
                    self.wait_until(object, was - current + asked, asked);
                    if asked == 0 {
                        Grace::None
                    } else {
                        Grace::Waits
                    }
                }
                _ if current > 0 => Grace::Pending,
                _ => Grace::None,
            };
        }
        match self.strategy.graceful(old, options.grace_period_seconds) {
            None => Grace::None,
            Some(seconds) => {
                let seconds = positive(seconds);
                self.wait_until(object, self.clock.unix_seconds() + seconds, seconds);
                bump_generation(object);
                if seconds == 0 {
                    Grace::None
                } else {
                    Grace::Waits
                }
            }
        }
    }

    fn wait_until(&self, object: &mut Value, unix_seconds: i64, grace: i64) {
        meta::set(
            object,
            "deletionTimestamp",
            &triad_machinery::duration::format_time(unix_seconds),
        );
        if let Some(metadata) = meta::metadata_mut(object) {
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
        }
    }

    /// Marks an object as deleting without grace: only its finalizers keep it.
    fn mark(&self, object: &mut Value) {
        if meta::deletion_grace_period_seconds(object).is_none() {
            bump_generation(object);
        }
        let now = self.clock.unix_seconds();
        if self.strategy.ends_by_itself() {
            if meta::deletion_timestamp(object).is_empty() {
                meta::set(
                    object,
                    "deletionTimestamp",
                    &triad_machinery::duration::format_time(now),
                );
            }
            return;
        }
        let set = triad_machinery::duration::parse_time(meta::deletion_timestamp(object))
            .filter(|(seconds, _)| *seconds <= now);
        self.wait_until(object, set.map_or(now, |(seconds, _)| seconds), 0);
    }

    /// The finalizers after the client's wish for the dependents is put into them.
    fn collector_finalizers(&self, object: &Value, options: &DeleteOptions) -> Vec<String> {
        let has = |name: &str| meta::finalizers(object).any(|f| f == name);
        let policy = self.resource().gc;
        let wish = options.propagation_policy.as_deref();
        let orphan = policy != GcPolicy::Unsupported
            && match (options.orphan_dependents, wish) {
                (Some(orphan), _) => orphan,
                (None, Some(wish)) => wish == "Orphan",
                (None, None) if has(ORPHAN) => true,
                (None, None) if has(FOREGROUND) => false,
                (None, None) => policy == GcPolicy::OrphanDependents,
            };
        let foreground = policy != GcPolicy::Unsupported
            && match (options.orphan_dependents, wish) {
                (Some(_), _) => false,
                (None, Some(wish)) => wish == "Foreground",
                (None, None) => has(FOREGROUND) && !has(ORPHAN),
            };
        let mut finalizers: Vec<String> = meta::finalizers(object)
            .filter(|f| *f != ORPHAN && *f != FOREGROUND)
            .map(str::to_owned)
            .collect();
        if orphan {
            finalizers.push(ORPHAN.to_owned());
        }
        if foreground {
            finalizers.push(FOREGROUND.to_owned());
        }
        finalizers
    }
}

enum Grace {
    /// The object stays until its grace is over.
    Waits,
    /// A deletion with grace is under way and nothing about it changes.
    Pending,
    None,
}

/// A negative grace period counts as one second.
fn positive(seconds: i64) -> i64 {
    if seconds < 0 { 1 } else { seconds }
}

fn bump_generation(object: &mut Value) {
    let generation = meta::generation(object);
    if let (true, Some(metadata)) = (generation > 0, meta::metadata_mut(object)) {
        metadata.insert("generation".to_owned(), json!(generation + 1));
    }
}

fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    let Some(metadata) = meta::metadata_mut(object) else {
        return;
    };
    if finalizers.is_empty() {
        metadata.shift_remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
}
