//! What a request goes through, read top-down: the filters, and what answers it.

use crate::aggregation::{self, Relayed};
use crate::api::Api;
use crate::audit::{self, Trail};
use crate::cluster::join;
use crate::filters::authenticate::{Peer, Unauthorized};
use crate::filters::authorize::{Attributes, Decision};
use crate::filters::impersonate::impersonate;
use crate::filters::request_info::RequestInfo;
use crate::handlers::connect;
use crate::logging::{Request as Logged, Steps, log_request};
use crate::metrics::Labels;
use crate::negotiate::{Accepted, Offer, accept};
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::server::resource::resource;
use crate::service_accounts::Told;
use crate::user::User;
use crate::{body_limit, cluster, debug, paths};
use anyhow::Result;
use futures_util::FutureExt as _;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use hyper::body::Incoming;
use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::goformat::quote;
use triad_machinery::status::{GroupResource, Status};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// An Audit-Id given by the client is cut to this many bytes.
const AUDIT_ID_MAX: usize = 64;
/// What audit events say of authorization (apiserver pkg/endpoints/filters/authorization.go).
const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";

/// One request from its head to its answer.
pub(crate) async fn handle(api: Arc<Api>, peer: Arc<Peer>, request: Request<Incoming>) -> Reply {
    let (mut head, body) = request.into_parts();
    let steps = Steps::begin();
    let query = Query::parse(head.uri.query().unwrap_or(""));
    let info = RequestInfo::new(head.method.as_str(), head.uri.path(), &query);
    let audit_id = audit_id(&head.headers);
    let mut extra = HeaderMap::new();
    let mut asking = Asking {
        api: &api,
        peer: &peer,
        query: &query,
        info: &info,
        audit_id: &audit_id,
        trail: Trail::default(),
        warnings: Vec::new(),
        steps,
    };
    let answering = AssertUnwindSafe(chain(&mut asking, &mut head, body, &mut extra));
    let mut reply = match answering.catch_unwind().await {
        Ok(reply) => reply,
        Err(panic) => {
            asking.trail.panicked(said(&panic)).await;
            resume_unwind(panic)
        }
    };
    asking.trail.answered(&mut reply).await;
    for warning in &asking.warnings {
        reply::add_warning(&mut reply, warning);
    }
    reply::compress(&head.headers, &mut reply);
    if head.method == Method::HEAD {
        reply::headers_only(&mut reply);
    }
    asking.log(&head, reply.status().as_u16());
    let steps = asking.steps;
    let headers = reply.headers_mut();
    headers.insert(AUDIT_ID, audit_id);
    headers.extend(extra);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
    count(&api, &info, reply.status().as_u16(), steps.elapsed());
    reply
}

/// What a panic says.
fn said(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// A request, as far as its head says what it is.
pub(super) struct Asking<'a> {
    pub(super) api: &'a Arc<Api>,
    pub(super) peer: &'a Peer,
    pub(super) query: &'a Query,
    pub(super) info: &'a RequestInfo,
    audit_id: &'a HeaderValue,
    pub(super) trail: Trail,
    /// What is said of how the request proved whose it is.
    warnings: Vec<String>,
    pub(super) steps: Steps,
}

impl Asking<'_> {
    fn begin_trail(&mut self, user: Option<&User>, head: &http::request::Parts) {
        let asked = audit::Asked {
            user,
            info: self.info,
            uri: || uri(head),
            headers: &head.headers,
            peer: self.peer.address.ip(),
            id: self.audit_id.to_str().unwrap_or_default(),
        };
        self.trail = Trail::begin(self.api.audit.as_ref(), asked);
    }

    fn log(&self, head: &http::request::Parts, code: u16) {
        let request = Logged {
            verb: &self.info.verb,
            uri: &|| uri(head),
            headers: &head.headers,
            id: self.audit_id.to_str().unwrap_or_default(),
            peer: self.peer.address.ip(),
            code,
            long_running: audit::is_long_running(self.info),
        };
        log_request(&request, &self.steps);
    }
}

/// What was asked for, as it was sent.
fn uri(head: &http::request::Parts) -> String {
    let path = head.uri.path_and_query();
    path.map_or_else(|| head.uri.path().to_owned(), |path| path.to_string())
}

