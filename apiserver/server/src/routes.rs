//! From a request to its handler: resources by group, version and plural; everything else by path.

use crate::api::Api;
use crate::endpoint::Endpoint;
use crate::filters::request_info::RequestInfo;
use crate::handlers::connect::Taken;
use crate::handlers::{
    Call, connect, create, delete, list, patch, read, scale, subresource, update, virtuals, watch,
};
use crate::negotiate::{MEDIA_TYPES, route_accepts};
use crate::registry::before::Part;
use crate::reply::Reply;
use http::{HeaderMap, Method};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use triad_machinery::status::Status;

/// The answer's media types of a route that lists and therefore watches.
const WATCH_TYPES: [&str; 5] = [
    MEDIA_TYPES[0],
    MEDIA_TYPES[1],
    MEDIA_TYPES[2],
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

/// What a resource request does, once the route has been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// Goes on to a node, a pod or a service, for as long as both sides like.
    Connect,
}

/// A route: the endpoint and what the method means on it.
pub(crate) struct Route {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) action: Action,
}

impl Action {
    /// Whether the request has a body to read.
    pub(crate) fn reads_body(self) -> bool {
        !matches!(
            self,
            Action::Get | Action::List | Action::Watch | Action::Connect
        )
    }
}

/// Finds the route of a resource request. The errors are the router's own: 404, 405, 406.
pub(crate) fn find(
    api: &Api,
    method: &Method,
    info: &RequestInfo,
    headers: &HeaderMap,
) -> Result<Route, Status> {
    let endpoint = api
        .endpoints
        .get(&info.group, &info.version, &info.resource)
        .ok_or_else(Status::no_such_resource)?;
    let resource = endpoint.resource;
    let named = info.parts.len() > 1;
    let scoped = !info.namespace.is_empty() && info.resource != "namespaces";
    if info.parts.len() > 3 && !matches!(info.subresource.as_str(), "proxy") {
        return Err(Status::no_such_resource());
    }
    if !fits_scope(&endpoint, info) {
        return Err(Status::no_such_resource());
    }
    if !info.subresource.is_empty() {
        return find_subresource(&endpoint, method, info, headers);
    }
    let across = resource.namespaced && !scoped;
    let verbs: &[(&str, Method, Action)] = if named {
        &[
            ("get", Method::GET, Action::Get),
            ("update", Method::PUT, Action::Update),
            ("patch", Method::PATCH, Action::Patch),
            ("delete", Method::DELETE, Action::Delete),
        ]
    } else if across {
        &[
            ("list", Method::GET, Action::List),
            ("create", Method::POST, Action::Create),
        ]
    } else {
        &[
            ("list", Method::GET, Action::List),
            ("create", Method::POST, Action::Create),
            ("deletecollection", Method::DELETE, Action::DeleteCollection),
        ]
    };
    // Creating across namespaces exists for resources that are not stored (bindings in no namespace do not).
    let offered: Vec<_> = verbs
        .iter()
        .filter(|(verb, _, _)| resource.has_verb(verb) && !(across && *verb == "create"))
        .collect();
    if offered.is_empty() {
        return Err(Status::no_such_resource());
    }
    if info.legacy_watch {
        if *method != Method::GET || !resource.has_verb("watch") {
            return Err(if resource.has_verb("watch") {
                Status::method_not_allowed()
            } else {
                Status::no_such_resource()
            });
        }
        router_accepts(&endpoint, headers, &WATCH_TYPES)?;
        return Ok(Route {
            endpoint,
            action: Action::Watch,
        });
    }
    let Some((_, _, action)) = offered.iter().find(|(_, offered, _)| offered == method) else {
        return Err(Status::method_not_allowed());
    };
    let lists = *action == Action::List && resource.has_verb("watch");
    let types = if lists {
        &WATCH_TYPES[..]
    } else {
        &MEDIA_TYPES
    };
    router_accepts(&endpoint, headers, types)?;
    let action = if lists && info.verb == "watch" {
        Action::Watch
    } else {
        *action
    };
    Ok(Route { endpoint, action })
}

