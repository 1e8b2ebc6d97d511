//! Subresources beside scale: those that are a view of the object itself (status, finalize, ...), and those that are verbs
//! (binding, eviction).

use super::Call;
use super::{patch, read, update};
use crate::admission::{Attributes, Operation};
use crate::negotiate::Accepted;
use crate::registry::before::Part;
use crate::reply::Reply;
use crate::routes::Action;
use bytes::Bytes;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::Status;

/// Subresources that read and write the object itself.
const VIEWS: [&str; 5] = [
    "status",
    "finalize",
    "approval",
    "ephemeralcontainers",
    "resize",
];

pub(crate) async fn dispatch(
    call: &mut Call,
    subresource: &str,
    action: Action,
) -> Result<Reply, Status> {
    match (subresource, action) {
        (view, Action::Get) if VIEWS.contains(&view) => read::get(call).await,
        (view, Action::Update) if VIEWS.contains(&view) => {
            update::update(call, Part::Sub(view)).await
        }
        (view, Action::Patch) if VIEWS.contains(&view) => patch::patch(call, Part::Sub(view)).await,
        ("binding", Action::Create) => super::binding::bind(call).await,
        ("eviction", Action::Create) => super::eviction::evict(call).await,
        ("token", Action::Create) => super::token::create(call).await,
        ("log", Action::Get) => to_node(call).await,
        ("exec" | "attach" | "portforward", _) => to_node(call).await,
        ("proxy", _) => proxy(call).await,
        _ => Err(Status::method_not_allowed()),
    }
}

/// Puts the object of a verb into the request's namespace and through admission.
pub(super) async fn admit(
    call: &mut Call,
    subresource: &str,
    object: &mut Value,
) -> Result<(), Status> {
    super::create::match_namespace(call, object)?;
    let attributes = Attributes::new(call, Operation::Create, subresource);
    let api = call.api.clone();
    let warnings = api.admission.admit(&attributes, object, None).await?;
    call.warnings.extend(warnings);
    Ok(())
}

/// The last that admission has to say before a verb is carried out.
pub(super) async fn carried_out(
    call: &mut Call,
    subresource: &str,
    object: &Value,
) -> Result<(), Status> {
    let attributes = Attributes::new(call, Operation::Create, subresource);
    let api = call.api.clone();
    let warnings = api
        .admission
        .validate(&attributes, Some(object), None)
        .await?;
    call.warnings.extend(warnings);
    Ok(())
}

/// The Status of a verb that was carried out.
pub(super) fn created(accepted: &Accepted) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    crate::reply::object(201, &status, crate::reply::status_type(), accepted)
}

/// Requests that a node must answer: the pod must be there and on a node; dialling nodes is not part of this version.
async fn to_node(call: &mut Call) -> Result<Reply, Status> {
    let pod = call.fetch().await?.object;
    let node = pod
        .pointer("/spec/nodeName")
        .and_then(Value::as_str)
        .unwrap_or("");
    if node.is_empty() && call.info.subresource == "log" {
        // Nothing has run, so nothing was said.
        return Ok(crate::reply::bytes(200, "text/plain", Bytes::new()));
    }
    if node.is_empty() {
        return Err(Status::bad_request(format!(
            "pod {} does not have a host assigned",
            meta::name(&pod)
        )));
    }
    Err(Status::service_unavailable(format!(
        "node {node:?} cannot be reached: this server does not dial nodes"
    )))
}

/// The proxy subresource of services, pods and nodes: what it points to must be there; nothing is dialled in this version.
async fn proxy(call: &mut Call) -> Result<Reply, Status> {
    let name = call.name().to_owned();
    if &*call.endpoint.resource.plural == "services" {
        // NAME, NAME:PORT or SCHEME:NAME:PORT.
        let parts: Vec<&str> = name.split(':').collect();
        let service = if parts.len() == 3 { parts[1] } else { parts[0] };
        return Err(Status::service_unavailable(format!(
            "no endpoints available for service {}",
            triad_machinery::goformat::quote(service)
        )));
    }
    call.registry()?
        .get(call.namespace(), name.split(':').next().unwrap_or(""))
        .await?;
    Err(Status::service_unavailable(
        "this server does not dial nodes and pods",
    ))
}
