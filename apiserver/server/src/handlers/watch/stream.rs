//! A watch under way: what it writes next, and what wakes it. It is one of many, mostly idle: it keeps what it needs for its next
//! event and no more, and it goes through the timer and the cache's list of sleepers without making anything anew.

use super::shown::Shown;
use super::watch_status;
use crate::api::Api;
use crate::cacher::{CacheWatch, Cached, Event, Kind, Seen, WatchError};
use crate::handlers::list::selects;
use crate::metrics::long_running::Running;
use crate::registry::Registry;
use bytes::Bytes;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use triad_kv::Revision;
use triad_machinery::selector::field::FieldSelector;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::Status;

/// How often a watch that takes bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the watch's own end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Bytes of objects or events written in one step; bounds the memory of one step.
const STEP_BYTES: usize = 64 * 1024;
/// Room for events that a watch keeps while it sleeps.
const KEPT_ROOM: usize = 16;

/// Which objects a watch is about.
pub(super) struct Selection {
    /// Empty: all of them.
    pub(super) namespace: Box<str>,
    pub(super) labels: LabelSelector,
    pub(super) fields: FieldSelector,
}

impl Selection {
    fn matches(&self, object: &Cached) -> bool {
        selects(&self.labels, &self.fields, object)
    }

    /// What an event is to this watch; None if it is nothing.
    fn sees(&self, event: &Event) -> Option<Seen> {
        if !self.namespace.is_empty() && *event.object.namespace() != *self.namespace {
            return None;
        }
        let was = event.previous.as_ref().is_some_and(|o| self.matches(o));
        let is = event.kind == Kind::Put && self.matches(&event.object);
        match (was, is) {
            (false, true) => Some(Seen::Added),
            (true, true) => Some(Seen::Modified),
            (true, false) => Some(Seen::Deleted),
            (false, false) => None,
        }
    }
}

/// Where a watch begins, and for how long.
pub(super) struct Opening {
    pub(super) registry: Arc<Registry>,
    /// Changes after this revision are its events.
    pub(super) after: Revision,
    /// What there is before them.
    pub(super) initial: VecDeque<Arc<Cached>>,
    /// Where the initial state ends, when the client wants to be told.
    pub(super) initial_end: Option<Revision>,
    pub(super) timeout: Duration,
    pub(super) bookmarks: bool,
}

/// What a watch writes next.
enum Step {
    /// Objects of the initial state still to be written, then the events.
    Initial(VecDeque<Arc<Cached>>),
    Events,
    /// An ERROR event was written: the watch is over.
    Over,
}

pub(super) struct Stream {
    api: Arc<Api>,
    registry: Arc<Registry>,
    selection: Selection,
    shown: Shown,
    /// None when it could not be opened: then there is an error.
    watch: Option<CacheWatch>,
    error: Option<Box<Status>>,
    step: Step,
    initial_end: Option<Revision>,
    pending: VecDeque<Arc<Event>>,
    deadline: Instant,
    next_bookmark: Option<Instant>,
    /// Until the next bookmark, or the end.
    alarm: Pin<Box<Sleep>>,
    _counted: Running,
}

impl Stream {
    pub(super) fn open(
        api: Arc<Api>,
        opening: Opening,
        selection: Selection,
        shown: Shown,
        counted: Running,
    ) -> Self {
        let (now, timeout) = (Instant::now(), opening.timeout);
        let deadline = now + timeout;
        let next_bookmark = (opening.bookmarks)
            .then(|| (now + BOOKMARK_EVERY).min(deadline - LAST_BOOKMARK.min(timeout)));
        let watch = CacheWatch::new(
            api.cacher.clone(),
            opening.registry.cache.clone(),
            opening.after,
        );
        let (watch, error) = match watch {
            Ok(watch) => (Some(watch), None),
            Err(error) => (None, Some(Box::new(watch_status(&error, opening.after)))),
        };
        Stream {
            api,
            registry: opening.registry,
            selection,
            shown,
            watch,
            error,
            step: if opening.initial.is_empty() && opening.initial_end.is_none() {
                Step::Events
            } else {
                Step::Initial(opening.initial)
            },
            initial_end: opening.initial_end,
            pending: VecDeque::new(),
            deadline,
            next_bookmark,
            alarm: Box::pin(sleep_until(
                next_bookmark.map_or(deadline, |at| at.min(deadline)),
            )),
            _counted: counted,
        }
    }

