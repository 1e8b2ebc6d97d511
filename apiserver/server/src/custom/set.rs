//! What is served of custom kinds at one moment. A new set shares with the one before it all that is the same, so that one definition
//! more costs no look at all the others; who shows what is served compares parts by where they lie.

use super::{Kind, Path, Standing};
use crate::endpoint::Endpoint;
use imbl::{HashMap, OrdMap};
use std::sync::Arc;

/// A group and a version of it.
pub(crate) type GroupVersion = (Arc<str>, Arc<str>);
/// The kinds of a group and version, by the names of their definitions: another one whenever one of them is.
pub(crate) type Members = Arc<OrdMap<Arc<str>, Arc<Kind>>>;

/// What is served, by the names of definitions.
pub(crate) type Standings = OrdMap<Arc<str>, Arc<Standing>>;

#[derive(Clone, Default)]
pub(super) struct Set {
    pub(super) by_path: HashMap<Path, Arc<Endpoint>>,
    pub(super) by_name: Standings,
    /// What is served in each group and version.
    pub(super) groups: OrdMap<GroupVersion, Members>,
}

impl Set {
    /// Serves a definition's kind as it is now, or no longer.
    pub(super) fn put(&mut self, name: &Arc<str>, new: Option<Arc<Standing>>) {
        if let Some(old) = self.by_name.remove(name) {
            for (path, _) in &old.endpoints {
                self.by_path.remove(path);
                self.change_members(path, |members| drop(members.remove(name)));
            }
        }
        let Some(new) = new else { return };
        for (path, endpoint) in &new.endpoints {
            self.by_path.insert(path.clone(), endpoint.clone());
            self.change_members(path, |members| {
                drop(members.insert(name.clone(), new.kind.clone()))
            });
        }
        self.by_name.insert(name.clone(), new);
    }

    fn change_members(
        &mut self,
        (group, version, _): &Path,
        change: impl FnOnce(&mut OrdMap<Arc<str>, Arc<Kind>>),
    ) {
        let place = (Arc::from(group.as_str()), Arc::from(version.as_str()));
        let known = self.groups.get(&place);
        let mut members = known.map_or_else(OrdMap::new, |members| OrdMap::clone(members));
        change(&mut members);
        match members.is_empty() {
            true => drop(self.groups.remove(&place)),
            false => drop(self.groups.insert(place, Arc::new(members))),
        }
    }
}
