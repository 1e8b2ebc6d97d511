//! The generic registry: create, update, delete and reads of any stored resource (apiserver pkg/registry/generic/registry).
//!
//! Strategies (registry/<group>/<resource>.rs) say what is special about a kind; whatever is regular comes from the
//! resource table. Works on trees in the storage version; knows nothing of HTTP.

mod admin_access;
pub(crate) mod apiextensions;
pub(crate) mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
pub(crate) mod before;
mod certificates;
pub(crate) mod conditions;
mod core;
pub(crate) mod delete;
mod discovery;
pub(crate) mod object_meta;
mod outcome;
pub(crate) mod owners;
mod resource;
pub(crate) mod strategy;

pub(crate) use core::pods::{assign, set_condition as set_pod_condition};
pub(crate) use core::service_accounts::ENFORCE_MOUNTABLE_SECRETS;
pub(crate) use core::services::repair::run as repair_services;
pub(crate) use outcome::Outcome;
pub(crate) use strategy::{Extra, Strategy};

use crate::cacher::{Cacher, Preparation, ResourceCache};
use crate::clock::Clock;
use crate::storage::Layout;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::{Change, Compare, Condition, Entry, Revision, Store, Txn, TxnOutcome};
use triad_machinery::meta;
use triad_machinery::scheme::Resource;
use triad_machinery::status::{FieldError, GroupKind, GroupResource, Status};
use triad_machinery::validation::Settings;

/// One stored resource with everything that its verbs need.
pub(crate) struct Registry {
    pub(crate) layout: Layout,
    pub(crate) cache: Arc<ResourceCache>,
    namespaces: Option<Layout>,
    pub(crate) strategy: Box<dyn Strategy>,
    store: Store,
    pub(crate) clock: Clock,
    /// The largest encoded object accepted.
    max_object_bytes: usize,
    /// Seconds that an object lives; events only.
    ttl_seconds: Option<u32>,
    pub(crate) settings: Settings,
}

/// An object as it was read: the tree and the revision that a write must find unchanged.
pub(crate) struct Stored {
    pub(crate) object: Value,
    pub(crate) revision: Revision,
    pub(crate) bytes: Bytes,
}

impl Registry {
    pub(crate) fn new(
        cache: Arc<ResourceCache>,
        strategy: Box<dyn Strategy>,
        cacher: &Cacher,
        max_object_bytes: usize,
        ttl_seconds: Option<u32>,
        settings: Settings,
    ) -> Self {
        let store = cacher.store().clone();
        Registry {
            layout: cache.layout.clone(),
            cache,
            namespaces: cacher
                .by_prefix("/registry/namespaces/")
                .map(|cache| cache.layout.clone()),
            strategy,
            store,
            clock: Clock,
            max_object_bytes,
            ttl_seconds,
            settings,
        }
    }

    /// As one version of a custom kind sees the objects of its cache.
    pub(crate) fn with_layout(self, layout: Layout) -> Self {
        Registry { layout, ..self }
    }

