//! The controllers' way to write: requests made inside the server, which pass admission, validation and the registry like
//! those of any client. Authentication and authorization have nothing to add: the caller is the server itself.

use crate::api::Api;
use crate::audit::{Asked, Trail};
use crate::endpoint::Endpoint;
use crate::filters::request_info::RequestInfo;
use crate::handlers::Call;
use crate::query::Query;
use crate::registry::Registry;
use crate::reply;
use crate::routes::{self, Action};
use crate::user::{AUTHENTICATED, MASTERS, User};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use triad_machinery::status::Status;

/// The name that writes are recorded under: what the controllers are part of in the reference.
const MANAGER: &str = "kube-controller-manager";
/// That of what the reference's server writes itself.
const SERVER: &str = "kube-apiserver";
/// Whom admission sees: the user of kube-apiserver's own requests.
const USER: &str = "system:apiserver";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

#[derive(Clone)]
pub(crate) struct Client {
    api: Arc<Api>,
    manager: &'static str,
}

/// What a request is about; an empty name for a collection.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) registry: &'a Arc<Registry>,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
}

impl<'a> Target<'a> {
    pub(crate) fn new(registry: &'a Arc<Registry>, namespace: &'a str, name: &'a str) -> Self {
        Target {
            registry,
            namespace,
            name,
            subresource: "",
        }
    }

    pub(crate) fn status(self) -> Self {
        Target {
            subresource: "status",
            ..self
        }
    }
}

impl Client {
    pub(crate) fn new(api: &Arc<Api>) -> Self {
        let api = api.clone();
        Client {
            api,
            manager: MANAGER,
        }
    }

    /// As the server itself.
    pub(crate) fn server(api: &Arc<Api>) -> Self {
        Client {
            manager: SERVER,
            ..Self::new(api)
        }
    }

    /// Creates an object in a namespace.
    pub(crate) async fn create(
        &self,
        registry: &Arc<Registry>,
        namespace: &str,
        object: &Value,
    ) -> Result<(), Status> {
        let target = Target::new(registry, namespace, "");
        self.send(target, Action::Create, "", object, "").await
    }

    /// Replaces an object; its resourceVersion is the precondition.
    pub(crate) async fn update(&self, target: Target<'_>, object: &Value) -> Result<(), Status> {
        self.send(target, Action::Update, "", object, "").await
    }

    /// A JSON merge patch; a resourceVersion in it is a precondition.
    pub(crate) async fn patch(&self, target: Target<'_>, patch: &Value) -> Result<(), Status> {
        self.send(target, Action::Patch, MERGE_PATCH, patch, "")
            .await
    }

    /// Server-side apply, forced.
    pub(crate) async fn apply(
        &self,
        target: Target<'_>,
        manager: &str,
        object: &Value,
    ) -> Result<(), Status> {
        let query = format!("force=true&fieldManager={manager}");
        self.send(target, Action::Patch, APPLY_PATCH, object, &query)
            .await
    }

    /// Deletes one object with DeleteOptions.
    pub(crate) async fn delete(&self, target: Target<'_>, options: Value) -> Result<(), Status> {
        let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let (Some(body), Value::Object(options)) = (body.as_object_mut(), options) {
            body.extend(options);
        }
        self.send(target, Action::Delete, "", &body, "").await
    }

    async fn send(
        &self,
        target: Target<'_>,
        action: Action,
        content_type: &'static str,
        body: &Value,
        query: &str,
    ) -> Result<(), Status> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(self.manager));
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let endpoint = self.endpoint(target.registry)?;
        let mut call = Call {
            api: self.api.clone(),
            info: info(&endpoint, &target, action),
            endpoint,
            query: Query::parse(query),
            headers,
            user: user(),
            body: Bytes::from(body.to_string()),
            warnings: Vec::new(),
            patched: None,
            trail: Trail::default(),
        };
        if self.api.audit.is_none() {
            return routes::dispatch(&mut call, action).await.map(drop);
        }
        audited(call, action, query).await
    }

    /// An endpoint of the registry: that of the storage version where it is served.
    fn endpoint(&self, registry: &Arc<Registry>) -> Result<Arc<Endpoint>, Status> {
        let endpoints = &self.api.endpoints;
        let resource = registry.resource();
        endpoints
            .get(&resource.group, &resource.version, &resource.plural)
            .or_else(|| endpoints.of(registry))
            .ok_or_else(Status::no_such_resource)
    }
}

/// Carries out a request that leaves events as any client's does.
async fn audited(mut call: Call, action: Action, query: &str) -> Result<(), Status> {
    let id = uuid::Uuid::new_v4().to_string();
    let asked = Asked {
        user: Some(&call.user),
        info: &call.info,
        uri: || uri(&call.info, query),
        headers: &call.headers,
        peer: Ipv4Addr::LOCALHOST.into(),
        id: &id,
    };
    let trail = Trail::begin(call.api.audit.as_ref(), asked);
    call.trail = trail.clone();
    if !trail.received().await {
        return Err(Status::internal("failed to store audit event"));
    }
    if matches!(action, Action::Patch | Action::Delete) {
        trail.sent_body(&call.headers, &call.info, &call.body);
    }
    let result = routes::dispatch(&mut call, action).await;
    let (mut reply, result) = match result {
        Ok(reply) => (reply, Ok(())),
        Err(status) => (reply::raw_status(&status), Err(status)),
    };
    trail.answered(&mut reply).await;
    result
}

/// The path and query that the request would have had.
fn uri(info: &RequestInfo, query: &str) -> String {
    let group = match info.group.as_str() {
        "" => format!("/api/{}", info.version),
        group => format!("/apis/{group}/{}", info.version),
    };
    let namespace = match info.namespace.as_str() {
        "" => String::new(),
        namespace => format!("/namespaces/{namespace}"),
    };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{group}{namespace}/{}{mark}{query}", info.parts.join("/"))
}

fn info(endpoint: &Endpoint, target: &Target<'_>, action: Action) -> RequestInfo {
    let resource = endpoint.resource;
    let verb = match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Patch => "patch",
        Action::Delete => "delete",
        _ => "get",
    };
    let mut parts = vec![resource.plural.to_string()];
    parts.extend(
        [target.name, target.subresource]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(str::to_owned),
    );
    RequestInfo {
        is_resource: true,
        verb: verb.to_owned(),
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        namespace: target.namespace.to_owned(),
        resource: resource.plural.to_string(),
        subresource: target.subresource.to_owned(),
        name: target.name.to_owned(),
        parts,
        ..RequestInfo::default()
    }
}

fn user() -> User {
    User {
        name: USER.to_owned(),
        groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
        ..User::default()
    }
}
