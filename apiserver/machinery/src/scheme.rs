//! What is served: groups, versions, resources and subresources, with the facts that the registry, discovery, selectors and
//! printers need. Read once from `schema/resources.api`; custom resources are kept by the server, not here.

mod resource;
mod table;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

pub use resource::{
    Column, GcPolicy, Generation, NameRule, Resource, Storage, Subresource, group_version,
};

use crate::schema::{Name, TableError};

/// A group with its versions, preferred first.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: Name,
    /// groupPriorityMinimum of its APIServices.
    pub priority: i32,
    pub versions: Vec<Version>,
}

/// A version of a group.
#[derive(Debug, Clone)]
pub struct Version {
    pub name: Name,
    /// versionPriority of its APIService.
    pub priority: i32,
}

/// All built-in resources, in the table's order.
#[derive(Debug, Default)]
pub struct Scheme {
    groups: Vec<Group>,
    resources: Vec<Resource>,
    by_plural: HashMap<Key<'static>, usize>,
    by_kind: HashMap<Key<'static>, usize>,
}

impl Scheme {
    /// Groups in discovery order: by descending priority, then by name.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Resources of one group-version, as discovery lists them (by plural).
    pub fn resources_of<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Resource> {
        self.resources
            .iter()
            .filter(move |r| r.group == group && r.version == version)
    }

    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        find(&self.by_plural, [group, version, plural]).map(|i| &self.resources[i])
    }

    /// A resource in the version that its objects are written to the store in; none for what is not stored.
    pub fn stored<'a>(&'a self, resource: &'a Resource) -> Option<&'a Resource> {
        let storage = resource.storage.as_ref()?;
        let version = self.resource_of_kind(&storage.group, &storage.version, &resource.kind);
        Some(version.unwrap_or(resource))
    }

    /// The stored resource that a key of the store belongs to.
    pub fn resource_of_key(&self, key: &str) -> Option<&Resource> {
        let holds = |resource: &&Resource| {
            let prefix = resource.storage.as_ref().map(|storage| &*storage.key);
            let rest = prefix.and_then(|prefix| key.strip_prefix(prefix));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let found = self.resources.iter().filter(holds);
        // One prefix may begin another's.
        let longest = found.rev().max_by_key(|resource| {
            resource
                .storage
                .as_ref()
                .map_or(0, |storage| storage.key.len())
        });
        self.stored(longest?)
    }

    /// The resource whose objects are of this kind.
    pub fn resource_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        find(&self.by_kind, [group, version, kind]).map(|i| &self.resources[i])
    }
}

/// Group, version, and plural or kind.
type Key<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

/// A lookup with borrowed parts of the key.
fn find<'a>(map: &HashMap<Key<'a>, usize>, [a, b, c]: [&'a str; 3]) -> Option<usize> {
    map.get(&(Cow::Borrowed(a), Cow::Borrowed(b), Cow::Borrowed(c)))
        .copied()
}

/// The built-in scheme, read at first use.
pub fn scheme() -> &'static Scheme {
    static SCHEME: OnceLock<Scheme> = OnceLock::new();
    SCHEME.get_or_init(|| match built_in() {
        Ok(scheme) => scheme,
        Err(error) => panic!("the embedded resource table is broken: {error}"),
    })
}

/// Reads the embedded table anew.
pub fn built_in() -> Result<Scheme, TableError> {
    table::read("resources.api", include_str!("../schema/resources.api"))
}
