//! Keeping what is served level with the definitions. A definition that did not change keeps its endpoints; one that did gets new ones
//! over the same cache, unless its objects are indexed by other fields now.

use super::strategy::Custom;
use super::{Codec, Converter, Face, Kind, Set, Standing, interned};
use crate::admission::Lookup;
use crate::api::Api;
use crate::cacher::{CacheWatch, Cached, ResourceCache};
use crate::endpoint::Endpoint;
use crate::registry::{Registry, conditions};
use crate::storage::Layout;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use triad_kv::Revision;
use triad_machinery::custom::{Definition, Version};
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::Resource;

/// How soon a round that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Serves what is defined now; called before the first request is taken.
pub(crate) async fn serve(api: &Arc<Api>) {
    if let Err(error) = round(api).await {
        tracing::warn!(%error, "custom resources cannot be served yet; trying again");
    }
}

/// Follows the definitions for as long as the server runs.
pub(crate) async fn follow(api: Arc<Api>) {
    loop {
        let pause = match round(&api).await {
            Ok(revision) => changed(&api, revision).await,
            Err(error) => {
                tracing::warn!(%error, "custom resources are not level with their definitions; trying again");
                false
            }
        };
        if !pause {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Waits for a change after a revision; false: it cannot be waited for.
async fn changed(api: &Api, after: Revision) -> bool {
    let Some(definitions) = definitions(api) else {
        return std::future::pending().await;
    };
    match CacheWatch::new(api.cacher.clone(), definitions.cache.clone(), after) {
        Ok(mut watch) => watch.next().await.is_ok(),
        Err(_) => false,
    }
}

fn definitions(api: &Api) -> Option<&Arc<Registry>> {
    api.endpoints
        .registry("apiextensions.k8s.io", "customresourcedefinitions")
}

/// A definition that is to be served, and what served it before.
struct Wanted {
    name: String,
    kind: Arc<Kind>,
    cache: Option<Arc<ResourceCache>>,
}

/// Brings what is served level with the definitions; the revision that they were looked at.
async fn round(api: &Arc<Api>) -> Result<Revision, triad_kv::Error> {
    let customs = &api.endpoints.customs;
    let Some(definitions) = definitions(api) else {
        return Ok(api.cacher.progress());
    };
    let (revision, snapshot) = api.cacher.view(&definitions.cache);
    let before = customs.set.load_full();
    let (mut kept, mut wanted) = (HashMap::new(), Vec::new());
    for cached in snapshot.objects.values() {
        let known = before.by_name.get(&*cached.name);
        if let Some(known) = known.filter(|known| known.kind.revision == cached.revision) {
            kept.insert(known.kind.definition.name.clone(), known.clone());
        } else if let Some(new) = read(api, &definitions.layout, cached) {
            wanted.push(want(new, known));
        }
    }
    if wanted.is_empty() && kept.len() == before.by_name.len() {
        return Ok(revision);
    }
    let new: Vec<&Wanted> = wanted
        .iter()
        .filter(|wanted| wanted.cache.is_none())
        .collect();
    let layouts = new
        .iter()
        .map(|wanted| cache_layout(&wanted.kind))
        .collect();
    let mut caches = api.cacher.adopt(layouts).await?.into_iter();
    for wanted in wanted {
        let Some(cache) = wanted.cache.or_else(|| caches.next()) else {
            continue;
        };
        kept.insert(wanted.name, Arc::new(standing(api, wanted.kind, cache)));
    }
    install(api, &before, kept);
    Ok(revision)
}

/// Reads a definition that is there to be used, or goes and has been.
fn read(api: &Api, layout: &Layout, cached: &Cached) -> Option<Kind> {
    let object = match cached.object(layout) {
        Ok(object) => object,
        Err(error) => {
            tracing::error!(
                definition = &*cached.name,
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
    let converter = Converter::new(&definition, || Lookup::new(&api.cacher))?;
    Some(Kind {
        definition,
        revision: cached.revision,
        established: conditions::is_true(&object, "Established"),
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
        name: new.definition.name.clone(),
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
fn install(api: &Api, before: &Set, by_name: HashMap<String, Arc<Standing>>) {
    let customs = &api.endpoints.customs;
    let endpoints = by_name.values().flat_map(|standing| &standing.endpoints);
    let by_path = endpoints
        .map(|(path, endpoint)| (path.clone(), endpoint.clone()))
        .collect();
    let gone = before.by_name.iter().filter(|(name, old)| {
        let new = by_name.get(*name);
        new.is_none_or(|new| !Arc::ptr_eq(&new.cache, &old.cache))
    });
    let gone: Vec<_> = gone.map(|(_, old)| old.cache.clone()).collect();
    customs.set.store(Arc::new(Set { by_path, by_name }));
    gone.iter().for_each(|cache| api.cacher.forget(cache));
    customs
        .generation
        .send_modify(|generation| *generation += 1);
}
