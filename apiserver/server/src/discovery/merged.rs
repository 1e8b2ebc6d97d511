//! Groups of this server and of others, in order. The list of groups is that of the APIServices (kube-aggregator
//! pkg/apiserver/handler_apis.go); the aggregated document is put together from what each server says of itself (apiserver
//! pkg/endpoints/discovery/aggregated).

use super::{Served, ServedVersion};
use crate::aggregation::{ApiService, Documents, Table};
use serde_json::{Value, json};
use std::collections::HashMap;
use triad_machinery::custom::compare_versions;

/// This group has no APIServices and comes first.
const FIRST: &str = "apiregistration.k8s.io";

/// One version on its way to its place.
struct Entry {
    group: String,
    /// By which groups of the same priority are ordered.
    tie: String,
    version: ServedVersion,
}

/// The groups as APIServices list them. What is served already and has no APIService yet stands where its own will put it.
pub(super) fn listed(own: &[Served], table: &Table) -> Vec<Served> {
    let mut entries: HashMap<(String, String), Entry> = HashMap::new();
    for (group, version) in versions(own) {
        if table.was_deleted(group, &version.name) {
            continue;
        }
        let entry = Entry {
            group: group.to_owned(),
            tie: format!("{}.{group}", version.name),
            version: version.clone(),
        };
        entries.insert((group.to_owned(), version.name.clone()), entry);
    }
    for service in table.all().filter(|service| service.group != FIRST) {
        let path = (service.group.clone(), service.version.clone());
        let priority = (service.group_priority, service.version_priority);
        match entries.get_mut(&path) {
            Some(entry) => entry.version.priority = priority,
            None => _ = entries.insert(path, unknown(service, json!([]), true)),
        }
    }
    in_order(entries.into_values().collect())
}

/// The groups as servers show them: this one its own, others what they said.
pub(super) fn aggregated(own: &[Served], table: &Table, documents: &Documents) -> Vec<Served> {
    let mut entries = Vec::new();
    for (group, version) in versions(own) {
        let elsewhere = table.remote(group, &version.name).is_some();
        if !elsewhere && !table.was_deleted(group, &version.name) {
            entries.push(Entry {
                group: group.to_owned(),
                tie: group.to_owned(),
                version: version.clone(),
            });
        }
    }
    for (service, _) in table.remotes() {
        let shown = documents.get(&service.name);
        let resources = shown.map_or_else(|| json!([]), |shown| shown.resources.clone());
        let mut entry = unknown(service, resources, shown.is_some_and(|shown| shown.fresh));
        entry.tie = service.group.clone();
        entries.push(entry);
    }
    in_order(entries)
}

fn versions(own: &[Served]) -> impl Iterator<Item = (&str, &ServedVersion)> {
    own.iter().flat_map(|group| {
        let versions = group.versions.iter();
        versions.map(|version| (group.name.as_str(), version))
    })
}

/// What only its APIService tells of.
fn unknown(service: &ApiService, aggregated: Value, fresh: bool) -> Entry {
    Entry {
        group: service.group.clone(),
        tie: service.name.clone(),
        version: ServedVersion {
            name: service.version.clone(),
            priority: (service.group_priority, service.version_priority),
            resources: Value::Null,
            aggregated,
            fresh,
        },
    }
}

/// Groups by the highest priority that one of their APIServices gives them, versions by their own.
fn in_order(mut entries: Vec<Entry>) -> Vec<Served> {
    let first = |entry: &Entry| entry.group == FIRST;
    entries.sort_by(|a, b| {
        let by_priority = b.version.priority.0.cmp(&a.version.priority.0);
        let by_place = first(b).cmp(&first(a)).then(by_priority);
        by_place.then_with(|| a.tie.cmp(&b.tie))
    });
    let mut groups: Vec<Served> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let place = *places.entry(entry.group.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Served {
                name: entry.group,
                versions: Vec::new(),
            });
        }
        groups[place].versions.push(entry.version);
    }
    for group in &mut groups {
        group.versions.sort_by(|a, b| {
            let by_priority = b.priority.1.cmp(&a.priority.1);
            by_priority.then_with(|| compare_versions(&b.name, &a.name))
        });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(group: &str, version: &str, priority: (i64, i64)) -> Entry {
        Entry {
            group: group.to_owned(),
            tie: format!("{version}.{group}"),
            version: ServedVersion {
                name: version.to_owned(),
                priority,
                resources: Value::Null,
                aggregated: json!([]),
                fresh: true,
            },
        }
    }

    fn shown(entries: Vec<Entry>) -> Vec<String> {
        let line = |group: Served| {
            let versions: Vec<String> = group.versions.into_iter().map(|v| v.name).collect();
            format!("{}: {}", group.name, versions.join(" "))
        };
        in_order(entries).into_iter().map(line).collect()
    }

    #[test]
    fn priorities_order_groups_and_versions() {
        let entries = vec![
            entry("low", "v1", (100, 15)),
            entry("high", "v1beta1", (10, 5)),
            entry("same-b", "v1", (1000, 100)),
            entry("same-a", "v1beta1", (1000, 100)),
            entry("same-a", "v1alpha1", (1000, 100)),
            entry("high", "v2", (9000, 1)),
            entry(FIRST, "v1", (1, 1)),
            entry("same-a", "v1", (1000, 100)),
        ];
        let want = [
            "apiregistration.k8s.io: v1",
            "high: v1beta1 v2",
            "same-a: v1 v1beta1 v1alpha1",
            "same-b: v1",
            "low: v1",
        ];
        assert_eq!(shown(entries), want);
    }
}
