//! A request for a resource, once its caller may ask for it: the route, the body, the call, and the warnings that go with the answer.

use super::chain::{Asking, refuse};
use crate::api::Api;
use crate::body_limit;
use crate::handlers::Call;
use crate::handlers::connect::Taken;
use crate::reply::{self, Reply};
use crate::routes::{self, Action};
use crate::user::User;
use bytes::Bytes;
use http::header::WARNING;
use hyper::body::Incoming;
use triad_machinery::status::Status;

/// Finds what answers a request for a resource, and has it answered.
pub(super) async fn resource(
    asking: &mut Asking<'_>,
    head: &mut http::request::Parts,
    body: Incoming,
    user: User,
) -> Reply {
    let Asking {
        api, query, info, ..
    } = *asking;
    let endpoint = api
        .endpoints
        .get(&info.group, &info.version, &info.resource);
    let unknown = match &endpoint {
        None => !api.endpoints.serves_group(&info.group),
        Some(endpoint) => endpoint.custom.is_some() && !routes::fits_scope(endpoint, info),
    };
    if unknown {
        return reply::page_not_found();
    }
    let route = match routes::find(api, &head.method, info, &head.headers) {
        Ok(route) => route,
        Err(status) => return refuse(&head.headers, query, &status),
    };
    let (body, taken) = match route.action {
        Action::Connect => {
            let peer = asking.peer.address.ip();
            (Bytes::new(), Some(Taken::new(head, body, peer)))
        }
        action if action.reads_body() => match body_limit::read(body).await {
            Ok(body) => (body, None),
            Err(status) => return refuse(&head.headers, query, &status),
        },
        _ => (Bytes::new(), None),
    };
    asking.steps.done("Read the body");
    if matches!(
        route.action,
        Action::Patch | Action::Delete | Action::DeleteCollection
    ) {
        asking.trail.sent_body(&head.headers, info, &body);
    }
    let deprecation = route.endpoint.deprecation_warning();
    let mut call = Call {
        api: api.clone(),
        endpoint: route.endpoint,
        info: info.clone(),
        query: query.clone(),
        headers: std::mem::take(&mut head.headers),
        user,
        body,
        warnings: Vec::new(),
        patched: None,
        trail: asking.trail.clone(),
    };
    let accept_headers = call.headers.clone();
    let mut warnings: Vec<String> = deprecation.into_iter().collect();
    let result = match (route.action, taken) {
        (Action::Watch, _) => routes::open_watch(call, head.extensions.remove()).await,
        (action, taken) => {
            let result = match taken {
                // Takes as long as its sides like.
                Some(taken) => routes::connect(&mut call, taken).await,
                None => within(api, action, routes::dispatch(&mut call, action)).await,
            };
            warnings.append(&mut call.warnings);
            result
        }
    };
    head.headers = accept_headers;
    let mut reply = result.unwrap_or_else(|status| refuse(&head.headers, query, &status));
    warnings.dedup();
    for warning in &warnings {
        reply::add_warning(&mut reply, warning);
    }
    debug_assert!(
        reply.headers().get_all(WARNING).iter().count() == warnings.len() || warnings.is_empty()
    );
    reply
}

/// Bounds a request's time; what it has done by then may have happened.
async fn within(
    api: &Api,
    action: Action,
    work: impl Future<Output = Result<Reply, Status>>,
) -> Result<Reply, Status> {
    match tokio::time::timeout(api.config.request_timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            tracing::warn!(?action, "a request took longer than --request-timeout");
            Err(Status::timeout(
                "request did not complete within the allotted timeout",
                0,
            ))
        }
    }
}
