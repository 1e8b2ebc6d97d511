//! Requests that go on to what an object stands for: to its node, its pod or the pods behind it (apiserver
//! pkg/endpoints/handlers/rest.go, ConnectResource). Admission sees the options before anything is dialled.

mod logs;
mod options;
mod pass;
mod pods;
mod proxies;
mod streams;
#[cfg(test)]
mod tests;

use super::Call;
use crate::admission::Attributes;
use crate::metrics::long_running::{Kind, Running};
use crate::proxy::location::cleaned_with_slash;
use crate::proxy::passing::{Pace, Passing};
use crate::reply::Reply;
use http::request::Parts;
use http::{Method, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use triad_machinery::pod::text;
use triad_machinery::status::Status;

/// The subresources that are not this server's own to answer.
const CONNECTED: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

pub(crate) fn is_connected(subresource: &str) -> bool {
    CONNECTED.contains(&subresource)
}

/// What a request is passed on with.
pub(crate) struct Taken {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) body: Incoming,
    /// The connection, for whoever goes on with another protocol.
    pub(crate) upgrade: Option<OnUpgrade>,
    pub(crate) peer: IpAddr,
    /// Goes along with what carries on behind the answer.
    passing: Passing,
}

impl Taken {
    pub(crate) fn new(head: &mut Parts, body: Incoming, peer: IpAddr) -> Self {
        Taken {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            body,
            upgrade: head.extensions.remove(),
            peer,
            passing: Passing::default(),
        }
    }
}

pub(crate) async fn connect(call: &mut Call, mut taken: Taken) -> Result<Reply, Status> {
    taken.passing = Passing {
        pace: Pace::new(call.api.config.connection_bytes_per_second),
        counted: Some(Arc::new(counted(call))),
    };
    let passing = taken.passing.clone();
    let reply = connected(call, taken).await?;
    Ok(passing.along(reply))
}

/// One more that is connected.
fn counted(call: &Call) -> Running {
    let info = &call.info;
    let resource = call.endpoint.resource;
    let subresources = CONNECTED.into_iter();
    let mut subresource = subresources.filter(|one| *one == info.subresource);
    call.api.metrics.long_running.begin(Kind {
        verb: "CONNECT",
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
        subresource: subresource.next().unwrap_or_default(),
        scope: info.scope(),
    })
}

async fn connected(call: &mut Call, taken: Taken) -> Result<Reply, Status> {
    if call.info.subresource == "log" {
        return logs::logs(call, taken).await;
    }
    if call.query.get("dryRun").is_some() {
        return Err(Status::bad_request("dryRun is not supported"));
    }
    let options = admitted(call).await?;
    if call.info.subresource != "proxy" {
        return streams::open(call, taken, &options).await;
    }
    let target = proxies::target(call).await?;
    let path = cleaned_with_slash(text(&options["path"]));
    pass::proxy(call, taken, target, path).await
}

/// The options that a request asks with, as admission leaves them.
async fn admitted(call: &mut Call) -> Result<Value, Status> {
    let mut options = options::of(call)?;
    let attributes = Attributes::connecting(call);
    let api = call.api.clone();
    let warnings = api.admission.admit(&attributes, &mut options, None).await?;
    call.warnings.extend(warnings);
    let seen = Some(&options);
    let warnings = api.admission.validate(&attributes, seen, None).await?;
    call.warnings.extend(warnings);
    Ok(options)
}
