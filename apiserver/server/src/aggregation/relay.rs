//! Passes a request on to the server that its group and version were given to, once this server knows who asks and that they may
//! (kube-aggregator pkg/apiserver/handler_proxy.go, apimachinery pkg/util/proxy/upgradeaware.go).

use super::remote::uri;
use super::{ApiService, headers, upgrade};
use crate::api::Api;
use crate::audit::is_long_running;
use crate::body::Body;
use crate::egress::service::Address;
use crate::filters::request_info::{RequestInfo, percent_decode};
use crate::proxy::{self, Client, Sent};
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::user::User;
use http::header::{EXPECT, HeaderName, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use triad_machinery::status::Status;

/// Documents of discovery come soon or not at all.
const DISCOVERY: Duration = Duration::from_secs(5);
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
pub(super) const REDIRECTED: &str =
    "the backend attempted to redirect this request, which is not permitted";

/// A request to pass on, by whom this server says that it is.
pub(crate) struct Relayed<'a> {
    pub(crate) api: &'a Arc<Api>,
    pub(crate) info: &'a RequestInfo,
    pub(crate) query: &'a Query,
    pub(crate) user: &'a User,
    pub(crate) peer: IpAddr,
    pub(crate) audit_id: &'a HeaderValue,
}

/// Passes a request on. The error is one of this server's own.
pub(crate) async fn relay(
    asked: &Relayed<'_>,
    to: &ApiService,
    head: &mut Parts,
    body: Incoming,
) -> Result<Reply, Status> {
    let aggregation = &asked.api.aggregation;
    let Some(remote) = to.remote.as_ref().filter(|_| to.available) else {
        return Ok(unavailable());
    };
    if is_ambiguous(&asked.info.path) {
        return Ok(reply::page_not_found());
    }
    if headers::went_through(&head.headers, &aggregation.pseudonym) {
        tracing::warn!(
            api_service = to.name,
            path = asked.info.path,
            "an API service leads back to this cluster"
        );
        return Ok(reply::text(
            508,
            "loop detected: the request has been through this cluster\n",
        ));
    }
    let client = match &remote.client {
        Ok(client) => client,
        Err(why) => return Ok(reply::text(500, format!("{why}\n"))),
    };
    let address = match aggregation.resolve(&remote.service) {
        Ok(address) => address,
        Err(why) => {
            tracing::warn!(api_service = to.name, why, "cannot tell where a service is");
            return Ok(unavailable());
        }
    };
    let upgrades = proxy::headers::upgrade(&head.headers, head.version);
    let mut request = Request::new(Either::Left(body));
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = target(&address, &head.uri, asked.query).map_err(Status::internal)?;
    *request.headers_mut() = sent(asked, head, upgrades)?;
    if upgrades {
        let reject = aggregation.options.reject_redirects;
        return upgrade::relay(client, request, head, reject).await;
    }
    pass(asked, client, request).await
}

fn unavailable() -> Reply {
    reply::text(503, "service unavailable\n")
}

/// What cannot be asked of the other server.
pub(super) fn unreachable(why: &str) -> Reply {
    reply::text(503, format!("error trying to reach service: {why}\n"))
}

/// Whether a path may mean another one to who takes it apart in another way: then what was authorized is not what would be done.
fn is_ambiguous(path: &str) -> bool {
    let inner = path.trim_matches('/');
    inner.split('/').any(|part| {
        let decoded = percent_decode(part);
        decoded.is_empty() || decoded == "." || decoded == ".." || decoded.contains('/')
    })
}

fn target(address: &Address, asked: &Uri, query: &Query) -> Result<Uri, String> {
    let query = query.encoded();
    let path = asked.path();
    match query.is_empty() {
        true => uri(address, path),
        false => uri(address, &format!("{path}?{query}")),
    }
}

/// The headers that the other server gets.
fn sent(asked: &Relayed<'_>, head: &Parts, upgrades: bool) -> Result<HeaderMap, Status> {
    let mut sent = head.headers.clone();
    proxy::headers::end_to_end(&mut sent, upgrades);
    headers::identify(&mut sent, asked.user)?;
    headers::forwarded(&mut sent, asked.peer, &head.uri);
    headers::goes_through(&mut sent, &asked.api.aggregation.pseudonym);
    // The body is sent at once.
    sent.remove(EXPECT);
    sent.insert(AUDIT_ID, asked.audit_id.clone());
    Ok(sent)
}

/// How long the other server has: discovery little, what goes on for long as much as it likes.
fn patience(asked: &Relayed<'_>) -> Option<Duration> {
    let info = asked.info;
    if !info.is_resource && info.path.trim_matches('/').split('/').count() == 3 {
        return Some(DISCOVERY);
    }
    (!is_long_running(info)).then_some(asked.api.config.request_timeout)
}

async fn pass(
    asked: &Relayed<'_>,
    client: &Client,
    request: Request<Sent>,
) -> Result<Reply, Status> {
    let until = patience(asked).map(|patience| Instant::now() + patience);
    let answered = match until {
        None => client.send(request).await,
        Some(until) => match tokio::time::timeout_at(until, client.send(request)).await {
            Ok(answered) => answered,
            Err(_) => return Err(late()),
        },
    };
    match answered {
        Ok(answer) => Ok(received(
            answer,
            asked.api.aggregation.options.reject_redirects,
            until,
        )),
        Err(why) => Ok(unreachable(&why)),
    }
}

fn late() -> Status {
    Status::timeout("request did not complete within the allotted timeout", 0)
}

/// The other server's answer as this one's.
pub(super) fn received(
    answer: Response<Incoming>,
    reject_redirects: bool,
    until: Option<Instant>,
) -> Reply {
    let redirects = answer.status().is_redirection() && answer.headers().contains_key(LOCATION);
    if reject_redirects && redirects {
        let mut refused = Response::new(Body::from(REDIRECTED));
        *refused.status_mut() = http::StatusCode::BAD_GATEWAY;
        return refused;
    }
    proxy::received(answer, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing_to_everybody() {
        for path in [
            "/apis/a.io/v1/namespaces/n/../../secrets",
            "/apis/a.io/v1/namespaces/n%2fsecrets",
            "/apis/a.io/v1/namespaces/%2e%2e/secrets",
            "/apis/a.io/v1//secrets",
            "/apis/a.io/v1/./secrets",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in [
            "/apis/a.io/v1/",
            "/apis/a.io/v1/things/a:b..c",
            "/apis/a.io/v1/things/%C3%BC",
        ] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn the_query_is_written_anew_in_order() {
        let address = ("fd00::1".to_owned(), 8443);
        let asked: Uri = "/apis/a.io/v1/things?watch=1&b=x%20y&a=2&a=1&labelSelector=a%3Db,c"
            .parse()
            .expect("a URI");
        let query = Query::parse(asked.query().unwrap_or(""));
        let target = target(&address, &asked, &query).expect("a target");
        let want = "https://[fd00::1]:8443/apis/a.io/v1/things?a=2&a=1&b=x+y&labelSelector=a%3Db%2Cc&watch=1";
        assert_eq!(target.to_string(), want);
    }
}
