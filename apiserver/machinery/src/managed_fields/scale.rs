//! Managed fields of the `scale` subresource: the entries of the object that own its replicas, seen as owners of
//! `spec.replicas` of the Scale, and back. Follows `managedfields/scalehandler.go`.

use super::entries::{Entry, Managed};
use super::field_set::FieldSet;
use super::path_element::PathElement;

const SCALE_VERSION: &str = "autoscaling/v1";

/// Where a version of a resource keeps its replicas: none when it has no scale.
pub type ReplicasPath<'a> = &'a dyn Fn(&str) -> Option<Vec<PathElement>>;

fn scale_path() -> [PathElement; 2] {
    [PathElement::field("spec"), PathElement::field("replicas")]
}

fn only(path: &[PathElement]) -> FieldSet {
    let mut set = FieldSet::default();
    set.insert(path);
    set
}

/// The object's entries as those of its Scale.
pub fn to_scale(parent: &Managed, replicas: ReplicasPath<'_>) -> Managed {
    let owns =
        |entry: &Entry| replicas(&entry.api_version).is_some_and(|path| entry.fields.has(&path));
    let seen = |entry: &Entry| Entry {
        fields: only(&scale_path()).into(),
        api_version: SCALE_VERSION.into(),
        time: entry.time.clone(),
    };
    Managed(
        parent
            .0
            .iter()
            .filter(|(_, entry)| owns(entry))
            .map(|(m, entry)| (m.clone(), seen(entry)))
            .collect(),
    )
}

/// The object's entries after its Scale was written with these. `api_version` is the object's.
pub fn to_parent(
    parent: &Managed,
    mut scale: Managed,
    api_version: &str,
    replicas: ReplicasPath<'_>,
) -> Managed {
    let mut out = Managed::default();
    for (manager, entry) in &parent.0 {
        let Some(path) = replicas(&entry.api_version) else {
            continue;
        };
        if !entry.fields.has(&path) || scale.0.remove(manager).is_some() {
            out.0.insert(manager.clone(), entry.clone());
            continue;
        }
        // Somebody has taken the replicas through the Scale.
        let fields = entry.fields.difference(&only(&path));
        if !fields.is_empty() {
            out.0.insert(
                manager.clone(),
                Entry {
                    fields: fields.into(),
                    ..entry.clone()
                },
            );
        }
    }
    let Some(path) = replicas(api_version) else {
        return out;
    };
    let owners = scale.0.into_iter();
    for (manager, _) in owners.filter(|(_, entry)| entry.fields.has(&scale_path())) {
        // Upstream looks the time up among the object's own entries: a manager that is new there has none.
        let known = parent.0.get(&manager);
        let time = known.and_then(|known| known.time.clone());
        out.0.insert(
            manager,
            Entry {
                fields: only(&path).into(),
                api_version: api_version.into(),
                time,
            },
        );
    }
    out
}
