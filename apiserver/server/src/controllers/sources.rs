//! What a controller follows: the objects of some resources as they are, then every change to them. All watches of one
//! controller are polled by its one task; while nothing changes, nothing runs.

use crate::cacher::{CacheWatch, Cached, Cacher, Event, Kind, WatchError};
use crate::registry::Registry;
use futures_util::future::poll_immediate;
use futures_util::stream::{BoxStream, SelectAll, StreamExt as _, unfold};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::unconstrained;
use triad_kv::Revision;

/// A change to one object; at the start every object is `after` without a `before`.
pub(super) struct Change<'a> {
    /// The place of its resource in the list that the sources were opened with.
    pub(super) source: usize,
    pub(super) before: Option<&'a Arc<Cached>>,
    pub(super) after: Option<&'a Arc<Cached>>,
}

impl Change<'_> {
    /// The object, as it is or as it last was.
    pub(super) fn object(&self) -> Option<&Arc<Cached>> {
        self.after.or(self.before)
    }
}

type Batch = Result<VecDeque<Arc<Event>>, WatchError>;

pub(super) struct Sources {
    cacher: Arc<Cacher>,
    changes: SelectAll<BoxStream<'static, (usize, Batch)>>,
    /// The newest change handed out.
    seen: Revision,
}

impl Sources {
    /// Shows what there is, and follows it from there.
    pub(super) fn open(
        cacher: &Arc<Cacher>,
        registries: &[Arc<Registry>],
        mut observe: impl FnMut(Change<'_>),
    ) -> Result<Self, WatchError> {
        let mut sources = Sources {
            cacher: cacher.clone(),
            changes: SelectAll::new(),
            seen: Revision(0),
        };
        for (source, registry) in registries.iter().enumerate() {
            sources.add(source, registry, &mut observe)?;
        }
        Ok(sources)
    }

    /// Shows what there is of one more resource, and follows it from there.
    pub(super) fn add(
        &mut self,
        source: usize,
        registry: &Registry,
        mut observe: impl FnMut(Change<'_>),
    ) -> Result<(), WatchError> {
        let (revision, snapshot) = self.cacher.view(&registry.cache);
        let watch = CacheWatch::new(self.cacher.clone(), registry.cache.clone(), revision)?;
        self.changes.push(follow(source, watch));
        for object in snapshot.all() {
            observe(Change {
                source,
                before: None,
                after: Some(object),
            });
        }
        Ok(())
    }

    /// Waits for changes and shows them. Cancelling loses nothing.
    pub(super) async fn next(
        &mut self,
        mut observe: impl FnMut(Change<'_>),
    ) -> Result<(), WatchError> {
        match self.changes.next().await {
            Some((source, batch)) => self.show(source, batch?, &mut observe),
            None => std::future::pending().await,
        }
        Ok(())
    }

    /// Shows every change of every resource up to the newest one shown so far, so that what one resource's change says of
    /// another's objects is known by then.
    pub(super) async fn level(
        &mut self,
        mut observe: impl FnMut(Change<'_>),
    ) -> Result<(), WatchError> {
        loop {
            let target = self.seen;
            self.cacher.wait_for(target).await;
            // Outside the scheduler's budget: a watch that yields for fairness would look like one without changes.
            while let Some(Some((source, batch))) =
                unconstrained(poll_immediate(self.changes.next())).await
            {
                self.show(source, batch?, &mut observe);
            }
            if self.seen == target {
                return Ok(());
            }
        }
    }

    fn show(
        &mut self,
        source: usize,
        events: VecDeque<Arc<Event>>,
        observe: &mut impl FnMut(Change<'_>),
    ) {
        for event in events {
            self.seen = self.seen.max(event.revision);
            observe(match event.kind {
                Kind::Put => Change {
                    source,
                    before: event.previous.as_ref(),
                    after: Some(&event.object),
                },
                Kind::Delete => Change {
                    source,
                    before: Some(&event.object),
                    after: None,
                },
            });
        }
    }
}

fn follow(source: usize, watch: CacheWatch) -> BoxStream<'static, (usize, Batch)> {
    unfold(watch, move |mut watch| async move {
        let batch = watch.next().await;
        Some(((source, batch), watch))
    })
    .boxed()
}
