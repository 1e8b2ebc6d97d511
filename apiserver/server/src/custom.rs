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
mod strategy;

pub(crate) use codec::Codec;
pub(crate) use face::Face;
pub(crate) use following::{follow, serve};

use crate::cacher::ResourceCache;
use crate::endpoint::Endpoint;
use crate::registry::Registry;
use arc_swap::ArcSwap;
use conversion::Converter;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
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
    pub(crate) converter: Converter,
}

/// A kind with everything that serves it.
struct Standing {
    kind: Arc<Kind>,
    cache: Arc<ResourceCache>,
    /// Of the stored version.
    registry: Arc<Registry>,
    endpoints: Vec<(Path, Arc<Endpoint>)>,
}

/// What is served at one moment.
#[derive(Default)]
struct Set {
    by_path: HashMap<Path, Arc<Endpoint>>,
    by_name: HashMap<String, Arc<Standing>>,
}

pub(crate) struct Customs {
    set: ArcSwap<Set>,
    /// Counts the sets; documents that show all kinds are made anew when it moves.
    generation: watch::Sender<u64>,
    max_object_bytes: usize,
    settings: Settings,
}

impl Customs {
    pub(crate) fn new(max_object_bytes: usize, settings: Settings) -> Self {
        Customs {
            set: ArcSwap::default(),
            generation: watch::channel(0).0,
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

    /// All kinds, by the name of their definition.
    pub(crate) fn kinds(&self) -> Vec<Arc<Kind>> {
        let set = self.set.load();
        let mut kinds: Vec<_> = set
            .by_name
            .values()
            .map(|standing| standing.kind.clone())
            .collect();
        kinds.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        kinds
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
