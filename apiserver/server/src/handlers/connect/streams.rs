//! Exec, attach and port-forward: streams into the containers of a pod, through its kubelet (kubernetes
//! pkg/registry/core/pod/rest/subresources.go).

use super::pass::{request, sent, upgraded};
use super::{Taken, pods};
use crate::filters::authorize::{Attributes, Decision};
use crate::handlers::Call;
use crate::kubelet::Kubelet;
use crate::proxy::upgrade::{self, Answer, ask, refused};
use crate::proxy::{Client, Location, headers, received};
use crate::query::Query;
use crate::reply::Reply;
use crate::streams::translate::{PROTOCOL, Remote, Wanted, serve};
use crate::streams::tunnel::{STREAM_PROTOCOL, asking_for_spdy, carry, is_spdy, offered};
use crate::streams::websocket;
use http::Method;
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::pod::{items, text};
use triad_machinery::status::{GroupResource, Status};

/// Opens streams to a container, or to the ports of a pod. `options` say which, after admission.
pub(super) async fn open(call: &Call, taken: Taken, options: &Value) -> Result<Reply, Status> {
    may_create(call).await?;
    let pod = call.fetch().await?.object;
    let subresource = match call.info.subresource.as_str() {
        "attach" => "attach",
        "portforward" => "portforward",
        _ => "exec",
    };
    let (namespace, name) = (meta::namespace(&pod), meta::name(&pod));
    let path = match subresource {
        "portforward" => format!("/portForward/{namespace}/{name}"),
        of => {
            let container = pods::container(&pod, text(&options["container"]))?;
            format!("/{of}/{namespace}/{name}/{container}")
        }
    };
    let kubelet = pods::kubelet_of(call, &pod).await?;
    let unassigned = || format!("pod {name} does not have a host assigned");
    let kubelet = kubelet.ok_or_else(|| Status::bad_request(unassigned()))?;
    let location = pods::at(&kubelet, path, parameters(options).encoded());
    let counts = &call.api.metrics.streams;
    counts.routed(subresource, kubelet.speaks_websockets);
    if !headers::upgrade(&call.headers, taken.version) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let client = &kubelet.clients.verified;
    if kubelet.speaks_websockets {
        return upgraded(call, taken, client, &location).await;
    }
    if subresource == "portforward" {
        let protocols = offered(&call.headers);
        return match protocols.is_empty() {
            true => upgraded(call, taken, client, &location).await,
            false => tunnelled(call, taken, client, &location, &protocols).await,
        };
    }
    match websocket::protocols(&call.headers).contains(&PROTOCOL) {
        true => translated(call, taken, &kubelet, location, options),
        false => upgraded(call, taken, client, &location).await,
    }
}

/// A browser asks by GET, which those may who may only read: what is done then takes more than that (kubernetes
/// pkg/registry/core/pod/rest/authorize.go).
async fn may_create(call: &Call) -> Result<(), Status> {
    if call.info.verb == "create" {
        return Ok(());
    }
    let attributes = Attributes {
        verb: "create".to_owned(),
        ..Attributes::of(&call.info)
    };
    let resource = GroupResource {
        group: &call.info.group,
        resource: &call.info.resource,
    };
    match call.api.authorizer.decide(&call.user, &attributes).await {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(why) | Decision::NoOpinion(why) => {
            Err(Status::forbidden(resource, &call.info.name, why))
        }
    }
}

/// What the kubelet is asked with.
fn parameters(options: &Value) -> Query {
    let mut query = Query::default();
    for (option, name) in [
        ("stdin", "input"),
        ("stdout", "output"),
        ("stderr", "error"),
        ("tty", "tty"),
    ] {
        if options[option] == true {
            query.push(name, "1");
        }
    }
    for word in items(&options["command"]) {
        query.push("command", text(word));
    }
    let ports: Vec<String> = items(&options["ports"]).map(Value::to_string).collect();
    if !ports.is_empty() {
        query.push("port", &ports.join(","));
    }
    query
}

/// Speaks WebSocket with the client and SPDY with the kubelet.
fn translated(
    call: &Call,
    mut taken: Taken,
    kubelet: &Kubelet,
    location: Location,
    options: &Value,
) -> Result<Reply, Status> {
    let counts = call.api.metrics.streams.clone();
    let reply = websocket::accept(&call.headers, Some(PROTOCOL));
    let reply = reply.inspect_err(|_| counts.translated(400))?;
    let asking = upgrade::taken(taken.upgrade.take())?;
    let wanted = |option: &str| options[option] == true;
    let wanted = Wanted {
        stdin: wanted("stdin"),
        stdout: wanted("stdout"),
        stderr: wanted("stderr"),
        tty: wanted("tty"),
    };
    let remote = Remote {
        client: kubelet.clients.verified.clone(),
        location,
    };
    tokio::spawn(serve(asking, remote, wanted, taken.passing, counts));
    Ok(reply)
}

/// Carries the client's SPDY out of its WebSocket.
async fn tunnelled(
    call: &Call,
    mut taken: Taken,
    client: &Client,
    location: &Location,
    protocols: &[String],
) -> Result<Reply, Status> {
    let asking = upgrade::taken(taken.upgrade.take())?;
    let mut headers = sent(call, &taken, true);
    asking_for_spdy(&mut headers, protocols);
    taken.method = Method::POST;
    let passing = taken.passing.clone();
    let answer = ask(client, request(taken, location, headers, false)?).await;
    let counts = &call.api.metrics.streams;
    let mut answer = match answer.map_err(Status::plain_error)? {
        Answer::Switched(answer) => answer,
        Answer::Refused(answer) => {
            counts.tunnelled(answer.status().as_u16());
            return Ok(refused(received(answer, None)));
        }
    };
    if !is_spdy(answer.headers()) {
        counts.tunnelled(500);
        let why = "unable to upgrade: missing upgrade headers in response";
        return Err(Status::plain_error(why));
    }
    let chosen = answer.headers().get(STREAM_PROTOCOL);
    let chosen = chosen.and_then(|value| value.to_str().ok());
    let chosen = chosen.map(|chosen| format!("SPDY/3.1+{}", chosen.trim()));
    let reply = websocket::accept(&call.headers, chosen.as_deref())?;
    counts.tunnelled(101);
    let answering = hyper::upgrade::on(&mut answer);
    tokio::spawn(carry(asking, answering, passing));
    Ok(reply)
}
