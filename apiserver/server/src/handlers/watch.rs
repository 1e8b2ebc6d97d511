//! Watches: initial state where asked for, then every change in order, as lines of JSON or framed protobuf
//! (apiserver pkg/endpoints/handlers/watch.go). Here one is opened; `stream` is what runs from then on, `shown` how it shows objects.

mod shown;
mod socket;
mod stream;

use super::Call;
use super::list::{check_fields, matches};
use super::params::ListOptions;
use crate::body::Body;
use crate::cacher::{Cached, Marks, WatchError};
use crate::metrics::long_running::Kind;
use crate::negotiate::{Media, Offer};
use crate::registry::unavailable;
use crate::reply::{self, Reply};
use crate::streams::websocket;
use futures_util::StreamExt as _;
use hyper::upgrade::OnUpgrade;
use rand::Rng as _;
use shown::Shown;
use std::time::Duration;
use stream::{Opening, Selection, Stream};
use triad_kv::Revision;
use triad_machinery::goformat::quote;
use triad_machinery::selector::field::Term;
use triad_machinery::status::Status;

/// Opens a watch on the collection (or, by the legacy path, on one name).
pub(crate) async fn watch(call: Call, upgrade: Option<OnUpgrade>) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Watch)?;
    let mut options = ListOptions::parse(&call.query, true)?;
    check_fields(&call, &mut options.fields)?;
    if let (true, Some(name)) = (call.info.legacy_watch, call.info.path_name()) {
        options.fields.terms.push(Term {
            field: "metadata.name".to_owned(),
            value: name.to_owned(),
            equal: true,
        });
    }
    let asked = version(&options.resource_version)?;
    let api = call.api.clone();
    let registry = call.registry()?.clone();
    let timeout = match options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds as u64),
        _ => (api.config.min_request_timeout).mul_f64(1.0 + rand::rng().random::<f64>()),
    };
    let content_type = match accepted.media {
        Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    let start = match asked {
        None => {
            api.cacher.barrier().await.map_err(|e| unavailable(&e))?;
            None
        }
        Some(Revision(0)) => None,
        Some(revision) => Some(revision),
    };
    let initial = match options.send_initial_events {
        Some(wanted) => wanted,
        None => start.is_none(),
    };
    if let (true, Some(revision)) = (initial, start) {
        super::read::not_older_than(&call, revision).await?;
    }
    let mut opening = Opening {
        registry: registry.clone(),
        after: Revision(0),
        initial: Default::default(),
        initial_end: None,
        timeout,
        bookmarks: options.bookmarks,
    };
    if initial {
        let (revision, snapshot) = api.cacher.view(&registry.cache);
        let scope = registry.layout.scope(call.namespace());
        let wanted = Marks::wanted(&options.labels, &options.fields);
        let held = snapshot.held(&scope, None);
        let held = held.filter(|held| held.marks.may_fit(wanted) && matches(&options, held));
        opening.after = revision;
        opening.initial = held.map(|held| held.object.clone()).collect();
        Cached::prepare(&registry.layout, opening.initial.iter());
        opening.initial_end = options.bookmarks.then_some(revision);
    } else {
        opening.after = start.unwrap_or_else(|| api.cacher.view(&registry.cache).0);
    }
    let resource = call.endpoint.resource;
    let watching = api.metrics.long_running.begin(Kind {
        verb: "WATCH",
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
        subresource: "",
        scope: call.info.scope(),
    });
    let selection = Selection {
        namespace: call.namespace().into(),
        labels: options.labels,
        fields: options.fields,
    };
    let page = websocket::is_asked_for(&call.headers).then(|| {
        let allowed = api.config.browsers.may_open(&call.headers);
        (allowed, call.headers.clone())
    });
    let media = accepted.media;
    let shown = Shown::new(call, accepted)?;
    let stream = Stream::open(api, opening, selection, shown, watching);
    if let Some((allowed, headers)) = page {
        return socket::open(&headers, allowed, upgrade, stream, media);
    }
    let mut reply = reply::empty(200);
    reply.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    *reply.body_mut() = Body::Stream(stream.map(Ok).boxed());
    Ok(reply)
}

fn version(text: &str) -> Result<Option<Revision>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let why = if text.bytes().all(|b| b.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    text.parse().map(|number| Some(Revision(number))).map_err(|_| Status::bad_request(format!("invalid resource version: resourceVersion: Invalid value: {}: strconv.ParseUint: parsing {}: {why}", quote(text), quote(text))))
}

fn watch_status(error: &WatchError, from: Revision) -> Status {
    match error {
        WatchError::Expired { oldest } => {
            Status::expired(format!("too old resource version: {from} ({oldest})"))
        }
        WatchError::Ended(why) => Status::internal(why),
        WatchError::Over => Status::gone("the resource is no longer served"),
    }
}
