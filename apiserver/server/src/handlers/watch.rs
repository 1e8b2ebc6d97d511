//! Watches: initial state where asked for, then every change in order, as lines of JSON or framed protobuf
//! (apiserver pkg/endpoints/handlers/watch.go). Selectors turn changes into ADDED, MODIFIED and DELETED.

use super::form::Form;
use super::list::{check_fields, matches};
use super::params::ListOptions;
use super::{Call, transform};
use crate::body::Body;
use crate::cacher::{CacheWatch, Cached, Event, Kind, ResourceCache, Seen, WatchError};
use crate::negotiate::{Accepted, Convert, Media, Offer};
use crate::registry::unavailable;
use crate::reply::{self, Reply};
use crate::wire;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use triad_kv::Revision;
use triad_machinery::codec::{json as json_codec, protobuf};
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::selector::field::Term;
use triad_machinery::status::Status;

/// How often a watch that takes bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the watch's own end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// What a watch writes next.
enum Step {
    /// Objects of the initial state still to be written, then the events.
    Initial(VecDeque<Arc<Cached>>),
    Events,
    /// An ERROR event was written: the watch is over.
    Over,
}

struct Stream {
    call: Call,
    cache: Arc<ResourceCache>,
    options: ListOptions,
    accepted: Accepted,
    /// How objects are shown without trees, where they can be.
    form: Option<Form>,
    watch: Option<CacheWatch>,
    step: Step,
    /// Where the initial state ends, when the client wants to be told.
    initial_end: Option<Revision>,
    pending: VecDeque<Arc<Event>>,
    deadline: Instant,
    next_bookmark: Option<Instant>,
    /// Table columns are sent with the first event alone.
    columns_sent: bool,
    error: Option<Status>,
}

/// Bytes of objects or events written in one step; bounds the memory of one step.
const STEP_BYTES: usize = 64 * 1024;

/// Opens a watch on the collection (or, by the legacy path, on one name).
pub(crate) async fn watch(call: Call) -> Result<Reply, Status> {
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
    let min = api.config.min_request_timeout;
    let timeout = match options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds as u64),
        _ => min.mul_f64(1.0 + rand::rng().random::<f64>()),
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
    let now = Instant::now();
    let form = Form::of(&call, &accepted)?;
    let mut stream = Stream {
        cache: registry.cache.clone(),
        options,
        accepted,
        form,
        watch: None,
        step: Step::Events,
        initial_end: None,
        pending: VecDeque::new(),
        deadline: now + timeout,
        next_bookmark: None,
        columns_sent: false,
        error: None,
        call,
    };
    stream.next_bookmark = stream
        .options
        .bookmarks
        .then(|| (now + BOOKMARK_EVERY).min(stream.deadline - LAST_BOOKMARK.min(timeout)));
    let from = if initial {
        let (revision, snapshot) = api.cacher.view(&registry.cache);
        let scope = registry.layout.scope(stream.call.namespace());
        let objects = snapshot
            .range(&scope, None)
            .filter(|object| matches(&stream.options, object))
            .cloned()
            .collect();
        stream.step = Step::Initial(objects);
        stream.initial_end = stream.options.bookmarks.then_some(revision);
        revision
    } else {
        start.unwrap_or_else(|| api.cacher.view(&registry.cache).0)
    };
    match CacheWatch::new(api.cacher.clone(), registry.cache.clone(), from) {
        Ok(watch) => stream.watch = Some(watch),
        Err(error) => stream.error = Some(watch_status(&error, from)),
    }
    let mut reply = reply::empty(200);
    reply.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    let watchers = api.metrics.watch_opened(
        &stream.call.endpoint.resource.group,
        &stream.call.endpoint.resource.kind,
    );
    let body = unfold((stream, watchers), |(mut stream, watchers)| async move {
        let bytes = stream.next().await?;
        Some((bytes, (stream, watchers)))
    });
    *reply.body_mut() = Body::Stream(body.boxed());
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
    }
}

