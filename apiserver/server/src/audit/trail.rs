//! What a request carries with it through the server, for its events: nothing where it is not audited. Events are written at the
//! stages of the request (apiserver pkg/endpoints/filters/audit.go); the last one is written at the latest when nobody holds
//! the trail any more, which is when a watch ends or a client has gone.

mod answer;
mod origin;

use super::event::{Event, ObjectRef};
use super::policy::{Stage, Verdict};
use super::{Audit, Level, content};
use crate::body::Body;
use crate::clock::Clock;
use crate::filters::request_info::RequestInfo;
use crate::reply::Reply;
use crate::user::User;
use answer::{document, may_be_status, short, whole};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use origin::{agent, sources};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use triad_machinery::duration::GoDuration;
use triad_machinery::schema::TypeId;
use triad_machinery::{meta, names};

/// A request that took longer says so.
const SLOW: Duration = Duration::from_millis(500);
const LONG_RUNNING: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];

/// Who asks for what, and how.
pub(crate) struct Asked<'a, U: FnOnce() -> String> {
    /// None: it was not proved who.
    pub(crate) user: Option<&'a User>,
    pub(crate) info: &'a RequestInfo,
    /// As it was sent.
    pub(crate) uri: U,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: IpAddr,
    pub(crate) id: &'a str,
}

#[derive(Clone, Default)]
pub(crate) struct Trail(Option<Arc<Record>>);

struct Record {
    audit: Arc<Audit>,
    verdict: Arc<Verdict>,
    course: Course,
    began: Instant,
    event: Mutex<Event>,
    /// The last event has been written.
    ended: AtomicBool,
}

/// Which events there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// At the beginning and at the end.
    Plain,
    /// And when the answer begins.
    LongRunning,
    /// One, when the answer begins: nobody knows who asked.
    Unauthenticated,
}

impl Trail {
    /// Begins one as the policy says.
    pub(crate) fn begin<U: FnOnce() -> String>(
        audit: Option<&Arc<Audit>>,
        asked: Asked<'_, U>,
    ) -> Self {
        let Some(audit) = audit else {
            return Trail(None);
        };
        let verdict = audit.policy.judge(asked.user, asked.info);
        audit.counts.levels[verdict.level as usize].fetch_add(1, Ordering::Relaxed);
        if verdict.level == Level::None {
            return Trail(None);
        }
        Trail(Some(Arc::new(Record {
            audit: audit.clone(),
            verdict: verdict.clone(),
            course: match asked.user {
                None => Course::Unauthenticated,
                Some(_) if is_long_running(asked.info) => Course::LongRunning,
                Some(_) => Course::Plain,
            },
            began: Instant::now(),
            event: Mutex::new(event(verdict.level, asked)),
            ended: AtomicBool::new(false),
        })))
    }

    fn at_least(&self, level: Level) -> Option<&Arc<Record>> {
        self.0
            .as_ref()
            .filter(|record| record.verdict.level >= level)
    }

