//! Passes a request on to where it leads: as it is, or by taking the connection over (apimachinery pkg/util/proxy/upgradeaware.go and
//! transport.go).

use super::Taken;
use super::proxies::Target;
use crate::body::Body;
use crate::handlers::Call;
use crate::proxy::location::{cleaned, decoded, escaped};
use crate::proxy::rewrite::Rewrite;
use crate::proxy::upgrade::{self, Answer};
use crate::proxy::{Client, Location, headers, received};
use crate::reply::Reply;
use http::header::{AUTHORIZATION, EXPECT, HOST, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Empty};
use triad_machinery::status::Status;

const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// The headers that the other server gets: those of who asks, which bear nothing of how this server knows them.
pub(super) fn sent(call: &Call, taken: &Taken, upgrades: bool) -> HeaderMap {
    let mut sent = call.headers.clone();
    headers::end_to_end(&mut sent, upgrades);
    headers::forwarded_for(&mut sent, taken.peer);
    // What proves to this server who asks is nobody else's to see.
    sent.remove(AUTHORIZATION);
    // The body is sent at once.
    sent.remove(EXPECT);
    // HTTP/2 says in the URI which host is asked for.
    let asked = taken.uri.authority().map(|asked| asked.as_str());
    if let Some(Ok(host)) = asked.map(HeaderValue::from_str) {
        sent.entry(HOST).or_insert(host);
    }
    sent
}

/// Takes over the connection of a request that goes on with another protocol.
pub(super) async fn upgraded(
    call: &Call,
    mut taken: Taken,
    client: &Client,
    to: &Location,
) -> Result<Reply, Status> {
    let asking = upgrade::taken(taken.upgrade.take())?;
    let headers = sent(call, &taken, true);
    let passing = taken.passing.clone();
    let request = request(taken, to, headers, false)?;
    match upgrade::ask(client, request).await {
        Ok(Answer::Switched(answer)) => Ok(upgrade::pass_on(asking, answer, passing)),
        Ok(Answer::Refused(answer)) => Ok(upgrade::refused(received(answer, None))),
        Err(failure) => Err(Status::plain_error(failure)),
    }
}

/// The request to the other server, with the body of who asks or none.
pub(super) fn request(
    taken: Taken,
    to: &Location,
    headers: HeaderMap,
    with_body: bool,
) -> Result<Request<crate::proxy::Sent>, Status> {
    let mut request = Request::new(match with_body {
        true => Either::Left(taken.body),
        false => Either::Right(Empty::new()),
    });
    *request.method_mut() = taken.method;
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = to.uri().map_err(Status::bad_request)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Passes a request on to a target; `path` is where below it.
pub(super) async fn proxy(
    call: &Call,
    taken: Taken,
    target: Target,
    path: String,
) -> Result<Reply, Status> {
    let Target {
        client,
        mut location,
    } = target;
    location.path = path;
    location.query = taken.uri.query().unwrap_or("").to_owned();
    if headers::upgrade(&call.headers, taken.version) {
        return upgraded(call, taken, &client, &location).await;
    }
    let asked = decoded(&taken.uri);
    if location.path.is_empty() && [Method::GET, Method::HEAD].contains(&taken.method) {
        return to_root(&taken);
    }
    let prefix = asked.strip_suffix(&location.path).unwrap_or(&asked);
    let mut headers = sent(call, &taken, false);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let rewrite = Rewrite {
        prefix: prefix.to_owned(),
        asked: host.unwrap_or("").to_owned(),
        answering: location.authority.clone(),
    };
    if let Ok(uri) = HeaderValue::from_str(&forwarded_uri(prefix, &location.path)) {
        headers.insert(FORWARDED_URI, uri);
    }
    let answer = client.send(request(taken, &location, headers, true)?).await;
    let answer = answer.map_err(|why| {
        Status::service_unavailable(format!("error trying to reach service: {why}"))
    })?;
    rewrite.answer(received(answer, None)).await
}

fn forwarded_uri(prefix: &str, path: &str) -> String {
    let mut uri = cleaned(&format!("{prefix}/{}", escaped(path)));
    if path.ends_with('/') && !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

/// Links of a page without a slash at its end would lead out of the proxy.
fn to_root(taken: &Taken) -> Result<Reply, Status> {
    let query = taken.uri.query().map(|query| format!("?{query}"));
    let to = format!("{}/{}", decoded(&taken.uri), query.unwrap_or_default());
    let to = HeaderValue::from_str(&to).map_err(Status::internal)?;
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    reply.headers_mut().insert(LOCATION, to);
    Ok(reply)
}
