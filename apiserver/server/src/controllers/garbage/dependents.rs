//! Who refers to a uid as an owner. Says nothing of whether the owner exists.

use crate::cacher::Owner;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where an object is: the place of its resource among those followed, and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::controllers) struct Id {
    pub(super) source: usize,
    pub(super) key: Arc<str>,
}

#[derive(Default)]
pub(super) struct Dependents(HashMap<Box<str>, HashSet<Id>>);

impl Dependents {
    /// Takes note that an object's owners changed.
    pub(super) fn replace(&mut self, id: &Id, before: &[Owner], after: &[Owner]) {
        for owner in before {
            if let Some(dependents) = self.0.get_mut(&owner.uid) {
                dependents.remove(id);
                if dependents.is_empty() {
                    self.0.remove(&owner.uid);
                }
            }
        }
        for owner in after {
            self.0
                .entry(owner.uid.clone())
                .or_default()
                .insert(id.clone());
        }
    }

    /// The objects that refer to a uid.
    pub(super) fn of(&self, uid: &str) -> impl Iterator<Item = &Id> {
        self.0.get(uid).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str) -> Owner {
        Owner {
            api_version: "v1".into(),
            kind: "Pod".into(),
            name: "p".into(),
            uid: uid.into(),
            blocking: false,
        }
    }

    #[test]
    fn nothing_is_left_of_what_has_gone() {
        let id = |key: &str| Id {
            source: 0,
            key: key.into(),
        };
        let mut dependents = Dependents::default();
        dependents.replace(&id("x"), &[], &[owner("a"), owner("b")]);
        dependents.replace(&id("y"), &[], &[owner("a")]);
        assert_eq!(dependents.of("a").count(), 2);
        dependents.replace(&id("x"), &[owner("a"), owner("b")], &[owner("b")]);
        assert_eq!(dependents.of("a").cloned().collect::<Vec<_>>(), [id("y")]);
        dependents.replace(&id("x"), &[owner("b")], &[]);
        dependents.replace(&id("y"), &[owner("a")], &[]);
        assert!(dependents.0.is_empty());
    }
}
