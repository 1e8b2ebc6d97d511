//! Where and on what a route acts: a collection, one object, a part of it, or all namespaces at once.

use super::option_params::path;
use super::route::Param;
use crate::schema::TypeId;
use crate::scheme::{Resource, Subresource};

const NAMESPACE: &str = "object name and auth scope, such as for teams and projects";

pub(super) struct Target<'a> {
    pub(super) resource: &'a Resource,
    pub(super) subresource: Option<&'a Subresource>,
    /// Below the group-version's path, `/namespaces/{namespace}/pods/{name}`.
    pub(super) path: String,
    pub(super) params: Vec<Param>,
    /// What operation ids have before and after the kind for it.
    pub(super) namespaced: &'static str,
    pub(super) suffix: &'static str,
}

impl<'a> Target<'a> {
    pub(super) fn collection(resource: &'a Resource) -> Self {
        let mut target = Target {
            resource,
            subresource: None,
            path: format!("/{}", resource.plural),
            params: Vec::new(),
            namespaced: "",
            suffix: "",
        };
        if resource.namespaced {
            target.path = format!("/namespaces/{{namespace}}{}", target.path);
            target.params.push(path("namespace", NAMESPACE));
            target.namespaced = "Namespaced";
        }
        target
    }

    pub(super) fn all_namespaces(resource: &'a Resource) -> Self {
        Target {
            path: format!("/{}", resource.plural),
            params: Vec::new(),
            namespaced: "",
            suffix: "ForAllNamespaces",
            ..Self::collection(resource)
        }
    }

    pub(super) fn item(resource: &'a Resource) -> Self {
        Self::named(resource, &resource.kind)
    }

    pub(super) fn part(resource: &'a Resource, subresource: &'a Subresource) -> Self {
        let mut target = Self::named(resource, &subresource.kind);
        target.path = format!("{}/{}", target.path, subresource.name);
        target.subresource = Some(subresource);
        target
    }

    /// Everything below a proxy.
    pub(super) fn below(mut self) -> Self {
        self.path.push_str("/{path}");
        self.params.push(path("path", "path to the resource"));
        self.suffix = "WithPath";
        self
    }

    /// The type of the objects that it takes and gives.
    pub(super) fn object(&self) -> Option<TypeId> {
        match self.subresource {
            Some(subresource) => subresource.type_id(),
            None => self.resource.type_id(),
        }
    }

    fn named(resource: &'a Resource, kind: &str) -> Self {
        let mut target = Self::collection(resource);
        target.path.push_str("/{name}");
        target
            .params
            .push(path("name", format!("name of the {kind}")));
        target
    }
}
