//! A watcher of one member, which goes on where it stopped when the member lives again: it is told every change once, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use openraft::rt::WatchReceiver;

use super::clock::timeout;
use super::member::Files;
use super::world::World;
use crate::{Error, Revision, Watch};

const GLANCE: Duration = Duration::from_millis(200);

/// Revision, key, and the value unless it was deleted.
pub(super) type Told = (u64, String, Option<String>);

pub(super) async fn watch(world: Arc<World>, own: u64) -> Vec<Told> {
    let mut lives = world.member(own).lives();
    let mut told: Vec<Told> = Vec::new();
    let mut at = Revision(0);
    while !world.is_settled(at) {
        let alive = lives.borrow_and_update().clone();
        let Some(alive) = alive else {
            // The world outlives its watchers.
            let _ = lives.changed().await;
            continue;
        };
        let source = Arc::new(Files(alive.slot.clone()));
        let mut watch = Watch::new(alive.hub.clone(), source, b"/r/", at);
        drop(alive);
        while !world.is_settled(at) {
            let next = tokio::select! {
                biased;
                _ = lives.changed() => break,
                next = timeout(GLANCE, watch.next()) => next,
            };
            // Now and then it looks whether it is over; nothing is lost by that.
            let Ok(next) = next else { continue };
            let batch = match next {
                Ok(batch) => batch,
                // It came back with less than this watch has been told: it has to catch up first.
                Err(Error::FutureRevision { .. }) => break,
                Err(error) => {
                    world
                        .observer
                        .fail(format!("the watch of {own} ended behind {at}: {error}"));
                    return told;
                }
            };
            for event in batch.events {
                if event.revision < at || told.last().is_some_and(|t| t.0 > event.revision.0) {
                    let what =
                        format!("the watch of {own} was told {} behind {at}", event.revision);
                    world.observer.fail(what);
                }
                let value = event
                    .entry
                    .map(|e| String::from_utf8(e.value.to_vec()).unwrap());
                let key = String::from_utf8(event.key.to_vec()).unwrap();
                told.push((event.revision.0, key, value));
            }
            at = at.max(batch.revision);
            world.told[&own].store(at.0, Relaxed);
        }
    }
    told
}
