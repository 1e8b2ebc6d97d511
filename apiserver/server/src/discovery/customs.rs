//! Custom kinds in discovery (apiextensions-apiserver pkg/apiserver/customresource_discovery_controller.go): their groups come behind the
//! built-in ones, by name; versions stand in the order that Kubernetes gives to their names.

use super::{Served, ServedVersion, aggregated_resource, resource_list};
use crate::custom::api_services::{GROUP_PRIORITY, VERSION_PRIORITY};
use crate::custom::{GroupVersion, Kind, Members};
use imbl::OrdMap;
use std::collections::HashMap;
use std::sync::Arc;
use triad_machinery::custom::{Version, compare_versions};
use triad_machinery::scheme::Resource;

/// What is shown of each group and version, and of what it was made.
pub(super) type Parts = HashMap<GroupVersion, Part>;

#[derive(Clone)]
pub(super) struct Part {
    members: Members,
    /// Nothing, as long as none of them is established.
    shown: Option<ServedVersion>,
}

/// The parts of all groups; those of which nothing changed since `before` are taken over.
pub(super) fn parts(kinds: &OrdMap<GroupVersion, Members>, before: &Parts) -> Parts {
    let part = |(place, members): (&GroupVersion, &Members)| {
        let known = before.get(place);
        let same = known.filter(|known| Arc::ptr_eq(&known.members, members));
        let made = || Part {
            members: members.clone(),
            shown: shown(place, members),
        };
        (place.clone(), same.cloned().unwrap_or_else(made))
    };
    kinds.iter().map(part).collect()
}

fn shown((group, version): &GroupVersion, members: &Members) -> Option<ServedVersion> {
    let kinds = members.values().filter(|kind| kind.established);
    let resources =
        kinds.filter_map(|kind| Some(resource(kind, kind.definition.version(version)?)));
    let resources: Vec<Resource> = resources.collect();
    (!resources.is_empty()).then(|| ServedVersion {
        name: version.to_string(),
        priority: (GROUP_PRIORITY, VERSION_PRIORITY),
        fresh: true,
        resources: resource_list(group, version, resources.iter()),
        aggregated: resources.iter().map(aggregated_resource).collect(),
    })
}

/// The groups with those of custom kinds.
pub(super) fn with_customs(mut groups: Vec<Served>, parts: &Parts) -> Vec<Served> {
    let mut by_group: HashMap<&str, Vec<ServedVersion>> = HashMap::new();
    for ((group, _), part) in parts {
        let shown = part.shown.iter().cloned();
        by_group.entry(group).or_default().extend(shown);
    }
    for versions in by_group.values_mut() {
        versions.sort_by(|a, b| compare_versions(&b.name, &a.name));
    }
    for group in &mut groups {
        let more = by_group.remove(group.name.as_str());
        group.versions.extend(more.into_iter().flatten());
    }
    by_group.retain(|_, versions| !versions.is_empty());
    let mut new: Vec<_> = by_group.into_iter().collect();
    new.sort_by_key(|(name, _)| *name);
    groups.extend(new.into_iter().map(|(name, versions)| Served {
        name: name.to_owned(),
        versions,
    }));
    groups
}

fn resource(kind: &Kind, version: &Version) -> Resource {
    const ENDING: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];
    let mut resource = Resource::custom(&kind.definition, version, &[]);
    if kind.definition.terminating {
        resource.verbs.retain(|verb| ENDING.contains(&&**verb));
    }
    resource
}
