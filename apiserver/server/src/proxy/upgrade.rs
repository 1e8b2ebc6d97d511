//! Requests that go on with another protocol (SPDY, WebSocket): a connection of their own to the other server, and from its 101 on
//! bytes both ways. An answer that is no 101 ends that connection: nothing more of the client's gets onto it (CVE-2018-1002105).

use super::client::{Client, Sent};
use super::headers;
use super::passing::Passing;
use crate::body::Body;
use crate::reply::Reply;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::fmt;
use triad_machinery::status::Status;

/// What the other server answered.
pub(crate) enum Answer {
    /// It goes on with the other protocol.
    Switched(Response<Incoming>),
    /// It refuses, and says why.
    Refused(Response<Incoming>),
}

/// Why there is no answer that could be passed on.
pub(crate) enum Failure {
    Unreachable(String),
    /// An answer that neither switches nor refuses.
    Neither(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(why) => f.write_str(why),
            Failure::Neither(code) => write!(f, "invalid upgrade response: status code {code}"),
        }
    }
}

/// The client's connection, for whoever goes on with another protocol on it.
pub(crate) fn taken(asking: Option<OnUpgrade>) -> Result<OnUpgrade, Status> {
    asking.ok_or_else(|| Status::internal("the connection cannot be taken over"))
}

/// Asks the server that the request's URI names to go on with another protocol.
pub(crate) async fn ask(client: &Client, request: Request<Sent>) -> Result<Answer, Failure> {
    let answer = send(client, request).await.map_err(Failure::Unreachable)?;
    match answer.status().as_u16() {
        101 => Ok(Answer::Switched(answer)),
        code if code < 400 => Err(Failure::Neither(code)),
        _ => Ok(Answer::Refused(answer)),
    }
}

async fn send(client: &Client, mut request: Request<Sent>) -> Result<Response<Incoming>, String> {
    let dialling = |why| format!("error dialing backend: {why}");
    let stream = client.alone(request.uri()).await.map_err(dialling)?;
    let shaken = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = shaken.map_err(|error| dialling(error.to_string()))?;
    // Lives as long as the answer's body, or what it was switched to.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a server that a request was passed on to ended its connection");
        }
    });
    let uri = request.uri().clone();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if let (false, Ok(host)) = (
        request.headers().contains_key(HOST),
        HeaderValue::from_str(authority),
    ) {
        request.headers_mut().insert(HOST, host);
    }
    if let Some(path) = uri.path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
    let answer = sender.send_request(request).await;
    answer.map_err(|error| format!("error sending request: {error}"))
}

/// Passes on the other server's 101, and all that comes behind it.
pub(crate) fn pass_on(
    asking: OnUpgrade,
    mut answer: Response<Incoming>,
    passing: Passing,
) -> Reply {
    let answering = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        match tokio::try_join!(asking, answering) {
            Ok((asking, answering)) => {
                let (asking, answering) = (TokioIo::new(asking), TokioIo::new(answering));
                if let Err(error) = passing.both_ways(asking, answering).await {
                    tracing::debug!(%error, "a connection that was passed through ended");
                }
            }
            Err(error) => tracing::debug!(%error, "a connection was not taken over"),
        }
    });
    let (mut head, _) = answer.into_parts();
    headers::end_to_end(&mut head.headers, true);
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *reply.headers_mut() = head.headers;
    reply
}

/// The other server's refusal as this one's; the connection that was to go on ends with it.
pub(crate) fn refused(mut reply: Reply) -> Reply {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(CONNECTION, close);
    reply
}
