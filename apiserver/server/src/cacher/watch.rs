//! A watch over one resource: from the store's history while it stands before the ring, then from the ring.

use super::feed::historic;
use super::{Cacher, Event, ResourceCache};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch as signal;
use triad_kv::Revision;

/// Events handed out at a time; bounds the memory of one step of one watch.
const STEP_EVENTS: usize = 256;

#[derive(Debug)]
pub(crate) enum WatchError {
    /// The history before this revision is gone.
    Expired { oldest: Revision },
    /// The store closed or failed.
    Ended(String),
}

pub(crate) struct CacheWatch {
    cacher: Arc<Cacher>,
    cache: Arc<ResourceCache>,
    newest: signal::Receiver<Revision>,
    position: Position,
    /// Everything up to here has been handed out.
    complete: Revision,
}

enum Position {
    Ring(u64),
    /// Reading the store's history until it is level with the ring.
    Store(Box<triad_kv::Watch>),
}

impl CacheWatch {
    /// Watches every change after a revision; one in the future is waited for.
    pub(crate) fn new(
        cacher: Arc<Cacher>,
        cache: Arc<ResourceCache>,
        after: Revision,
    ) -> Result<Self, WatchError> {
        let newest = cache.newest.subscribe();
        let at = cache.ring.read().position(after);
        let position = match at {
            Some(at) => Position::Ring(at),
            None => {
                let watch = cacher
                    .store()
                    .watch(cache.layout.prefix.as_bytes(), after)
                    .map_err(|e| ended(&e))?;
                Position::Store(Box::new(watch))
            }
        };
        Ok(CacheWatch {
            cacher,
            cache,
            newest,
            position,
            complete: after,
        })
    }

    /// The next events, in order; waits until there are any. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<VecDeque<Arc<Event>>, WatchError> {
        loop {
            match &mut self.position {
                Position::Ring(at) => {
                    self.newest.borrow_and_update();
                    let Some(events) = self.cache.ring.read().read(*at, STEP_EVENTS) else {
                        self.fall_back()?;
                        continue;
                    };
                    if !events.is_empty() {
                        *at += events.len() as u64;
                        // A watch from the future hands out nothing up to that point.
                        let events: VecDeque<_> = events
                            .into_iter()
                            .filter(|event| event.revision > self.complete)
                            .collect();
                        if let Some(last) = events.back() {
                            self.complete = last.revision;
                            return Ok(events);
                        }
                        continue;
                    }
                    if self.newest.changed().await.is_err() {
                        return Err(WatchError::Ended(
                            "the watch cache is shutting down".to_owned(),
                        ));
                    }
                }
                Position::Store(watch) => {
                    let batch = watch.next().await.map_err(|e| ended(&e))?;
                    self.complete = batch.revision;
                    if let Some(at) = self.cache.ring.read().position(batch.revision) {
                        self.position = Position::Ring(at);
                    }
                    let events: VecDeque<_> = batch
                        .events
                        .into_iter()
                        .filter_map(|event| historic(&self.cache, event))
                        .collect();
                    if !events.is_empty() {
                        return Ok(events);
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
        self.position = Position::Store(Box::new(watch));
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

fn ended(error: &triad_kv::Error) -> WatchError {
    match error {
        triad_kv::Error::Compacted { compacted, .. } => WatchError::Expired { oldest: *compacted },
        other => WatchError::Ended(other.to_string()),
    }
}