impl Stream {
    /// The next bytes; None ends the watch.
    async fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        if let Some(status) = self.error.take() {
            self.step = Step::Over;
            self.frame("ERROR", &status.to_value(), &mut out);
            return Some(out.into());
        }
        loop {
            match &mut self.step {
                Step::Over => return None,
                Step::Initial(objects) => {
                    let mut objects = std::mem::take(objects);
                    out.reserve(STEP_BYTES + STEP_BYTES / 4);
                    while out.len() < STEP_BYTES
                        && let Some(object) = objects.pop_front()
                    {
                        self.object(Seen::Added.text(), &object, object.revision, &mut out);
                    }
                    let done = objects.is_empty();
                    self.step = Step::Initial(objects);
                    if done {
                        self.step = Step::Events;
                        if let Some(revision) = self.initial_end.take() {
                            self.bookmark(revision, true, &mut out);
                        }
                    }
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                }
                Step::Events => {
                    while let Some(event) = self.pending.pop_front() {
                        let frame = self.event(&event, &mut out);
                        match frame {
                            // A lone event goes out as the bytes that all watchers share.
                            Some(frame) if out.is_empty() && self.pending.is_empty() => {
                                return Some(frame);
                            }
                            Some(frame) => out.extend_from_slice(&frame),
                            None => {}
                        }
                        if out.len() > STEP_BYTES {
                            break;
                        }
                    }
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                    if !self.wait(&mut out).await {
                        return (!out.is_empty()).then(|| {
                            self.step = Step::Over;
                            out.into()
                        });
                    }
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                }
            }
        }
    }

    /// Waits for events, a bookmark's time or the end; false is the end.
    async fn wait(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(watch) = &mut self.watch else {
            return false;
        };
        let wake = self
            .next_bookmark
            .map_or(self.deadline, |at| at.min(self.deadline));
        tokio::select! {
            biased;
            events = watch.next() => match events {
                Ok(events) => {
                    self.pending = events;
                    true
                }
                Err(error) => {
                    let status = watch_status(&error, watch.complete_up_to());
                    self.frame("ERROR", &status.to_value(), out);
                    false
                }
            },
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= self.deadline {
                    return false;
                }
                let revision = watch.complete_up_to();
                self.bookmark(revision, false, out);
                let next = Instant::now() + BOOKMARK_EVERY;
                let last = self.deadline - LAST_BOOKMARK;
                self.next_bookmark = (Instant::now() < last).then(|| next.min(last));
                true
            }
            () = self.call.api.health.draining() => false,
        }
    }

    fn in_scope(&self, object: &Cached) -> bool {
        self.call.namespace().is_empty() || &*object.namespace == self.call.namespace()
    }

    /// The bytes of an event that all watchers of its form share; one that is this watcher's alone is appended to `out`.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) -> Option<Bytes> {
        if !self.in_scope(&event.object) {
            return None;
        }
        let was = event
            .previous
            .as_ref()
            .is_some_and(|object| matches(&self.options, object));
        let is = event.kind == Kind::Put && matches(&self.options, &event.object);
        let seen = match (was, is) {
            (false, true) => Seen::Added,
            (true, true) => Seen::Modified,
            (true, false) => Seen::Deleted,
            (false, false) => return None,
        };
        if matches!(self.form, Some(Form::Json | Form::Protobuf)) {
            match event.frame(&self.cache.layout, seen, self.accepted.media) {
                Ok(frame) => return Some(frame),
                Err(error) => self.frame("ERROR", &Status::internal(error).to_value(), out),
            }
            return None;
        }
        self.object(seen.text(), event.shown(seen), event.revision, out);
        None
    }

    /// Appends an event of one object, without a tree where the form allows it.
    fn object(&mut self, kind: &str, object: &Cached, revision: Revision, out: &mut Vec<u8>) {
        let Some(form) = &mut self.form else {
            return self.by_tree(kind, object, revision, out);
        };
        let start = out.len();
        let headers = !self.columns_sent || self.call.endpoint.resource.repeats_columns;
        match form.event(out, &self.cache.layout, (object, revision), kind, headers) {
            Ok(()) => self.columns_sent = true,
            Err(error) => {
                out.truncate(start);
                self.frame("ERROR", &Status::internal(error).to_value(), out);
            }
        }
    }

    fn by_tree(&mut self, kind: &str, object: &Cached, revision: Revision, out: &mut Vec<u8>) {
        match object.object(&self.cache.layout) {
            Ok(mut tree) => {
                meta::set(&mut tree, "resourceVersion", &revision.to_string());
                self.tree(kind, self.call.endpoint.served(tree), out);
            }
            Err(error) => self.frame("ERROR", &Status::internal(error).to_value(), out),
        }
    }

    /// Writes an object of the served version, transformed if the client asked for another kind.
    fn tree(&mut self, kind: &str, object: Value, out: &mut Vec<u8>) {
        let (object, ty) = match &self.accepted.convert {
            None => (object, self.call.endpoint.ty),
            Some(convert) => match self.transformed(object, convert, kind == "BOOKMARK") {
                Ok(transformed) => transformed,
                Err(status) => return self.frame("ERROR", &status.to_value(), out),
            },
        };
        self.write(kind, &object, ty, out);
        self.columns_sent = true;
    }

    fn transformed(
        &self,
        object: Value,
        convert: &Convert,
        bookmark: bool,
    ) -> Result<(Value, triad_machinery::schema::TypeId), Status> {
        let (mut object, ty) = transform::object(&self.call, object, convert)?;
        let again = self.columns_sent && !self.call.endpoint.resource.repeats_columns;
        if convert.kind == "Table" && (again || bookmark) {
            object["columnDefinitions"] = Value::Null;
        }
        Ok((object, ty))
    }

    fn bookmark(&mut self, revision: Revision, initial_end: bool, out: &mut Vec<u8>) {
        let resource = self.call.endpoint.resource;
        let mut object = json!({"kind": &*resource.kind, "apiVersion": resource.group_version(), "metadata": {"resourceVersion": revision.to_string()}});
        if initial_end {
            object["metadata"]["annotations"] = json!({INITIAL_END: "true"});
        }
        self.tree("BOOKMARK", object, out);
    }

    fn frame(&self, kind: &str, status: &Value, out: &mut Vec<u8>) {
        self.write(kind, status, reply::status_type(), out);
    }

    fn write(
        &self,
        kind: &str,
        object: &Value,
        ty: triad_machinery::schema::TypeId,
        out: &mut Vec<u8>,
    ) {
        match self.accepted.media {
            Media::Protobuf => wire::put_event(out, kind, &protobuf::encode(object, ty, None)),
            _ => {
                let written = wire::put_event_line(out, kind, |out| {
                    json_codec::encode_into(out, object, ty, None);
                    Ok::<_, Infallible>(())
                });
                let Ok(()) = written;
            }
        }
    }
}
