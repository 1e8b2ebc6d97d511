//! A watch over one resource: from the store's history while it stands before the ring, then from the ring.

use super::feed::historic;
use super::sleepers::Place;
use super::{Cacher, Event, ResourceCache};
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use triad_kv::Revision;

/// Events handed out at a time; bounds the memory of one step of one watch.
const STEP_EVENTS: usize = 256;

#[derive(Debug)]
pub(crate) enum WatchError {
    /// The history before this revision is gone.
    Expired { oldest: Revision },
    /// The store closed or failed.
    Ended(String),
    /// The resource is no longer served.
    Over,
}

pub(crate) struct CacheWatch {
    cacher: Arc<Cacher>,
    cache: Arc<ResourceCache>,
    position: Position,
    /// Everything up to here has been handed out.
    complete: Revision,
    place: Place,
}

enum Position {
    Ring(u64),
    /// Reading the store's history until it is level with the ring.
    Store(Reading),
}

/// A watch of the store that is being asked for its next changes, and what it said.
type Reading = BoxFuture<'static, (triad_kv::Watch, Result<triad_kv::Batch, triad_kv::Error>)>;

/// How soon a watch that ended is opened again.
const RETRY: Duration = Duration::from_secs(1);

impl Cacher {
    /// Returns when something of a resource changed after a revision, or when a watch cannot be had and it is time to look again.
    pub(crate) async fn changed(self: &Arc<Self>, cache: &Arc<ResourceCache>, after: Revision) {
        let failed = match CacheWatch::new(self.clone(), cache.clone(), after) {
            Ok(mut watch) => watch.next().await.is_err(),
            Err(_) => true,
        };
        if failed {
            tokio::time::sleep(RETRY).await;
        }
    }
}

impl CacheWatch {
    /// Watches every change after a revision; one in the future is waited for.
    pub(crate) fn new(
        cacher: Arc<Cacher>,
        cache: Arc<ResourceCache>,
        after: Revision,
    ) -> Result<Self, WatchError> {
        let at = cache.ring.read().position(after);
        let mut watch = CacheWatch {
            cacher,
            cache,
            position: Position::Ring(at.unwrap_or(0)),
            complete: after,
            place: Place::default(),
        };
        if at.is_none() {
            watch.fall_back()?;
        }
        Ok(watch)
    }

    /// The next events, in order; waits until there are any. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<VecDeque<Arc<Event>>, WatchError> {
        let mut events = VecDeque::new();
        poll_fn(|context| self.poll_next(context, &mut events)).await?;
        Ok(events)
    }

    /// Appends the next events to `events`, which is empty, and is ready when there are any. While it is not, the task is woken
    /// whenever `Cacher::wake_watches` is called, too.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        events: &mut VecDeque<Arc<Event>>,
    ) -> Poll<Result<(), WatchError>> {
        loop {
            if self.cache.is_over() {
                return Poll::Ready(Err(WatchError::Over));
            }
            match &mut self.position {
                Position::Ring(at) => {
                    let ring = self.cache.ring.read();
                    let Some(read) = ring.read(*at, STEP_EVENTS, events) else {
                        drop(ring);
                        self.fall_back()?;
                        continue;
                    };
                    drop(ring);
                    *at += read as u64;
                    // A watch from the future hands out nothing up to that point.
                    while events
                        .front()
                        .is_some_and(|event| event.revision <= self.complete)
                    {
                        events.pop_front();
                    }
                    if let Some(last) = events.back() {
                        self.complete = last.revision;
                        return Poll::Ready(Ok(()));
                    }
                    self.cache.sleepers.sleep(&mut self.place, context);
                    if self.cache.ring.read().end() == *at && !self.cache.is_over() {
                        return Poll::Pending;
                    }
                }
                Position::Store(reading) => {
                    self.cache.sleepers.sleep(&mut self.place, context);
                    let (watch, batch) = ready!(reading.as_mut().poll(context));
                    let batch = match batch {
                        Ok(batch) => batch,
                        Err(error) => {
                            self.position = Position::Store(read_on(watch));
                            return Poll::Ready(Err(ended(&error)));
                        }
                    };
                    self.complete = batch.revision;
                    let at = self.cache.ring.read().position(batch.revision);
                    self.position = match at {
                        Some(at) => Position::Ring(at),
                        None => Position::Store(read_on(watch)),
                    };
                    for event in batch.events {
                        let event = historic(&self.cache, self.cacher.store(), event);
                        events.extend(event.map_err(|error| ended(&error))?);
                    }
                    if !events.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    fn fall_back(&mut self) -> Result<(), WatchError> {
        let watch = self
            .cacher
            .store()
            .watch(self.cache.layout.prefix.as_bytes(), self.complete)
            .map_err(|e| ended(&e))?;
        self.position = Position::Store(read_on(watch));
        Ok(())
    }

    /// Everything up to this revision has been handed out: what a bookmark may say. The caches' own progress counts
    /// only when no event waits in the ring.
    pub(crate) fn complete_up_to(&self) -> Revision {
        let progress = self.cacher.progress();
        match self.position {
            Position::Ring(at) if at == self.cache.ring.read().end() => self.complete.max(progress),
            _ => self.complete,
        }
    }
}

impl Drop for CacheWatch {
    fn drop(&mut self) {
        self.cache.sleepers.leave(&mut self.place);
    }
}

fn read_on(mut watch: triad_kv::Watch) -> Reading {
    Box::pin(async move {
        let batch = watch.next().await;
        (watch, batch)
    })
}

fn ended(error: &triad_kv::Error) -> WatchError {
    match error {
        triad_kv::Error::Compacted { compacted, .. } => WatchError::Expired { oldest: *compacted },
        other => WatchError::Ended(other.to_string()),
    }
}
