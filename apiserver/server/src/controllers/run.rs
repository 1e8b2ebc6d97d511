//! The loop that every controller runs in: what is there, then each change, names keys; a few keys are looked at at a time.

use super::followed::Followed;
use super::sources::{Change, Sources};
use super::work::Work;
use crate::api::Api;
use crate::cacher::WatchError;
use crate::registry::Registry;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use triad_machinery::status::{Status, reason};

/// Keys looked at at a time: enough to fill one write of the log, few enough to leave room for others.
const AT_ONCE: usize = 32;
/// The pause before a controller whose watch ended starts over.
const RESTART: Duration = Duration::from_secs(1);

/// The pause before a controller starts over because kinds went.
const GATHER: Duration = Duration::from_millis(200);

/// A controller: level-driven, so that looking at a key twice, or after a restart, does no harm.
pub(super) trait Controller: Send + Sync {
    type Key: Clone + Eq + Hash + Debug + Send + Sync;

    /// Its name in --controllers and in the log.
    fn name(&self) -> &'static str;

    /// What it follows from the start.
    fn sources(&self) -> &[Arc<Registry>];

    /// All that it follows, where custom kinds are among it: they come in while it runs.
    fn followed(&self) -> Option<&Followed> {
        None
    }

    /// Says which keys a change concerns. Called for each object at the start, then for each change, in order.
    fn observe(&self, change: &Change<'_>, work: &mut Work<Self::Key>);

    /// Makes the world as it should be for a key; the keys to look at then.
    fn sync(&self, key: &Self::Key)
    -> impl Future<Output = Result<Vec<Self::Key>, Trouble>> + Send;
}

/// Why a key must be looked at again later.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing is wrong here: another wrote meanwhile, or what is referred to may yet come.
    Later(String),
    Failed(Status),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        if status.is(reason::CONFLICT) {
            Trouble::Later(status.to_string())
        } else {
            Trouble::Failed(status)
        }
    }
}

/// Runs a controller for as long as the server runs; `make` makes it anew when its watches are lost.
pub(super) async fn run<C: Controller>(api: Arc<Api>, make: impl Fn(&Arc<Api>) -> Option<C>) {
    // Without its resources (--runtime-config) a controller has nothing to do.
    while let Some(controller) = make(&api) {
        let Err(error) = session(&api, &controller).await;
        if matches!(error, WatchError::Over) {
            // A kind went, and often many at a time.
            sleep(GATHER).await;
            continue;
        }
        tracing::warn!(controller = controller.name(), ?error, "starting over");
        sleep(RESTART).await;
    }
}

async fn session<C: Controller>(
    api: &Arc<Api>,
    controller: &C,
) -> Result<std::convert::Infallible, WatchError> {
    // Watched from before the kinds are looked at.
    let mut customs = api.endpoints.customs.changes();
    let mut work = Work::new();
    let mut sources = Sources::open(&api.cacher, controller.sources(), |change| {
        controller.observe(&change, &mut work);
    })?;
    take_in(api, controller, &mut sources, &mut work)?;
    let mut looks = FuturesUnordered::new();
    loop {
        sources
            .level(|change| controller.observe(&change, &mut work))
            .await?;
        while looks.len() < AT_ONCE
            && let Some(key) = work.take(Instant::now())
        {
            looks.push(async move {
                let result = controller.sync(&key).await;
                (key, result)
            });
        }
        let next_due = work.next_due();
        tokio::select! {
            Some((key, result)) = looks.next() => {
                let succeeded = match result {
                    Ok(further) => {
                        further.into_iter().for_each(|key| work.add(key));
                        true
                    }
                    Err(trouble) => {
                        report(controller.name(), &key, &trouble);
                        false
                    }
                };
                work.done(key, succeeded, Instant::now());
            }
            shown = sources.next(|change| controller.observe(&change, &mut work)) => shown?,
            () = due(next_due) => {}
            _ = customs.changed(), if controller.followed().is_some() => take_in(api, controller, &mut sources, &mut work)?,
        }
    }
}

/// Follows the custom kinds that are new.
fn take_in<C: Controller>(
    api: &Api,
    controller: &C,
    sources: &mut Sources,
    work: &mut Work<C::Key>,
) -> Result<(), WatchError> {
    let Some(followed) = controller.followed() else {
        return Ok(());
    };
    for (number, registry) in followed.take_in(api.endpoints.customs.standings()) {
        sources.add(number, &registry, |change| {
            controller.observe(&change, work)
        })?;
    }
    Ok(())
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn report(controller: &str, key: &impl Debug, trouble: &Trouble) {
    match trouble {
        Trouble::Later(why) => tracing::debug!(controller, ?key, why, "trying again later"),
        Trouble::Failed(status) => {
            tracing::warn!(controller, ?key, %status, "failed; trying again later");
        }
    }
}
