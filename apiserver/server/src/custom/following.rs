//! Keeping what is served level with the definitions. A definition that did not change keeps its endpoints; one that did gets new ones
//! over the same cache, unless its objects are indexed by other fields now.

use super::strategy::Custom;
use super::{Codec, Converter, Face, Kind, Set, Standing, interned};
use crate::admission::Lookup;
use crate::api::Api;
use crate::cacher::{Cached, ResourceCache};
use crate::controllers::definitions::is_settled;
use crate::endpoint::Endpoint;
use crate::registry::{Registry, conditions};
use crate::storage::Layout;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use triad_kv::Revision;
use triad_machinery::custom::{Definition, Version};
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::Resource;

/// How soon a round that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Serves what is defined now; called before the first request is taken.
pub(crate) async fn serve(api: &Arc<Api>) {
    if let Err(error) = round(api, None).await {
        tracing::warn!(%error, "custom resources cannot be served yet; trying again");
    }
}

/// Follows the definitions for as long as the server runs.
pub(crate) async fn follow(api: Arc<Api>) {
    let mut level = None;
    loop {
        match round(&api, level).await {
            Ok(revision) => {
                level = Some(revision);
                changed(&api, revision).await;
            }
            Err(error) => {
                tracing::warn!(%error, "custom resources are not level with their definitions; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Waits for a change after a revision.
async fn changed(api: &Api, after: Revision) {
    match definitions(api) {
        Some(definitions) => api.cacher.changed(&definitions.cache, after).await,
        None => std::future::pending().await,
    }
}

fn definitions(api: &Api) -> Option<&Arc<Registry>> {
    api.endpoints
        .registry("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Whether all is served that the cache of definitions shows.
pub(super) fn is_level(api: &Api) -> bool {
    let level = Revision(api.endpoints.customs.level.load(Ordering::Acquire));
    definitions(api).is_none_or(|definitions| definitions.cache.snapshot().revision <= level)
}

/// A definition that is to be served, and what served it before.
struct Wanted {
    kind: Arc<Kind>,
    cache: Option<Arc<ResourceCache>>,
}

/// What is served of one definition from now on.
type Change = (Arc<str>, Option<Arc<Standing>>);

/// Brings what is served level with the definitions that changed since the round before; the revision that they were looked at.
async fn round(api: &Arc<Api>, after: Option<Revision>) -> Result<Revision, triad_kv::Error> {
    let Some(definitions) = definitions(api) else {
        return Ok(api.cacher.progress());
    };
    // Before the changes are asked for: none up to here is missing among them.
    let revision = api.cacher.progress();
    let before = api.endpoints.customs.set.load_full();
    let keys = keys(&definitions.cache, &before, after);
    let snapshot = definitions.cache.snapshot();
    let (mut wanted, mut changes) = (Vec::new(), Vec::new());
    for key in keys {
        let cached = snapshot.objects.get(&key);
        let name = &key[definitions.layout.prefix.len()..];
        let known = before.by_name.get(name);
        if known.map(|known| known.kind.revision) == cached.map(|cached| cached.revision) {
            continue;
        }
        match cached.and_then(|cached| read(api, &definitions.layout, cached)) {
            Some(new) => wanted.push(want(new, known)),
            None if known.is_some() => changes.push((name.into(), None)),
            None => {}
        }
    }
    changes.extend(stand(api, wanted).await?);
    if !changes.is_empty() {
        install(api, &before, changes);
    }
    let level = &api.endpoints.customs.level;
    level.fetch_max(revision.0, Ordering::AcqRel);
    Ok(revision)
}

/// The definitions to look at: those that changed, or all that are there or served where nobody knows.
fn keys(cache: &ResourceCache, before: &Set, after: Option<Revision>) -> BTreeSet<Arc<str>> {
    let changed = after.and_then(|after| cache.keys_after(after));
    changed.unwrap_or_else(|| {
        let served = before.by_name.keys();
        let mut all: BTreeSet<Arc<str>> = served
            .map(|name| cache.layout.key("", name).into())
            .collect();
        all.extend(cache.snapshot().objects.keys().cloned());
        all
    })
}

/// Everything that serves these.
async fn stand(api: &Api, wanted: Vec<Wanted>) -> Result<Vec<Change>, triad_kv::Error> {
    let new = wanted.iter().filter(|wanted| wanted.cache.is_none());
    let layouts: Vec<_> = new.map(|wanted| cache_layout(&wanted.kind)).collect();
    let mut caches = match layouts.is_empty() {
        true => Vec::new(),
        false => api.cacher.adopt(layouts).await?,
    }
    .into_iter();
    let stand = |wanted: Wanted| {
        let cache = wanted.cache.or_else(|| caches.next())?;
        let name = wanted.kind.definition.name.as_str().into();
        Some((name, Some(Arc::new(standing(api, wanted.kind, cache)))))
    };
    Ok(wanted.into_iter().filter_map(stand).collect())
}

/// Reads a definition that is there to be used, or goes and has been.
fn read(api: &Api, layout: &Layout, cached: &Cached) -> Option<Kind> {
    let object = match cached.object(layout) {
        Ok(object) => object,
        Err(error) => {
            tracing::error!(
                definition = cached.name(),
                error,
                "a definition cannot be read"
            );
            return None;
        }
    };
    let accepted = ["Established", "NamesAccepted"];
    if !accepted
        .iter()
        .any(|condition| conditions::is_true(&object, condition))
    {
        return None;
    }
    let definition = Definition::read(&object)?;
    let prefix = prefix(&definition);
    if api.cacher.by_prefix(&prefix).is_some() {
        tracing::warn!(
            definition = definition.name,
            prefix,
            "a definition names what is built in; it is not served"
        );
        return None;
    }
    let converter = Converter::new(&definition, || {
        Lookup::new(&api.cacher, &api.endpoints.customs)
    })?;
    Some(Kind {
        definition,
        revision: cached.revision,
        established: conditions::is_true(&object, "Established"),
        settled: is_settled(&object),
        converter,
    })
}

fn want(new: Kind, known: Option<&Arc<Standing>>) -> Wanted {
    let same_index = |known: &&Arc<Standing>| {
        let (old, new) = (&known.kind.definition, &new.definition);
        old.uid == new.uid
            && prefix(old) == prefix(new)
            && old.namespaced == new.namespaced
            && old.selectable() == new.selectable()
    };
    Wanted {
        cache: known.filter(same_index).map(|known| known.cache.clone()),
        kind: Arc::new(new),
    }
}

fn prefix(definition: &Definition) -> String {
    format!("/registry/{}/{}/", definition.group, definition.plural)
}

fn unstructured() -> TypeId {
    crate::reply::named("meta/v1.Unstructured")
}

/// The layout of the cache, which knows what is the same in all versions.
fn cache_layout(kind: &Arc<Kind>) -> Layout {
    let definition = &kind.definition;
    let stored = definition
        .version(&definition.storage)
        .unwrap_or(&definition.versions[0]);
    let resource = interned(Resource::custom(
        definition,
        stored,
        &definition.selectable(),
    ));
    let codec = Codec::new(kind.clone(), None);
    Layout::custom(prefix(definition), resource, unstructured(), codec)
}

fn standing(api: &Api, kind: Arc<Kind>, cache: Arc<ResourceCache>) -> Standing {
    let served = |version: &&Arc<Version>| version.served || version.storage;
    let versions: Vec<_> = kind
        .definition
        .versions
        .iter()
        .filter(served)
        .cloned()
        .collect();
    let mut endpoints = Vec::new();
    let mut stored = None;
    for version in versions {
        let endpoint = Arc::new(endpoint(api, &kind, &version, &cache));
        if version.storage {
            stored = endpoint.registry.clone();
        }
        if version.served {
            let definition = &kind.definition;
            let path = (
                definition.group.clone(),
                version.name.clone(),
                definition.plural.clone(),
            );
            endpoints.push((path, endpoint));
        }
    }
    let registry = stored.unwrap_or_else(|| panic!("a definition has a stored version"));
    Standing {
        kind,
        cache,
        registry,
        endpoints,
    }
}

fn endpoint(
    api: &Api,
    kind: &Arc<Kind>,
    version: &Arc<Version>,
    cache: &Arc<ResourceCache>,
) -> Endpoint {
    let definition = &kind.definition;
    let resource = interned(Resource::custom(definition, version, &version.selectable));
    let codec = Codec::new(kind.clone(), Some(version.clone()));
    let layout = Layout::custom(prefix(definition), resource, unstructured(), codec);
    let face = Arc::new(Face {
        kind: kind.clone(),
        version: version.clone(),
    });
    let customs = &api.endpoints.customs;
    let registry = Registry::new(
        cache.clone(),
        Box::new(Custom(face.clone())),
        &api.cacher,
        customs.max_object_bytes,
        None,
        customs.settings,
    );
    Endpoint {
        resource,
        ty: unstructured(),
        registry: Some(Arc::new(registry.with_layout(layout))),
        custom: Some(face),
    }
}

/// Serves these from now on, and lets go of the caches that nobody needs any more.
fn install(api: &Api, before: &Set, changes: Vec<Change>) {
    let customs = &api.endpoints.customs;
    let mut set = before.clone();
    let mut gone = Vec::new();
    for (name, new) in changes {
        let old = before.by_name.get(&name).map(|old| old.cache.clone());
        let kept = |old: &Arc<ResourceCache>| {
            let new = new.as_ref().map(|new| &new.cache);
            new.is_some_and(|new| Arc::ptr_eq(new, old))
        };
        gone.extend(old.filter(|old| !kept(old)));
        set.put(&name, new);
    }
    customs.set.store(Arc::new(set));
    gone.iter().for_each(|cache| api.cacher.forget(cache));
    customs
        .generation
        .send_modify(|generation| *generation += 1);
}
