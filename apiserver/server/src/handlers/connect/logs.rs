//! GET pods/NAME/log: what a container has written, as its kubelet tells it (kubernetes pkg/registry/core/pod/rest/log.go, apiserver
//! pkg/registry/generic/rest).

use super::{Taken, options, pods};
use crate::handlers::Call;
use crate::kubelet::Kubelet;
use crate::proxy::{Client, Location, streamed, upgrade};
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::streams::messages::{chosen, pour};
use crate::streams::websocket;
use http::Request;
use http::header::LOCATION;
use http_body_util::{BodyExt as _, Either, Empty, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::pod::text;
use triad_machinery::status::{FieldError, GroupKind, GroupResource, Status};

/// What is read of a kubelet's complaint.
const LONGEST_COMPLAINT: usize = 50_000;
/// Parameters that kubelets take, in the order of a query.
const PASSED: [&str; 7] = [
    "follow",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "tailLines",
    "timestamps",
];

pub(super) async fn logs(call: &mut Call, taken: Taken) -> Result<Reply, Status> {
    let options = options::read("PodLogOptions", &call.query, None)?;
    let insecure = options["insecureSkipTLSVerifyBackend"] == true;
    call.api.metrics.streams.logs_asked(insecure);
    check(&options, call.name())?;
    let pod = call.fetch().await?.object;
    let container = pods::container(&pod, text(&options["container"]))?;
    let Some(kubelet) = pods::kubelet_of(call, &pod).await? else {
        // Nothing has run, so nothing was said.
        return Ok(reply::empty(204));
    };
    let location = location(&kubelet, &pod, &container, &options);
    let client = match insecure {
        true => &kubelet.clients.unverified,
        false => &kubelet.clients.verified,
    };
    let answer = ask(call, client, &location).await?;
    let body = checked(call, answer).await?;
    if websocket::is_asked_for(&call.headers) {
        return as_messages(call, taken, body);
    }
    let mut reply = reply::bytes(200, "text/plain", "");
    *reply.body_mut() = streamed(body, None);
    Ok(reply)
}

/// For browsers, which cannot follow what has no end otherwise.
fn as_messages(call: &Call, mut taken: Taken, body: Incoming) -> Result<Reply, Status> {
    let (protocol, form) = chosen(&call.headers)?;
    let reply = websocket::accept(&call.headers, protocol)?;
    let asking = upgrade::taken(taken.upgrade.take())?;
    tokio::spawn(pour(body, asking, form, taken.passing));
    Ok(reply)
}

/// ValidatePodLogOptions.
fn check(options: &Value, name: &str) -> Result<(), Status> {
    let number = |field: &str| options[field].as_i64();
    let mut errors = Vec::new();
    let mut at_least = |field: &str, least: i64, why: &str| {
        if let Some(given) = number(field).filter(|given| *given < least) {
            errors.push(FieldError::invalid(field, given, why));
        }
    };
    at_least("tailLines", 0, "must be greater than or equal to 0");
    at_least("limitBytes", 1, "must be greater than 0");
    if number("sinceSeconds").is_some() && options.get("sinceTime").is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden("", why));
    } else {
        at_least("sinceSeconds", 1, "must be greater than 0");
    }
    if options.get("stream").is_some() {
        errors.push(FieldError::forbidden("stream", "may not be specified"));
    }
    let kind = GroupKind {
        group: "",
        kind: "PodLogOptions",
    };
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(kind, name, &errors)),
    }
}

fn location(kubelet: &Kubelet, pod: &Value, container: &str, options: &Value) -> Location {
    let mut query = Query::default();
    for name in PASSED {
        match &options[name] {
            Value::Null | Value::Bool(false) => {}
            Value::String(given) => query.push(name, given),
            given => query.push(name, &given.to_string()),
        }
    }
    let (namespace, name) = (meta::namespace(pod), meta::name(pod));
    let path = format!("/containerLogs/{namespace}/{name}/{container}");
    pods::at(kubelet, path, query.encoded())
}

async fn ask(call: &Call, client: &Client, to: &Location) -> Result<Response, Status> {
    let failed = |why: String| Status::plain_error(format!("Get {}: {why}", quote(&to.url())));
    let request = Request::get(to.uri().map_err(failed)?).body(Either::Right(Empty::new()));
    let request = request.map_err(|error| failed(error.to_string()))?;
    let answer = client.send(request).await.map_err(|why| {
        if why.contains("x509:") {
            call.api.metrics.streams.logs_mistrusted();
        }
        failed(why)
    })?;
    // A kubelet sends nobody anywhere else (CVE-2020-8559).
    let redirects = [301, 302, 303, 307, 308].contains(&answer.status().as_u16());
    if redirects && answer.headers().contains_key(LOCATION) {
        return Err(failed("redirects forbidden".to_owned()));
    }
    Ok(answer)
}

type Response = http::Response<Incoming>;

/// The body of an answer; a complaint becomes this server's own (GenericHttpResponseChecker).
async fn checked(call: &Call, answer: Response) -> Result<Incoming, Status> {
    let code = answer.status().as_u16();
    let body = answer.into_body();
    if (200..=206).contains(&code) {
        return Ok(body);
    }
    let complaint = Limited::new(body, LONGEST_COMPLAINT).collect().await;
    let complaint = complaint.map_err(Status::internal)?.to_bytes();
    let complaint = String::from_utf8_lossy(&complaint);
    let resource = GroupResource {
        group: "",
        resource: "pods/log",
    };
    Err(match code {
        500 => Status::internal(complaint),
        400 => Status::bad_request(complaint),
        _ => {
            let name = call.name();
            Status::generic_server_response(code, "", resource, name, &complaint, 0, false)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let options = options::read("PodLogOptions", &Query::parse(query), None);
        let checked = options.and_then(|options| check(&options, "p"));
        checked.map_or_else(
            |status| format!("{} {}", status.code, status.message),
            |()| String::new(),
        )
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        assert_eq!(
            refused("tailLines=0&limitBytes=1&sinceSeconds=1&follow=true"),
            ""
        );
        for (query, want) in [
            (
                "tailLines=-1",
                "422 PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                "limitBytes=0",
                "422 PodLogOptions \"p\" is invalid: limitBytes: Invalid value: 0: must be greater than 0",
            ),
            (
                "sinceSeconds=0",
                "422 PodLogOptions \"p\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0",
            ),
            (
                "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
                "422 PodLogOptions \"p\" is invalid: : Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ),
            (
                "stream=Stdout",
                "422 PodLogOptions \"p\" is invalid: stream: Forbidden: may not be specified",
            ),
            (
                "tailLines=x",
                "400 strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
        ] {
            assert_eq!(refused(query), want, "{query}");
        }
    }
}
