//! The API services, read once for each revision of each: which groups and versions there are, in what order, and which of them
//! another server answers.

use super::remote::{Identity, Remote};
use crate::cacher::{Cached, ResourceCache};
use crate::registry::conditions;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::scheme::scheme;

/// The only group that no APIService leads away: it is where they lie themselves.
const OWN_GROUP: &str = "apiregistration.k8s.io";

/// One APIService.
pub(crate) struct ApiService {
    revision: Revision,
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) group_priority: i64,
    pub(crate) version_priority: i64,
    /// None: this server answers itself.
    pub(crate) remote: Option<Arc<Remote>>,
    pub(crate) available: bool,
    /// Of a local one: it is said of it that it always is.
    pub(crate) settled: bool,
}

/// All of them at one moment.
#[derive(Default)]
pub(crate) struct Table {
    pub(super) revision: Revision,
    pub(super) by_name: BTreeMap<String, Arc<ApiService>>,
    by_path: HashMap<(String, String), Arc<ApiService>>,
    /// Built-in versions whose APIServices somebody has deleted: they are made again at the next start alone.
    deleted: BTreeSet<(String, String)>,
}

impl Table {
    /// What the cache shows; what did not change since `before` is kept. Nothing: it shows the same.
    pub(super) fn read(cache: &ResourceCache, before: &Table, identity: &Identity) -> Option<Self> {
        let snapshot = cache.snapshot();
        if snapshot.revision == before.revision {
            return None;
        }
        let mut table = Table {
            revision: snapshot.revision,
            deleted: before.deleted.clone(),
            ..Table::default()
        };
        for cached in snapshot.all() {
            let known = before.by_name.get(cached.name());
            let same = known.filter(|known| known.revision == cached.revision);
            let found = match same {
                Some(known) => Some(known.clone()),
                None => read(cache, cached, known, identity).map(Arc::new),
            };
            if let Some(found) = found {
                table.add(found);
            }
        }
        table.note_deleted(before);
        Some(table)
    }

    fn note_deleted(&mut self, before: &Table) {
        let gone = before.all().filter(|service| service.remote.is_none());
        let gone = gone.filter(|service| !self.by_name.contains_key(&service.name));
        let built_in = gone.filter(|service| {
            let group = scheme()
                .groups()
                .iter()
                .find(|group| *group.name == service.group);
            group.is_some_and(|group| {
                group
                    .versions
                    .iter()
                    .any(|known| *known.name == service.version)
            })
        });
        let paths = built_in.map(|service| (service.group.clone(), service.version.clone()));
        self.deleted.extend(paths);
        let there =
            |path: &(String, String)| self.by_name.contains_key(&format!("{}.{}", path.1, path.0));
        self.deleted = self
            .deleted
            .iter()
            .filter(|path| !there(path))
            .cloned()
            .collect();
    }

    /// Whether somebody took a version of this server's own out of the list of groups. It is served all the same.
    pub(crate) fn was_deleted(&self, group: &str, version: &str) -> bool {
        !self.deleted.is_empty()
            && self
                .deleted
                .contains(&(group.to_owned(), version.to_owned()))
    }

    fn add(&mut self, found: Arc<ApiService>) {
        if found.remote.is_some() && found.group != OWN_GROUP {
            let path = (found.group.clone(), found.version.clone());
            self.by_path.insert(path, found.clone());
        }
        self.by_name.insert(found.name.clone(), found);
    }

    /// Whether all groups and versions are this server's own.
    pub(crate) fn all_local(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Who answers a group and version, if it is another server.
    pub(crate) fn remote(&self, group: &str, version: &str) -> Option<&Arc<ApiService>> {
        let path = (group.to_owned(), version.to_owned());
        self.by_path.get(&path)
    }

    /// Those that other servers answer, by name.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = (&Arc<ApiService>, &Arc<Remote>)> {
        let all = self.by_name.values();
        all.filter_map(|service| Some((service, service.remote.as_ref()?)))
            .filter(|(service, _)| service.group != OWN_GROUP)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ApiService>> {
        self.by_name.values()
    }
}

fn read(
    cache: &ResourceCache,
    cached: &Cached,
    known: Option<&Arc<ApiService>>,
    identity: &Identity,
) -> Option<ApiService> {
    let object = match cached.object(&cache.layout) {
        Ok(object) => object,
        Err(error) => {
            tracing::error!(
                api_service = cached.name(),
                error,
                "an API service cannot be read"
            );
            return None;
        }
    };
    let spec = &object["spec"];
    let text = |field: &str| spec[field].as_str().unwrap_or("").to_owned();
    let number = |field: &str| spec[field].as_i64().unwrap_or(0);
    let remote = spec.get("service").map(|_| {
        let known = known.and_then(|known| known.remote.clone());
        let same = known.filter(|remote| remote.is_of(spec));
        same.unwrap_or_else(|| Arc::new(Remote::new(cached.name(), spec, identity)))
    });
    let condition = conditions::find(&object, "Available");
    Some(ApiService {
        revision: cached.revision,
        name: cached.name().to_owned(),
        group: text("group"),
        version: text("version"),
        group_priority: number("groupPriorityMinimum"),
        version_priority: number("versionPriority"),
        remote,
        available: conditions::is_true(&object, "Available"),
        settled: condition.is_some_and(|c| c["reason"] == "Local" && c["status"] == "True"),
    })
}