    /// Writes the first event. False: it could not be kept, and the request must not go on.
    pub(crate) async fn received(&self) -> bool {
        let Some(record) = &self.0 else {
            return true;
        };
        if record.course == Course::Unauthenticated {
            return true;
        }
        let kept = record.reach(Stage::RequestReceived).await;
        if !kept {
            record.ended.store(true, Ordering::Relaxed);
            record.audit.counts.rejected.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }

    /// The request acts as another; `constraint` is the narrower permission that it does so by.
    pub(crate) fn impersonated(&self, user: &User, constraint: Option<String>) {
        if let Some(record) = &self.0 {
            let mut event = record.event.lock();
            event.impersonated = Some(user.clone());
            event.constraint = constraint;
        }
    }

    /// What a part of the server has to say of the request. The first to say something under a key is believed.
    pub(crate) fn annotate(&self, key: &str, value: impl Into<String>) {
        self.annotate_from(Level::Metadata, key, value);
    }

    /// The same, for events of at least a level.
    pub(crate) fn annotate_from(&self, level: Level, key: &str, value: impl Into<String>) {
        let Some(record) = self.at_least(level) else {
            return;
        };
        if !names::prefixed_label_key(key).is_empty() {
            return tracing::warn!(key, "this is no key of an audit annotation");
        }
        let mut event = record.event.lock();
        event
            .annotations
            .entry(key.to_owned())
            .or_insert_with(|| value.into());
    }

    /// Whether annotations get anywhere.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The object that was sent, decoded.
    pub(crate) fn sent(&self, object: &Value, ty: TypeId) {
        let Some(record) = &self.0 else {
            return;
        };
        record.about(object);
        if record.verdict.level >= Level::Request {
            let text = record.text(content::object(object, ty));
            record.event.lock().request = Some(text);
        }
    }

    /// A body that is no object: a patch, or the options of a deletion.
    pub(crate) fn sent_body(&self, headers: &HeaderMap, info: &RequestInfo, body: &[u8]) {
        let Some(record) = self.at_least(Level::Request) else {
            return;
        };
        let patches = info.verb == "patch";
        if body.is_empty() || patches && content::is_secret(&info.group, &info.resource) {
            return;
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let document = content::document(content_type.unwrap_or_default(), body);
        // What cannot be read is refused; as a text it shows what was tried.
        let document = document.unwrap_or_else(|| String::from_utf8_lossy(body).into());
        let text = record.text(document);
        record.event.lock().request = Some(text);
    }

    /// The answer is there: what it says, and the events that are due. The last one comes when its body has been sent, where
    /// that takes a while.
    pub(crate) async fn answered(&self, reply: &mut Reply) {
        let Some(record) = &self.0 else {
            return;
        };
        record.look_at(reply);
        if record.course != Course::Plain {
            record.reach(Stage::ResponseStarted).await;
        }
        match record.course {
            Course::Unauthenticated => record.ended.store(true, Ordering::Relaxed),
            _ => match std::mem::replace(reply.body_mut(), Body::empty()) {
                Body::Pieces(pieces) => {
                    *reply.body_mut() = Body::Pieces(pieces);
                    record.complete().await;
                }
                Body::Chunks(chunks) => {
                    let held = self.clone();
                    let chunks = chunks.inspect(move |_| _ = &held);
                    *reply.body_mut() = Body::Chunks(Box::new(chunks));
                }
                Body::Stream(stream) => {
                    let held = self.clone();
                    let stream = stream.inspect(move |_| _ = &held);
                    *reply.body_mut() = Body::Stream(stream.boxed());
                }
            },
        }
    }

    /// A handler panicked.
    pub(crate) async fn panicked(&self, said: String) {
        let Some(record) = &self.0 else {
            return;
        };
        let message = format!("APIServer panic'd: {said}");
        record.answer_is(500, "Failure", "InternalError", &message);
        record.ended.store(true, Ordering::Relaxed);
        record.reach(Stage::Panic).await;
    }
}

/// Whether a request goes on for as long as its sides like.
pub(crate) fn is_long_running(info: &RequestInfo) -> bool {
    ["watch", "proxy"].contains(&info.verb.as_str())
        || info.is_resource && LONG_RUNNING.contains(&info.subresource.as_str())
        || !info.is_resource && info.path.starts_with("/debug/pprof/")
}

fn event<U: FnOnce() -> String>(level: Level, asked: Asked<'_, U>) -> Event {
    let info = asked.info;
    let object = info.is_resource.then(|| ObjectRef {
        resource: info.resource.clone(),
        namespace: info.namespace.clone(),
        name: info.name.clone(),
        group: info.group.clone(),
        version: info.version.clone(),
        subresource: info.subresource.clone(),
        ..ObjectRef::default()
    });
    Event {
        level,
        id: asked.id.to_owned(),
        uri: (asked.uri)(),
        verb: info.verb.clone(),
        user: asked.user.cloned(),
        impersonated: None,
        constraint: None,
        from: sources(asked.headers, asked.peer),
        agent: agent(asked.headers),
        object,
        status: None,
        code: None,
        request: None,
        response: None,
        received: Clock.now_micro(),
        annotations: BTreeMap::new(),
    }
}

impl Record {
    /// Writes the event of a stage, unless the policy leaves it out.
    async fn reach(&self, stage: Stage) -> bool {
        if self.verdict.omit_stages.contains(&stage) {
            return true;
        }
        let written = {
            let event = self.event.lock();
            let at = match stage {
                Stage::RequestReceived => event.received.clone(),
                _ => Clock.now_micro(),
            };
            event.write(stage, &at, self.audit.forms)
        };
        self.audit.keep(written).await
    }

    async fn complete(&self) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        self.note_time();
        self.reach(Stage::ResponseComplete).await;
    }

    fn note_time(&self) {
        let took = self.began.elapsed();
        if self.course == Course::Plain && took > SLOW {
            let took = GoDuration(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
            let mut event = self.event.lock();
            let key = "apiserver.latency.k8s.io/total".to_owned();
            event.annotations.insert(key, took.to_string());
        }
    }

    fn text(&self, document: Value) -> Bytes {
        content::text(document, self.verdict.omit_managed_fields)
    }

    /// What the path does not say of the object that a request is about.
    fn about(&self, object: &Value) {
        let mut event = self.event.lock();
        let of = event.object.get_or_insert_default();
        for (field, found) in [
            (&mut of.namespace, meta::namespace(object)),
            (&mut of.name, meta::name(object)),
            (&mut of.uid, meta::uid(object)),
            (&mut of.resource_version, meta::resource_version(object)),
        ] {
            if field.is_empty() {
                found.clone_into(field);
            }
        }
    }

    fn answer_is(&self, code: u16, status: &str, reason: &str, message: &str) {
        let mut said = Map::new();
        for (name, value) in [("status", status), ("reason", reason), ("message", message)] {
            if !value.is_empty() {
                said.insert(name.to_owned(), json!(value));
            }
        }
        let mut event = self.event.lock();
        event.status = Some(said);
        event.code = Some(code);
    }

    fn look_at(&self, reply: &mut Reply) {
        let code = reply.status().as_u16();
        let shows = self.verdict.level == Level::RequestResponse;
        let resource = self.event.lock().object.is_some();
        let reads = matches!(self.event.lock().verb.as_str(), "get" | "list" | "watch");
        let document = match (shows && resource, code >= 400 || !reads) {
            (true, _) => whole(reply).and_then(|body| document(reply, &body)),
            (false, true) => short(reply)
                .filter(|body| code >= 400 || may_be_status(body))
                .and_then(|body| document(reply, &body)),
            (false, false) => None,
        };
        let mut event = self.event.lock();
        event.code = Some(code);
        let Some(document) = document else {
            return;
        };
        if meta::kind(&document) == "Status" && document["apiVersion"] == "v1" {
            let mut status = document.as_object().cloned().unwrap_or_default();
            for field in ["kind", "apiVersion", "metadata", "code"] {
                status.shift_remove(field);
            }
            event.status = Some(status);
        }
        if shows && (resource || code >= 400) {
            event.response = Some(self.text(document));
        }
    }
}

impl Drop for Record {
    /// The end of what took a while, or of a request whose client has gone.
    fn drop(&mut self) {
        if *self.ended.get_mut() || self.verdict.omit_stages.contains(&Stage::ResponseComplete) {
            return;
        }
        if self.event.get_mut().code.is_none() {
            self.answer_is(200, "Success", "", "Connection closed early");
        }
        self.note_time();
        let (audit, at) = (self.audit.clone(), Clock.now_micro());
        let stage = Stage::ResponseComplete;
        let written = self.event.get_mut().write(stage, &at, audit.forms);
        let mut keeping = Box::pin(async move { audit.keep(written).await });
        // Mostly nothing has to be waited for.
        if (&mut keeping).now_or_never().is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(keeping);
        }
    }
}
