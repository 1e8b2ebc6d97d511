//! What garbage collection goes by: an object's uid, its owners, and how far its deletion is. Kept beside each cached object,
//! so that following every change needs no second decoding.

use serde_json::Value;
use triad_machinery::codec::Message;
use triad_machinery::meta;

/// The finalizer of an object that waits until its dependents have been let go.
pub(crate) const ORPHAN: &str = "orphan";
/// The finalizer of an object that waits until its blocking dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) uid: Box<str>,
    pub(crate) owners: Box<[Owner]>,
    /// The object has a deletionTimestamp.
    pub(crate) deleting: bool,
    orphan: bool,
    foreground: bool,
}

/// One entry of `metadata.ownerReferences`, as far as garbage collection reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    /// `blockOwnerDeletion`: the owner's deletion in the foreground waits for this object.
    pub(crate) blocking: bool,
}

impl Lineage {
    pub(crate) fn of(object: &Value) -> Self {
        let owners = meta::owner_references(object).map(|owner| Owner {
            api_version: owner.api_version.into(),
            kind: owner.kind.into(),
            name: owner.name.into(),
            uid: owner.uid.into(),
            blocking: owner.block_owner_deletion,
        });
        Lineage {
            uid: meta::uid(object).into(),
            owners: owners.collect(),
            deleting: !meta::deletion_timestamp(object).is_empty(),
            orphan: meta::finalizers(object).any(|f| f == ORPHAN),
            foreground: meta::finalizers(object).any(|f| f == FOREGROUND),
        }
    }

    /// The same of a message; None where it cannot be told without a tree.
    pub(super) fn read(metadata: &Message<'_>) -> Option<Self> {
        let owner = |owner: &Message<'_>| {
            Some(Owner {
                api_version: owner.text("apiVersion")?.into(),
                kind: owner.text("kind")?.into(),
                name: owner.text("name")?.into(),
                uid: owner.text("uid")?.into(),
                blocking: owner.number("blockOwnerDeletion")? != 0,
            })
        };
        let owners = metadata.messages("ownerReferences")?;
        let finalizers = metadata.texts("finalizers")?;
        Some(Lineage {
            uid: metadata.text("uid")?.into(),
            owners: owners.iter().map(owner).collect::<Option<_>>()?,
            deleting: !metadata.time("deletionTimestamp")?.is_empty(),
            orphan: finalizers.contains(&ORPHAN),
            foreground: finalizers.contains(&FOREGROUND),
        })
    }

    /// The deletion has begun and waits until the dependents are let go.
    pub(crate) fn orphaning(&self) -> bool {
        self.deleting && self.orphan
    }

    /// The deletion has begun and waits until the blocking dependents are gone.
    pub(crate) fn deleting_dependents(&self) -> bool {
        self.deleting && self.foreground
    }
}
