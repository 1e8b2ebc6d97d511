//! Routes that are no resources: discovery of groups, versions and resources, the version, the issuer's keys
//! (apiserver pkg/endpoints/discovery/*.go, pkg/server/routes/version.go, kubernetes pkg/routes/openidmetadata.go).

use super::installer::{MEDIA, shared};
use super::operation_id::operation_id;
use super::route::{Model, Route};

/// A route that says what is served; these take and give the same media types.
pub(super) fn fixed(
    path: &str,
    name: &str,
    description: &str,
    media: &[&'static str],
    model: Model,
) -> Route {
    let (id, tag) = operation_id("get", name, path);
    Route {
        path: path.to_owned(),
        method: "get",
        id,
        tag,
        description: description.to_owned(),
        consumes: media.to_vec(),
        produces: media.to_vec(),
        params: Vec::new(),
        body: None,
        responses: vec![(200, model)],
        action: None,
        kind: None,
    }
}

/// Discovery of groups, versions or resources.
pub(super) fn of_groups(path: &str, name: &str, description: &str, kind: &str) -> Option<Route> {
    shared(kind).map(|id| fixed(path, name, description, &MEDIA, Model::Type(id)))
}

/// About tokens; these take nothing.
pub(super) fn openid(name: &str, what: &str, description: &str, media: &'static str) -> Route {
    let mut route = fixed(
        &format!("/{name}/"),
        what,
        description,
        &[media],
        Model::Text,
    );
    route.consumes.clear();
    route
}
