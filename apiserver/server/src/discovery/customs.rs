//! Custom kinds in discovery (apiextensions-apiserver pkg/apiserver/customresource_discovery_controller.go): their groups come behind the
//! built-in ones, by name; versions stand in the order that Kubernetes gives to their names.

use super::{Served, ServedVersion, aggregated_resource, resource_list};
use crate::custom::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_machinery::custom::{Version, compare_versions};
use triad_machinery::scheme::Resource;

/// The groups with those of custom kinds.
pub(super) fn with_customs(mut groups: Vec<Served>, kinds: &[Arc<Kind>]) -> Vec<Served> {
    let mut by_group: BTreeMap<&str, BTreeMap<&str, Vec<Resource>>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| kind.established) {
        let definition = &kind.definition;
        for version in definition.served() {
            let versions = by_group.entry(&definition.group).or_default();
            let resources = versions.entry(&version.name).or_default();
            resources.push(resource(kind, version));
        }
    }
    for (name, versions) in by_group {
        let mut versions: Vec<_> = versions.into_iter().collect();
        versions.sort_by(|(a, _), (b, _)| compare_versions(b, a));
        let versions = versions
            .into_iter()
            .map(|(version, resources)| ServedVersion {
                name: version.to_owned(),
                resources: resource_list(name, version, resources.iter()),
                aggregated: resources.iter().map(aggregated_resource).collect(),
            });
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.versions.extend(versions),
            None => groups.push(Served {
                name: name.to_owned(),
                versions: versions.collect(),
            }),
        }
    }
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