    pub(crate) fn resource(&self) -> &'static Resource {
        self.layout.resource
    }

    pub(crate) fn group_resource(&self) -> GroupResource<'static> {
        GroupResource {
            group: &self.layout.resource.group,
            resource: &self.layout.resource.plural,
        }
    }

    pub(crate) fn group_kind(&self) -> GroupKind<'static> {
        GroupKind {
            group: &self.layout.resource.group,
            kind: &self.layout.resource.kind,
        }
    }

    pub(crate) fn not_found(&self, name: &str) -> Status {
        Status::not_found(self.group_resource(), name)
    }

    /// Reads one object: everything acknowledged before the call is seen.
    pub(crate) async fn get(&self, namespace: &str, name: &str) -> Result<Stored, Status> {
        self.store
            .read_barrier()
            .await
            .map_err(|e| unavailable(&e))?;
        self.read(&self.layout.key(namespace, name))?
            .ok_or_else(|| self.not_found(name))
    }

    /// Reads one object from the local replica.
    pub(crate) fn get_local(&self, namespace: &str, name: &str) -> Result<Option<Stored>, Status> {
        self.read(&self.layout.key(namespace, name))
    }

    /// A namespace as the local replica has it.
    fn namespace(&self, name: &str) -> Option<Value> {
        let layout = self.namespaces.as_ref()?;
        let key = layout.key("", name);
        let entry = self.store.get(key.as_bytes(), None).ok()??;
        layout.decode(&entry.value, entry.mod_revision).ok()
    }

    fn read(&self, key: &str) -> Result<Option<Stored>, Status> {
        let entry = self
            .store
            .get(key.as_bytes(), None)
            .map_err(|e| unavailable(&e))?;
        entry.map(|entry| self.stored(&entry)).transpose()
    }

    fn stored(&self, entry: &Entry) -> Result<Stored, Status> {
        let object = self.layout.decode(&entry.value, entry.mod_revision).map_err(|error| {
            tracing::error!(key = %String::from_utf8_lossy(&entry.key), error, "a stored object cannot be decoded");
            Status::internal(error)
        })?;
        Ok(Stored {
            object,
            revision: entry.mod_revision,
            bytes: entry.value.clone(),
        })
    }

    /// Stores a new object; the answer bears its resourceVersion. `extra` goes into the same transaction.
    pub(crate) async fn insert(
        &self,
        mut object: Value,
        extra: Extra,
        dry_run: bool,
    ) -> Result<Outcome, Status> {
        let name = meta::name(&object).to_owned();
        let key = Bytes::from(self.layout.key(meta::namespace(&object), &name));
        let value = self.encode(&mut object)?;
        if dry_run {
            return match self.store.get(&key, None).map_err(|e| unavailable(&e))? {
                Some(_) => Err(Status::already_exists(self.group_resource(), &name)),
                None => self
                    .shown(&value, meta::resource_version(&object))
                    .map(Outcome::Shown),
            };
        }
        let mut txn = Txn {
            compares: vec![Compare {
                key: key.clone(),
                condition: Condition::Absent,
            }],
            changes: vec![self.put(&key, value.clone())],
        };
        extra.join(&mut txn);
        let prepared = self.prepare(&key, &value);
        match self.store.txn(txn).await.map_err(|e| unavailable(&e))? {
            TxnOutcome::Committed { revision } => {
                self.cache.wrote(revision);
                Ok(Outcome::Stored {
                    bytes: value,
                    revision,
                    settled: prepared.settled(),
                })
            }
            TxnOutcome::Conflict { failed, .. } if failed.iter().any(|(at, _)| *at == 0) => {
                let status = Status::already_exists(self.group_resource(), &name);
                let there = failed
                    .into_iter()
                    .find(|(at, _)| *at == 0)
                    .and_then(|(_, entry)| self.stored(&entry?).ok());
                let ending = there
                    .is_some_and(|stored| !meta::deletion_timestamp(&stored.object).is_empty());
                Err(if ending {
                    status.prefixed("object is being deleted: ")
                } else {
                    status
                })
            }
            TxnOutcome::Conflict { .. } => Err(Status::conflict(
                self.group_resource(),
                &name,
                strategy::EXTRA_CONFLICT,
            )),
        }
    }

    /// Replaces an object that must still be at the revision it was read at. None: it was not.
    pub(crate) async fn replace(
        &self,
        old: &Stored,
        mut object: Value,
        extra: Extra,
        dry_run: bool,
    ) -> Result<Option<Outcome>, Status> {
        let key = Bytes::from(
            self.layout
                .key(meta::namespace(&object), meta::name(&object)),
        );
        let value = self.encode(&mut object)?;
        let stored = |bytes, revision, settled| {
            Some(Outcome::Stored {
                bytes,
                revision,
                settled,
            })
        };
        if value == old.bytes && extra.is_empty() || dry_run {
            return Ok(stored(value, old.revision, None));
        }
        let mut txn = Txn {
            compares: vec![Compare {
                key: key.clone(),
                condition: Condition::ModRevision(old.revision),
            }],
            changes: vec![self.put(&key, value.clone())],
        };
        extra.join(&mut txn);
        let prepared = self.prepare(&key, &value);
        match self.store.txn(txn).await.map_err(|e| unavailable(&e))? {
            TxnOutcome::Committed { revision } => {
                self.cache.wrote(revision);
                Ok(stored(value, revision, prepared.settled()))
            }
            TxnOutcome::Conflict { .. } => Ok(None),
        }
    }

    /// Deletes an object that must still be at the revision it was read at; the revision of the deletion. None: it was not.
    pub(crate) async fn remove(
        &self,
        old: &Stored,
        extra: Extra,
    ) -> Result<Option<Revision>, Status> {
        let key = Bytes::from(
            self.layout
                .key(meta::namespace(&old.object), meta::name(&old.object)),
        );
        let mut txn = Txn {
            compares: vec![Compare {
                key: key.clone(),
                condition: Condition::ModRevision(old.revision),
            }],
            changes: vec![Change::Delete { key }],
        };
        extra.join(&mut txn);
        match self.store.txn(txn).await.map_err(|e| unavailable(&e))? {
            TxnOutcome::Committed { revision } => {
                self.cache.wrote(revision);
                Ok(Some(revision))
            }
            TxnOutcome::Conflict { .. } => Ok(None),
        }
    }

    /// What a dry run answers: what would have been stored, with the version that the client wrote.
    fn shown(&self, value: &Bytes, version: &str) -> Result<Value, Status> {
        let mut object = self.decode(value, Revision(0))?;
        if version.is_empty()
            && let Some(metadata) = meta::metadata_mut(&mut object)
        {
            metadata.shift_remove("resourceVersion");
        } else {
            meta::set(&mut object, "resourceVersion", version);
        }
        Ok(object)
    }

    /// Reads off what is about to be written what the cache and the answer will both ask for.
    fn prepare(&self, key: &Bytes, value: &Bytes) -> Preparation<'_> {
        let next = self.store.revision().next();
        self.cache.prepare((key, value), next)
    }

    fn put(&self, key: &Bytes, value: Bytes) -> Change {
        Change::Put {
            key: key.clone(),
            value,
            ttl_seconds: self.ttl_seconds,
        }
    }

    fn encode(&self, object: &mut Value) -> Result<Bytes, Status> {
        let value = self.layout.try_encode(object)?;
        if value.len() > self.max_object_bytes {
            let why = format!(
                "the object is {} bytes encoded, the limit is {}",
                value.len(),
                self.max_object_bytes
            );
            return Err(Status::request_entity_too_large(why));
        }
        Ok(value)
    }

    fn decode(&self, value: &Bytes, revision: Revision) -> Result<Value, Status> {
        self.layout
            .decode(value, revision)
            .map_err(Status::internal)
    }

    pub(crate) fn invalid(&self, name: &str, errors: &[FieldError]) -> Status {
        Status::invalid(self.group_kind(), name, errors)
    }
}

/// The store's errors as the API's answers; the one place where they meet.
pub(crate) fn unavailable(error: &triad_kv::Error) -> Status {
    match error {
        triad_kv::Error::Compacted { .. } => {
            Status::expired("The resourceVersion for the provided list is too old.")
        }
        triad_kv::Error::FutureRevision { requested, current } => {
            Status::too_large_resource_version(requested.0, current.0, 1)
        }
        triad_kv::Error::TooLarge { .. } => Status::request_entity_too_large(error),
        triad_kv::Error::NotLeader { .. }
        | triad_kv::Error::Unavailable { .. }
        | triad_kv::Error::Closed => {
            tracing::warn!(%error, "the store is not available");
            let mut status =
                Status::service_unavailable(format!("the store is not available: {error}"));
            status.details.get_or_insert_default().retry_after_seconds = 1;
            status
        }
        _ => {
            tracing::error!(%error, "the store failed");
            Status::internal(error)
        }
    }
}
