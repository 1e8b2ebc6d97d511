//! What all handles of one store share: its phase (serving, down, closed), the hub, the lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Running;
use crate::lock::DirLock;
use crate::state::State;
use crate::watch::{Hub, Source};
use crate::{Error, Health, Metrics, StoreOptions};

pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) hub: Arc<Hub>,
    phase: RwLock<Phase>,
    lock: Mutex<Option<DirLock>>,
    pub(super) tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The phase has changed from outside of the task that looks after it.
    pub(super) failed: Arc<Notify>,
    /// What a reader found.
    damage: Mutex<Option<Error>>,
    pub(super) sweep_wanted: Arc<Notify>,
    pub(super) fenced: AtomicU64,
}

pub(super) enum Phase {
    Serving(Arc<Running>),
    /// Writes are refused. Reads go on while the state is open and not the trouble itself.
    Down {
        why: Error,
        state: Option<Arc<State>>,
    },
    Closed,
}

impl Shared {
    pub(super) async fn open(options: StoreOptions) -> Result<Arc<Self>, Error> {
        crate::durable::make_dirs(&options.dir)?;
        let lock = DirLock::take(&options.dir, &options.node_name)?;
        crate::recover::check_finished(&options.dir)?;
        let (running, hub) = Running::start(&options, None).await?;
        Ok(Arc::new(Self {
            options,
            hub,
            phase: RwLock::new(Phase::Serving(Arc::new(running))),
            lock: Mutex::new(Some(lock)),
            tasks: Mutex::default(),
            failed: Arc::default(),
            damage: Mutex::default(),
            sweep_wanted: Arc::default(),
            fenced: AtomicU64::new(0),
        }))
    }

    pub(crate) fn running(&self) -> Result<Arc<Running>, Error> {
        match &*self.phase.read() {
            Phase::Serving(running) => Ok(running.clone()),
            Phase::Down { why, .. } => Err(refusal(why)),
            Phase::Closed => Err(Error::Closed),
        }
    }

    /// Runs a read; damage that it finds takes the store down.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let state = match &*self.phase.read() {
            Phase::Serving(running) => running.state(),
            Phase::Down {
                state: Some(state), ..
            } => state.clone(),
            Phase::Down { why, state: None } => return Err(refusal(why)),
            Phase::Closed => return Err(Error::Closed),
        };
        read(&state).inspect_err(|error| self.notice(error))
    }

    /// Takes the store down when an error says that its files are damaged.
    pub(crate) fn notice(&self, error: &Error) {
        if matches!(error, Error::Corrupt { .. }) && self.running().is_ok() {
            // The task that looks after the store takes it down.
            self.damage.lock().get_or_insert_with(|| error.clone());
            self.failed.notify_one();
        }
    }

    pub(super) fn damage(&self) -> Error {
        self.damage.lock().clone().unwrap_or(Error::Closed)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        let mut current = self.phase.write();
        // Closing is for good.
        if !matches!(*current, Phase::Closed) {
            *current = phase;
        }
    }

    pub(super) fn health(&self) -> Health {
        match &*self.phase.read() {
            Phase::Serving(running) => {
                let status = running.node.status().borrow().clone();
                Health {
                    serving: status.leader.is_some() && status.quorum && status.fault.is_none(),
                    leader: status.leading,
                    leader_name: status.leader,
                    trouble: match status.fault {
                        Some(fault) => Some(fault.to_string()),
                        None if status.removed => {
                            Some("this member has been removed from the cluster".into())
                        }
                        None if status.quorum => None,
                        None => Some("no majority of the members is within reach".into()),
                    },
                }
            }
            Phase::Down { why, .. } => Health {
                trouble: Some(why.to_string()),
                ..Health::default()
            },
            Phase::Closed => Health {
                trouble: Some(Error::Closed.to_string()),
                ..Health::default()
            },
        }
    }

    pub(super) fn metrics(&self) -> Metrics {
        let (watchers, ring_events, ring_bytes) = self.hub.size();
        let mut metrics = Metrics {
            revision: self.hub.published(),
            compacted: self.hub.compacted(),
            watchers: watchers as u64,
            ring_events: ring_events as u64,
            ring_bytes: ring_bytes as u64,
            watch_disk_reads_total: self.hub.disk_reads.load(Ordering::Relaxed),
            fenced_total: self.fenced.load(Ordering::Relaxed),
            ..Metrics::default()
        };
        if let Ok(running) = self.running() {
            fill(&mut metrics, &running);
        }
        metrics
    }

    pub(super) async fn shutdown(&self) {
        self.hub.close();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.abort();
            // Aborted is what it is meant to be.
            let _ = task.await;
        }
        let phase = std::mem::replace(&mut *self.phase.write(), Phase::Closed);
        if let Phase::Serving(running) = phase {
            running.node.stop().await;
            let closed = running.state().closed();
            super::care::let_go(closed, running).await;
        }
        self.lock.lock().take();
    }
}

/// What a caller is told while the store is down.
fn refusal(why: &Error) -> Error {
    match why {
        Error::Corrupt { .. } => why.clone(),
        other => Error::Unavailable {
            why: other.to_string(),
        },
    }
}

fn fill(metrics: &mut Metrics, running: &Running) {
    let node = running.node.metrics();
    metrics.term = node.term;
    metrics.last_index = node.last_index;
    metrics.applied_index = node.applied_index;
    metrics.flushed_index = node.flushed_index;
    metrics.purged_index = node.purged_index;
    metrics.proposals_queued = node.queued;
    metrics.proposals_total = node.proposals;
    metrics.proposals_failed = node.failed;
    metrics.frames_total = node.frames;
    metrics.log_writes_total = node.log_writes;
    metrics.log_bytes_total = node.log_bytes;
    metrics.fsyncs_total = node.syncs.count;
    metrics.fsync_time_total = node.syncs.total;
    metrics.fsync_buckets = node.syncs.buckets;
    metrics.log_db_bytes = node.log_db_bytes;
    let state = running.state();
    metrics.swept = crate::Revision(state.swept());
    metrics.state_db_bytes = state.number("rocksdb.total-sst-files-size");
    metrics.memtable_bytes = node.memtable_bytes + state.number("rocksdb.cur-size-all-mem-tables");
    metrics.block_cache_bytes = state.cache_bytes();
}

/// Where watches find the state; it does not keep the store open.
pub(super) struct WeakSource(Weak<Shared>);

impl WeakSource {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }
}

impl Source for WeakSource {
    fn state(&self) -> Result<Option<Arc<State>>, Error> {
        let shared = self.0.upgrade().ok_or(Error::Closed)?;
        match &*shared.phase.read() {
            Phase::Serving(running) => Ok(Some(running.state())),
            Phase::Down {
                why: why @ Error::Corrupt { .. },
                ..
            } => Err(why.clone()),
            Phase::Down { state, .. } => Ok(state.clone()),
            Phase::Closed => Err(Error::Closed),
        }
    }

    fn notice(&self, error: &Error) {
        // A store that is gone serves nothing anyway.
        if let Some(shared) = self.0.upgrade() {
            shared.notice(error);
        }
    }
}