/// Whether the path is one of the resource's: within a namespace or not, as it lies itself.
pub(crate) fn fits_scope(endpoint: &Endpoint, info: &RequestInfo) -> bool {
    let named = info.parts.len() > 1;
    let scoped = !info.namespace.is_empty() && info.resource != "namespaces";
    endpoint.resource.namespaced == scoped || !scoped && !named
}

/// The router's own word on media types; custom kinds are behind no router.
fn router_accepts(endpoint: &Endpoint, headers: &HeaderMap, types: &[&str]) -> Result<(), Status> {
    match endpoint.custom {
        Some(_) => Ok(()),
        None => route_accepts(headers, types),
    }
}

fn find_subresource(
    endpoint: &Arc<Endpoint>,
    method: &Method,
    info: &RequestInfo,
    headers: &HeaderMap,
) -> Result<Route, Status> {
    let unknown = || match endpoint.custom {
        Some(_) => Status::not_found(endpoint.group_resource(), &info.name),
        None => Status::no_such_resource(),
    };
    let subresource = endpoint.resource.subresource(&info.subresource);
    let subresource = subresource.ok_or_else(unknown)?;
    let (verb, action) = match *method {
        Method::GET => ("get", Action::Get),
        Method::POST => ("create", Action::Create),
        Method::PUT => ("update", Action::Update),
        Method::PATCH => ("patch", Action::Patch),
        Method::DELETE => ("delete", Action::Delete),
        // These are not among the verbs of discovery.
        Method::HEAD | Method::OPTIONS if subresource.name == "proxy" => ("get", Action::Get),
        _ => return Err(Status::method_not_allowed()),
    };
    if !subresource.has_verb(verb) {
        return Err(Status::method_not_allowed());
    }
    let connects = endpoint.custom.is_none() && connect::is_connected(&subresource.name);
    if !connects {
        router_accepts(endpoint, headers, &MEDIA_TYPES)?;
    }
    Ok(Route {
        endpoint: endpoint.clone(),
        action: if connects { Action::Connect } else { action },
    })
}

/// Carries out a resource request.
pub(crate) async fn dispatch(call: &mut Call, action: Action) -> Result<Reply, Status> {
    check_name(call)?;
    if call.endpoint.registry.is_none() {
        return virtuals::dispatch(call, action).await;
    }
    let answer = stored(call, action).await;
    answer.map_err(|status| call.in_served_group(status))
}

fn check_name(call: &Call) -> Result<(), Status> {
    let name = call.info.path_name();
    if name.is_some_and(|name| matches!(name, "." | "..")) {
        return Err(Status::bad_request(format!(
            "name parameter required: {:?} may not be {:?}",
            "name",
            call.name()
        )));
    }
    Ok(())
}

/// A request for a resource that is stored.
async fn stored(call: &mut Call, action: Action) -> Result<Reply, Status> {
    let subresource = call.info.subresource.clone();
    match (subresource.as_str(), action) {
        ("", Action::Get) => read::get(call).await,
        ("", Action::List) => list::list(call).await,
        ("", Action::Create) => create::create(call).await,
        ("", Action::Update) => update::update(call, Part::Main).await,
        ("", Action::Patch) => patch::patch(call, Part::Main).await,
        ("", Action::Delete) => delete::delete(call).await,
        ("", Action::DeleteCollection) => delete::delete_collection(call).await,
        ("scale", Action::Get) => scale::get(call).await,
        ("scale", Action::Update) => scale::update(call).await,
        ("scale", Action::Patch) => scale::patch(call).await,
        _ => subresource::dispatch(call, &subresource, action).await,
    }
}

/// Goes on to what a subresource leads to.
pub(crate) async fn connect(call: &mut Call, taken: Taken) -> Result<Reply, Status> {
    check_name(call)?;
    connect::connect(call, taken).await
}

/// Opens a watch, which owns its call for as long as it lasts.
pub(crate) async fn open_watch(call: Call, upgrade: Option<OnUpgrade>) -> Result<Reply, Status> {
    if call.endpoint.registry.is_none() {
        return Err(Status::method_not_allowed());
    }
    watch::watch(call, upgrade).await
}