/// The filters in order. Who: authentication. What is kept of it: audit. As whom: impersonation. How much: flow control. May
/// they: authorization. The body is read only after that.
async fn chain(
    asking: &mut Asking<'_>,
    head: &mut http::request::Parts,
    body: Incoming,
    extra: &mut HeaderMap,
) -> Reply {
    let Asking {
        api, query, info, ..
    } = *asking;
    let browsers = &api.config.browsers;
    if let Some(reply) = browsers.greet(&head.method, &head.headers, extra) {
        return reply;
    }
    if info.path.starts_with(join::PATHS) {
        // Nobody can be authenticated who has nothing of the cluster yet: the token is the proof.
        asking.begin_trail(None, head);
        return join::answer(api, head, body).await;
    }
    let mut told = Told::default();
    let caller = match who(asking, head, &mut told).await {
        Ok(user) => user,
        Err(Unauthorized) => {
            asking.begin_trail(None, head);
            told.annotate(&asking.trail);
            return refuse(&head.headers, query, &Status::unauthorized());
        }
    };
    asking.steps.done("Authenticated");
    asking.begin_trail(Some(&caller), head);
    told.annotate(&asking.trail);
    asking.warnings = told.warnings;
    let trail = asking.trail.clone();
    if !trail.received().await {
        let path = quote(&info.path);
        let why = format!("Internal Server Error: {path}: failed to store audit event\n");
        return reply::text(500, why);
    }
    let asked = || Attributes::of(info);
    let acting = impersonate(&api.authorizer, &caller, &mut head.headers, asked).await;
    let user = match acting {
        Ok(None) => caller,
        Ok(Some(acting)) => {
            trail.impersonated(&acting.user, acting.constraint);
            acting.user
        }
        Err(status) => return refuse(&head.headers, query, &status),
    };
    // Given back when the answer begins.
    let _held = match api.flow.enter(&user, info, extra).await {
        Ok(held) => held,
        Err(reply) => return reply,
    };
    match api.authorizer.decide(&user, &Attributes::of(info)).await {
        Decision::Allow(why) => {
            trail.annotate(DECISION, "allow");
            trail.annotate(REASON, why);
        }
        Decision::Deny(why) | Decision::NoOpinion(why) => {
            trail.annotate(DECISION, "forbid");
            trail.annotate(REASON, why.as_str());
            let mut reply = refuse(&head.headers, query, &forbidden(&user, info, &why));
            reply.headers_mut().insert(
                "x-content-type-options",
                HeaderValue::from_static("nosniff"),
            );
            return reply;
        }
    }
    asking.steps.done("Authorized");
    if let Some(to) = aggregation::led_away(api, &info.path) {
        let asked = Relayed {
            api,
            info,
            query,
            user: &user,
            peer: asking.peer.address.ip(),
            audit_id: asking.audit_id,
        };
        let reply = aggregation::relay(&asked, &to, head, body).await;
        return reply.unwrap_or_else(|status| refuse(&head.headers, query, &status));
    }
    if !info.is_resource && api.config.profiling && info.path.starts_with("/debug/") {
        let reply = debug_page(head, body, info).await;
        return match reply {
            Ok(Some(reply)) => reply,
            Ok(None) => reply::page_not_found(),
            Err(status) => refuse(&head.headers, query, &status),
        };
    }
    if info.path.starts_with(cluster::admin::PATHS) {
        return cluster::admin::answer(api, head, query, body).await;
    }
    if !info.is_resource {
        return match paths::answer(api, head, query, info).await {
            Ok(reply) => reply,
            Err(status) => refuse(&head.headers, query, &status),
        };
    }
    resource(asking, head, body, user).await
}

/// Who the request is from, by the connection and what it shows.
async fn who(
    asking: &Asking<'_>,
    head: &mut http::request::Parts,
    told: &mut Told,
) -> Result<User, Unauthorized> {
    let Asking {
        api, peer, info, ..
    } = *asking;
    if !peer.trusted {
        let authenticator = &api.authenticator;
        let headers = &mut head.headers;
        return authenticator.authenticate(peer, headers, info, told).await;
    }
    Ok(User {
        name: "system:unsecured".to_owned(),
        groups: vec![
            crate::user::MASTERS.to_owned(),
            crate::user::AUTHENTICATED.to_owned(),
        ],
        ..User::default()
    })
}

async fn debug_page(
    head: &http::request::Parts,
    body: Incoming,
    info: &RequestInfo,
) -> Result<Option<Reply>, Status> {
    let body = if debug::takes_body(&head.method, &info.path) {
        body_limit::read(body).await?
    } else {
        bytes::Bytes::new()
    };
    Ok(debug::answer(&head.method, &info.path, &body))
}

fn forbidden(user: &User, info: &RequestInfo, why: &str) -> Status {
    let why = Attributes::of(info).refusal(user, why);
    Status::forbidden(
        GroupResource {
            group: &info.group,
            resource: &info.resource,
        },
        &info.name,
        why,
    )
}

/// A status in the form the client takes, else as indented JSON.
pub(super) fn refuse(headers: &HeaderMap, query: &Query, status: &Status) -> Reply {
    match accept(headers, query, Offer::Plain) {
        Ok(accepted) => reply::status(
            status,
            &Accepted {
                convert: None,
                ..accepted
            },
        ),
        Err(_) => reply::raw_status(status),
    }
}

fn audit_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers
        .get(&AUDIT_ID)
        .filter(|value| !value.is_empty())
        .and_then(|value| value.to_str().ok());
    given
        .and_then(|text| HeaderValue::from_str(&text[..text.len().min(AUDIT_ID_MAX)]).ok())
        .unwrap_or_else(|| {
            HeaderValue::from_str(&uuid::Uuid::new_v4().to_string())
                .unwrap_or(HeaderValue::from_static("none"))
        })
}

fn count(api: &Api, info: &RequestInfo, code: u16, took: Duration) {
    let Some(endpoint) = api
        .endpoints
        .get(&info.group, &info.version, &info.resource)
    else {
        return;
    };
    let resource = endpoint.resource;
    let connects = endpoint.custom.is_none() && connect::is_connected(&info.subresource);
    let verb = match info.verb.as_str() {
        _ if connects => "CONNECT",
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "other",
    };
    let labels = Labels {
        verb,
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
        scope: info.scope(),
    };
    let long_running = ["WATCH", "CONNECT"].contains(&verb);
    api.metrics.request(labels, code, took, long_running);
}

/// Whether a method changes something, for the gauge of requests in flight.
pub(crate) fn mutating(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
