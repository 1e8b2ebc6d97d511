//! Custom resources: the kinds that definitions add while the server runs. Each version of each is an endpoint with a registry of its
//! own, over one cache; handlers, admission and watches take them as they take built-in ones.
//!
//! `follow` keeps what is served level with the definitions; on every member by itself.

pub(crate) mod api_services;
mod codec;
mod conversion;
mod decode;
mod face;
mod following;
mod memo;
mod set;
mod strategy;

pub(crate) use codec::Codec;
pub(crate) use face::Face;
pub(crate) use following::{follow, serve};
pub(crate) use set::{GroupVersion, Members, Standings};

use crate::cacher::ResourceCache;
use crate::endpoint::Endpoint;
use crate::registry::Registry;
use arc_swap::ArcSwap;
use conversion::Converter;
use imbl::OrdMap;
use parking_lot::Mutex;
use set::Set;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::watch;
use triad_kv::Revision;
use triad_machinery::custom::Definition;
use triad_machinery::scheme::Resource;
use triad_machinery::validation::Settings;

/// Group, version and plural.
type Path = (String, String, String);

/// One definition, as it is served.
pub(crate) struct Kind {
    pub(crate) definition: Definition,
    /// Of the definition that this was read from.
    pub(crate) revision: Revision,
    /// Discovery shows it.
    pub(crate) established: bool,
    /// Nothing is left to be said of it.
    pub(crate) settled: bool,
    pub(crate) converter: Converter,
}

#[cfg(test)]
impl Kind {
    /// Of a definition without a webhook, as if it had been established.
    pub(crate) fn established(object: &serde_json::Value) -> Self {
        Kind {
            definition: Definition::read(object).expect("a definition"),
            revision: Revision(1),
            established: true,
            settled: true,
            converter: Converter::Rename,
        }
    }
}

/// One reading of a definition is equal to itself alone: it is asked whether it is another.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Kind {}

/// A kind with everything that serves it.
pub(crate) struct Standing {
    kind: Arc<Kind>,
    cache: Arc<ResourceCache>,
    /// Of the stored version.
    registry: Arc<Registry>,
    endpoints: Vec<(Path, Arc<Endpoint>)>,
}

impl Standing {
    /// Of the stored version.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Standing {}

pub(crate) struct Customs {
    set: ArcSwap<Set>,
    /// Counts the sets; documents that show all kinds are made anew when it moves.
    generation: watch::Sender<u64>,
    /// Definitions up to this revision are served.
    level: AtomicU64,
    max_object_bytes: usize,
    settings: Settings,
}

impl Customs {
    pub(crate) fn new(max_object_bytes: usize, settings: Settings) -> Self {
        Customs {
            set: ArcSwap::default(),
            generation: watch::channel(0).0,
            level: AtomicU64::new(0),
            max_object_bytes,
            settings,
        }
    }

    pub(crate) fn get(&self, path: &Path) -> Option<Arc<Endpoint>> {
        self.set.load().by_path.get(path).cloned()
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.set.load().by_path.values().cloned().collect()
    }

    /// The registry of each kind, in its stored version.
    pub(crate) fn registries(&self) -> Vec<Arc<Registry>> {
        let set = self.set.load();
        set.by_name
            .values()
            .map(|standing| standing.registry.clone())
            .collect()
    }

    /// The registry of one definition's kind.
    pub(crate) fn registry(&self, definition: &str) -> Option<Arc<Registry>> {
        let set = self.set.load();
        set.by_name
            .get(definition)
            .map(|standing| standing.registry.clone())
    }

    /// A definition's kind, as it is served.
    pub(crate) fn kind(&self, definition: &str) -> Option<Arc<Kind>> {
        let set = self.set.load();
        set.by_name
            .get(definition)
            .map(|standing| standing.kind.clone())
    }

    /// The kinds by group and version, all of one moment.
    pub(crate) fn groups(&self) -> OrdMap<GroupVersion, Members> {
        self.set.load().groups.clone()
    }

    /// Everything that is served at this moment.
    pub(crate) fn standings(&self) -> Standings {
        self.set.load().by_name.clone()
    }

    /// The registry of a kind, in its stored version, by one of the versions that it is served in.
    pub(crate) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Registry>> {
        let set = self.set.load();
        let members = set.groups.get(&(Arc::from(group), Arc::from(version)))?;
        let found = members.values().find(|one| one.definition.kind == kind)?;
        let standing = set.by_name.get(found.definition.name.as_str())?;
        Some(standing.registry.clone())
    }

    /// The registry of an established kind, in the version that is named.
    pub(crate) fn in_version(
        &self,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Option<Arc<Registry>> {
        let set = self.set.load();
        let members = set.groups.get(&(Arc::from(group), Arc::from(version)))?;
        let mut established = members.values().filter(|one| one.established);
        let found = established.find(|one| one.definition.kind == kind)?;
        let plural = found.definition.plural.clone();
        let path = (group.to_owned(), version.to_owned(), plural);
        set.by_path.get(&path)?.registry.clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells when other kinds are served.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

/// Resources are referred to for as long as the process runs, since most are built in. There are as many as there ever were different
/// shapes of kinds: names, scope and subresources, not schemas.
fn interned(resource: Resource) -> &'static Resource {
    static KNOWN: Mutex<Option<HashMap<String, &'static Resource>>> = Mutex::new(None);
    let shape = format!("{resource:?}");
    let mut known = KNOWN.lock();
    let known = known.get_or_insert_default();
    known
        .entry(shape)
        .or_insert_with(|| Box::leak(Box::new(resource)))
}

#[cfg(test)]
mod tests;
