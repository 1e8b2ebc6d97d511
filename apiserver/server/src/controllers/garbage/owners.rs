//! How the owner references of an object stand, as the store has it (garbagecollector.go, classifyReferences).

use super::kinds::Kinds;
use crate::cacher::Lineage;
use crate::controllers::client::Target;
use crate::controllers::run::Trouble;

/// How one reference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The owner is there.
    Solid,
    /// There is no such owner: none of that name, or one of another uid.
    Dangling,
    /// The owner is there and waits for its dependents to be deleted.
    Waiting,
    /// The kind is not served; it may be yet.
    UnknownKind,
    /// A cluster-scoped object cannot have an owner in a namespace.
    Impossible,
}

/// What stands at an owner's place.
pub(super) struct Found {
    pub(super) uid: Box<str>,
    pub(super) waiting: bool,
}

impl Found {
    pub(super) fn of(lineage: &Lineage) -> Self {
        Found {
            uid: lineage.uid.clone(),
            waiting: lineage.deleting_dependents(),
        }
    }
}

/// The references of one object, by uid.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// At least one owner is there.
    pub(super) solid: bool,
    pub(super) dangling: Vec<&'a str>,
    pub(super) waiting: Vec<&'a str>,
}

/// Sorts the references of an object that was just read, so that the local replica knows at least what was acknowledged
/// before. None when one of them can never be right.
pub(super) fn sort<'a>(
    kinds: &Kinds,
    item: Target<'_>,
    lineage: &'a Lineage,
) -> Result<Option<Sorted<'a>>, Trouble> {
    let mut sorted = Sorted::default();
    for owner in &lineage.owners {
        let mut failure = None;
        let standing = kinds.standing(item.namespace, owner, |registry, _| {
            let namespaced = registry.resource().namespaced;
            let namespace = if namespaced { item.namespace } else { "" };
            let read = registry.get_local(namespace, &owner.name);
            let read = read.unwrap_or_else(|status| {
                failure = Some(status);
                None
            });
            read.map(|stored| Found::of(&Lineage::of(&stored.object)))
        });
        if let Some(status) = failure {
            return Err(status.into());
        }
        match standing {
            Standing::Solid => sorted.solid = true,
            Standing::Dangling => sorted.dangling.push(&owner.uid),
            Standing::Waiting => sorted.waiting.push(&owner.uid),
            Standing::UnknownKind => {
                let why = format!("no kind {} is served in {}", owner.kind, owner.api_version);
                return Err(Trouble::Later(why));
            }
            Standing::Impossible => return Ok(None),
        }
    }
    Ok(Some(sorted))
}
