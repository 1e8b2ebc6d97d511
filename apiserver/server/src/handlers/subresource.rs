//! Subresources beside scale: those that are a view of the object itself (status, finalize, ...), and those that are verbs
//! (binding, eviction). What leads elsewhere is in `connect`.

use super::Call;
use super::{patch, read, update};
use crate::admission::{Attributes, Operation};
use crate::negotiate::Accepted;
use crate::registry::before::Part;
use crate::reply::Reply;
use crate::routes::Action;
use serde_json::{Value, json};
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
