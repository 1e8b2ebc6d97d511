//! Looks after an open store: expires keys, gives up old history, and when the node is fenced
//! closes everything and opens it again once the disk takes writes. Damage is final.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::shared::{Phase, Shared};
use super::{Running, questions};
use crate::state::Closed;
use crate::{Error, expiry, history};

/// How often a store that is down looks whether the disk takes writes again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// What must fit on the disk before the store opens again.
const PROBE_BYTES: usize = 4 << 20;
/// How long readers may hold on to a state that is about to be closed.
const LET_GO_LIMIT: Duration = Duration::from_secs(30);

/// Starts the tasks; they end with the store.
pub(super) fn start(shared: &Arc<Shared>) {
    let tasks = [
        tokio::spawn(supervise(Arc::downgrade(shared))),
        tokio::spawn(expire(Arc::downgrade(shared))),
        tokio::spawn(retain(Arc::downgrade(shared))),
        tokio::spawn(sweep(Arc::downgrade(shared))),
        tokio::spawn(compare(Arc::downgrade(shared))),
    ];
    shared.tasks.lock().extend(tasks);
}

async fn expire(shared: Weak<Shared>) {
    loop {
        sleep(expiry::INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Ok(running) = shared.running() else {
            continue;
        };
        let outcome = expiry::run_once(&running, shared.options.limits.changes).await;
        settle(&shared, "expiring keys", outcome);
    }
}

async fn retain(shared: Weak<Shared>) {
    loop {
        let Some(interval) = shared
            .upgrade()
            .map(|s| history::interval(&s.options.history))
        else {
            return;
        };
        sleep(interval).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Ok(running) = shared.running() else {
            continue;
        };
        let outcome = history::retain(&running, &shared.options.history).await;
        shared.sweep_wanted.notify_one();
        settle(&shared, "giving up history", outcome);
    }
}

async fn compare(shared: Weak<Shared>) {
    loop {
        sleep(questions::COMPARE_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Ok(running) = shared.running() else {
            continue;
        };
        settle(
            &shared,
            "comparing the members",
            questions::compare(&running).await,
        );
    }
}

async fn sweep(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        if let Ok(running) = strong.running() {
            let outcome = history::sweep(&running).await;
            settle(&strong, "sweeping history", outcome);
        }
        // Holding the store while waiting would keep it open.
        let wanted = strong.sweep_wanted.clone();
        drop(strong);
        // Time running out is as good a reason to look again.
        let _ = timeout(history::SWEEP_INTERVAL, wanted.notified()).await;
    }
}

fn settle(shared: &Shared, what: &str, outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what} did not succeed, it is tried again");
        shared.notice(&error);
    }
}

async fn supervise(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let Ok(running) = strong.running() else {
            return;
        };
        let (mut status, failed) = (running.node.status(), strong.failed.clone());
        // Holding the store while waiting would keep it open.
        drop((running, strong));
        let fault = tokio::select! {
            changed = status.wait_for(|s| s.fault.is_some() || s.closed) => {
                Some(changed.ok().and_then(|s| s.fault.clone()).map_or(Error::Closed, Error::from))
            }
            () = failed.notified() => None,
        };
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let fault = fault.unwrap_or_else(|| strong.damage());
        strong.fenced.fetch_add(1, Ordering::Relaxed);
        if !recover(&strong, fault).await {
            return;
        }
    }
}

/// Takes a fenced store down and brings it up again; false when it stays down.
async fn recover(shared: &Arc<Shared>, fault: Error) -> bool {
    let Ok(running) = shared.running() else {
        return false;
    };
    let damaged = matches!(fault, Error::Corrupt { .. });
    let state = (!damaged).then(|| running.state());
    shared.set_phase(Phase::Down {
        why: fault.clone(),
        state,
    });
    running.node.stop().await;
    let closed = running.state().closed();
    drop(running);
    if damaged {
        tracing::error!(%fault, "the store stays down: restore its data directory");
        return false;
    }
    tracing::warn!(%fault, "the store is down until the disk takes writes again");
    loop {
        sleep(RETRY_INTERVAL).await;
        if let Err(error) = probe(&shared.options.dir) {
            tracing::debug!(%error, "the disk does not take writes yet");
            continue;
        }
        shared.set_phase(Phase::Down {
            why: fault.clone(),
            state: None,
        });
        wait_until(closed.clone()).await;
        match Running::start(&shared.options, Some(shared.hub.clone())).await {
            Ok((running, _)) => {
                tracing::info!("the store serves again");
                shared.set_phase(Phase::Serving(Arc::new(running)));
                return true;
            }
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "the store stays down: restore its data directory");
                shared.set_phase(Phase::Down {
                    why: error,
                    state: None,
                });
                return false;
            }
            Err(error) => tracing::warn!(%error, "the store did not open, it is tried again"),
        }
    }
}

/// Whether the disk takes and keeps a few megabytes.
fn probe(dir: &Path) -> std::io::Result<()> {
    let path = dir.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    });
    std::fs::remove_file(&path)?;
    written
}

/// Drops a handle and waits until its files are closed.
pub(super) async fn let_go(closed: Closed, running: Arc<Running>) {
    drop(running);
    wait_until(closed).await;
}

async fn wait_until(closed: Closed) {
    let closed = async {
        while !closed.yet() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    if timeout(LET_GO_LIMIT, closed).await.is_err() {
        tracing::error!("a reader still holds the state that is to be closed");
    }
}