    /// What can be written at once; nothing when the watch has to wait.
    fn at_hand(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        if let Some(status) = self.error.take() {
            self.step = Step::Over;
            self.shown.error(&status, &mut out);
            return Some(out.into());
        }
        if let Step::Initial(objects) = &mut self.step {
            let mut objects = std::mem::take(objects);
            self.initial(&mut objects, &mut out);
            self.step = Step::Initial(objects);
            if matches!(&self.step, Step::Initial(objects) if objects.is_empty()) {
                self.step = Step::Events;
                if let Some(revision) = self.initial_end.take() {
                    self.shown.bookmark(revision, true, &mut out);
                }
            }
            if !out.is_empty() {
                return Some(out.into());
            }
        }
        while let Some(event) = self.pending.pop_front() {
            let Some(seen) = self.selection.sees(&event) else {
                continue;
            };
            match self
                .shown
                .event(&self.registry.layout, &event, seen, &mut out)
            {
                // A lone event goes out as the bytes that all watchers share.
                Some(frame) if out.is_empty() && self.pending.is_empty() => return Some(frame),
                Some(frame) => out.extend_from_slice(&frame),
                None => {}
            }
            if out.len() > STEP_BYTES {
                break;
            }
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn initial(&mut self, objects: &mut VecDeque<Arc<Cached>>, out: &mut Vec<u8>) {
        out.reserve(STEP_BYTES + STEP_BYTES / 4);
        while out.len() < STEP_BYTES
            && let Some(object) = objects.pop_front()
        {
            let shown = (&*object, object.revision);
            self.shown
                .object(&self.registry.layout, Seen::Added.text(), shown, out);
        }
    }

    /// Waits for events; ready with bytes when they are the last.
    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(watch) = &mut self.watch else {
            return Poll::Ready(None);
        };
        self.pending.shrink_to(KEPT_ROOM);
        let error = match std::task::ready!(watch.poll_next(context, &mut self.pending)) {
            Ok(()) => return Poll::Ready(Some(Bytes::new())),
            Err(WatchError::Over) => return Poll::Ready(None),
            Err(error) => watch_status(&error, watch.complete_up_to()),
        };
        self.error = Some(Box::new(error));
        Poll::Ready(Some(Bytes::new()))
    }

    /// A bookmark when its time has come; None is the end.
    fn alarmed(&mut self) -> Option<Bytes> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let mut out = Vec::new();
        if let Some(watch) = &self.watch {
            self.shown.bookmark(watch.complete_up_to(), false, &mut out);
        }
        let next = Instant::now() + BOOKMARK_EVERY;
        let last = self.deadline - LAST_BOOKMARK;
        self.next_bookmark = (Instant::now() < last).then(|| next.min(last));
        let alarm = self.next_bookmark.unwrap_or(self.deadline);
        self.alarm.as_mut().reset(alarm.min(self.deadline));
        Some(out.into())
    }
}

impl futures_util::Stream for Stream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let stream = self.get_mut();
        loop {
            if let Some(bytes) = stream.at_hand() {
                return Poll::Ready(Some(bytes));
            }
            if matches!(stream.step, Step::Over) {
                return Poll::Ready(None);
            }
            match stream.poll_events(context) {
                Poll::Ready(Some(_)) => continue,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            // After the watch has seen to it that a drain wakes it.
            if stream.api.health.is_draining() {
                return Poll::Ready(None);
            }
            std::task::ready!(stream.alarm.as_mut().poll(context));
            return Poll::Ready(stream.alarmed());
        }
    }
}
