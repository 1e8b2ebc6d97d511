//! One operation at one path, in no language yet: v2.rs and v3.rs write it down.

use crate::schema::TypeId;

/// An operation.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: String,
    /// In small letters, as documents name them.
    pub(super) method: &'static str,
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) description: String,
    pub(super) consumes: Vec<&'static str>,
    pub(super) produces: Vec<&'static str>,
    pub(super) params: Vec<Param>,
    pub(super) body: Option<Body>,
    pub(super) responses: Vec<(u16, Model)>,
    /// x-kubernetes-action.
    pub(super) action: Option<&'static str>,
    /// x-kubernetes-group-version-kind.
    pub(super) kind: Option<Kind>,
}

#[derive(Debug)]
pub(super) struct Body {
    pub(super) model: Model,
    pub(super) required: bool,
}

/// What a body holds.
#[derive(Clone, Debug)]
pub(super) enum Model {
    Type(TypeId),
    /// A custom kind, by its name among the schemas.
    Custom(String),
    Text,
}

#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

/// A parameter in the path or the query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) location: Location,
    /// `string`, `integer` or `boolean`.
    pub(super) ty: &'static str,
    pub(super) description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Location {
    Path,
    Query,
}

impl Location {
    pub(super) fn name(self) -> &'static str {
        match self {
            Location::Path => "path",
            Location::Query => "query",
        }
    }
}

/// What a status code of an answer is called.
pub(super) fn code_text(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        _ => "Unauthorized",
    }
}

/// Routes of one path, with the parameters that all of them have; each list is sorted.
pub(super) struct PathRoutes<'a> {
    pub(super) routes: Vec<(&'a Route, Vec<&'a Param>)>,
    pub(super) common: Vec<&'a Param>,
}

/// Gathers routes by path, in the order of paths.
pub(super) fn by_path(routes: &[Route]) -> Vec<(&str, PathRoutes<'_>)> {
    let mut paths = std::collections::BTreeMap::<&str, Vec<&Route>>::new();
    for route in routes {
        paths.entry(&route.path).or_default().push(route);
    }
    paths
        .into_iter()
        .map(|(path, routes)| (path, split_params(routes)))
        .collect()
}

fn split_params(routes: Vec<&Route>) -> PathRoutes<'_> {
    let key = |p: &Param| (p.name.clone(), p.location);
    let everywhere = |p: &Param| {
        routes
            .iter()
            .all(|r| r.params.iter().any(|other| key(other) == key(p)))
    };
    let mut common: Vec<&Param> = routes[0].params.iter().filter(|p| everywhere(p)).collect();
    common.sort_by_key(|p| key(p));
    let own = |route: &&'_ Route| -> Vec<usize> {
        let mut own: Vec<usize> = (0..route.params.len())
            .filter(|i| !common.iter().any(|c| key(c) == key(&route.params[*i])))
            .collect();
        own.sort_by_key(|i| key(&route.params[*i]));
        own
    };
    let own: Vec<Vec<usize>> = routes.iter().map(own).collect();
    let routes = routes
        .into_iter()
        .zip(own)
        .map(|(route, own)| (route, own.into_iter().map(|i| &route.params[i]).collect()))
        .collect();
    PathRoutes { routes, common }
}
