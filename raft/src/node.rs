//! A member of the log: it starts, proposes, confirms reads, and stops. Everything of openraft
//! runs on one thread of its own, so that the server's work never delays it; callers on any
//! runtime talk to it through bounded queues.

mod archive;
mod barrier;
mod batcher;
mod care;
mod catch_up;
mod forward;
mod gate;
mod lead;
mod life;
mod start;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use openraft::RaftMetrics;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::log_store::{LogOptions, LogWatch};
use crate::member::NodeRecord;
use crate::peers::{Change, PeerOptions};
use crate::type_config::TypeConfig;
use crate::{Error, Identity, Member, StateMachine, SyncTimes};

pub use archive::{Committed, LogEntry};
use batcher::Proposal;
pub(crate) use lead::Lead;

#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub identity: Identity,
    /// The address is where others reach this member, once there are others.
    pub member: Member,
    /// `None` keeps the member alone for good.
    pub peers: Option<PeerOptions>,
    pub election: Election,
    pub log: LogOptions,
    /// Weight of the commands in one log entry.
    pub frame_weight: usize,
    /// Bytes of the commands in one log entry; a larger command travels alone.
    pub frame_bytes: usize,
    /// The state is flushed, and the log purged, after this many bytes of log,
    pub flush_bytes: u64,
    /// and after this much time when anything is not flushed.
    pub flush_interval: Duration,
    /// The log is kept for whoever copies it (`hold`), about so many bytes of it; `None` for nobody.
    pub hold_bytes: Option<u64>,
}

/// When followers call for a new leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Election {
    pub timeout_min_ms: u64,
    pub timeout_max_ms: u64,
}

impl Default for Election {
    fn default() -> Self {
        Self {
            timeout_min_ms: 300,
            timeout_max_ms: 600,
        }
    }
}

/// One member of the cluster, as this one knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: u64,
    pub member: Member,
    pub voter: bool,
    pub leader: bool,
    /// This very member.
    pub own: bool,
    /// The last entry known to be there; known to the leader alone.
    pub reached: Option<u64>,
}

/// A handle on a running member; clones share it.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    proposals: mpsc::Sender<Proposal>,
    barriers: mpsc::Sender<barrier::Waiter>,
    status: watch::Receiver<Status>,
    metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
    log: Weak<LogWatch>,
    counters: Arc<Counters>,
    hold: Arc<care::Hold>,
    stop: Mutex<Option<oneshot::Sender<Stop>>>,
    orders: mpsc::Sender<life::Order>,
}

pub(crate) enum Stop {
    Gracefully,
}

/// What the member is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub leading: bool,
    /// The leader's name, when one is known.
    pub leader: Option<String>,
    /// A majority has been heard from lately: by the leader itself, or through it.
    pub quorum: bool,
    /// The cluster goes on without this member: it was removed, and will never be heard again.
    pub removed: bool,
    /// Why the member is fenced: it must be stopped and started again.
    pub fault: Option<Error>,
    /// The thread has ended and all files are closed.
    pub closed: bool,
}

#[derive(Default)]
struct Counters {
    queued: AtomicU64,
    proposals: AtomicU64,
    failed: AtomicU64,
    frames: AtomicU64,
    /// This member is the only voter, leads, and has applied all it found at its start: every
    /// acknowledged write is applied here, so a local read is linearizable as it is.
    alone: AtomicBool,
    /// Others have been or are about to be made members, so `alone` is never set again.
    several: AtomicBool,
}

/// What the member counts, since it was started.
#[derive(Clone, Debug, Default)]
pub struct NodeMetrics {
    pub term: u64,
    pub last_index: u64,
    pub applied_index: u64,
    pub flushed_index: u64,
    pub purged_index: u64,
    pub queued: u64,
    pub proposals: u64,
    pub failed: u64,
    pub frames: u64,
    pub log_writes: u64,
    pub log_bytes: u64,
    pub syncs: SyncTimes,
    pub log_db_bytes: u64,
    pub memtable_bytes: u64,
}

impl Node {
    /// Recovers the log and takes part. The only voter of a cluster elects itself, and this
    /// returns when the machine has applied everything that its log held; one of several does
    /// not wait for the others.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from opening the log; `Unavailable` when recovery does not end.
    pub async fn start<S: StateMachine>(options: NodeOptions, machine: S) -> Result<Self, Error> {
        life::start(options, machine).await.map(|inner| Self {
            inner: Arc::new(inner),
        })
    }

    /// Puts a command into the log and returns the machine's reply; durable when it returns.
    /// Waits while the queue is full.
    ///
    /// # Errors
    /// `NotLeader` when it was not taken; `Unavailable` when its outcome is unknown.
    pub async fn propose(&self, command: Bytes, weight: usize) -> Result<Bytes, Error> {
        let counters = &self.inner.counters;
        counters.proposals.fetch_add(1, Ordering::Relaxed);
        counters.queued.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let sent = self
            .inner
            .proposals
            .send(Proposal {
                command,
                weight,
                reply,
            })
            .await;
        if sent.is_err() {
            counters.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(self.ended());
        }
        let outcome = answer.await.unwrap_or_else(|_| Err(self.ended()));
        if outcome.is_err() {
            counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// When it returns, the local machine has applied every command acknowledged anywhere before
    /// the call. All callers waiting share one round.
    ///
    /// # Errors
    /// `NotLeader`, `Unavailable`, `Closed`.
    pub async fn read_barrier(&self) -> Result<(), Error> {
        if self.inner.counters.alone.load(Ordering::Acquire) {
            return Ok(());
        }
        self.confirm_leadership().await
    }

    /// The read barrier without its one-voter short cut.
    ///
    /// # Errors
    /// As `read_barrier`.
    pub async fn confirm_leadership(&self) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        self.inner
            .barriers
            .send(done)
            .await
            .map_err(|_| self.ended())?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Flushes the state and purges the log up to it.
    ///
    /// # Errors
    /// `Closed` when the member has ended.
    pub async fn flush(&self) -> Result<(), Error> {
        self.order(life::Order::Flush).await
    }

    /// Takes a member in: it becomes a learner, and a voter once it has caught up. A member of
    /// the same name is replaced. Asking again is harmless.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason, while it catches up too.
    pub async fn add_member(&self, id: u64, member: &Member) -> Result<(), Error> {
        self.change(Change {
            add: Some(NodeRecord::new(id, member)),
            ..Change::default()
        })
        .await
    }

    /// Removes a member by its name, the leader too.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason.
    pub async fn remove_member(&self, name: &str) -> Result<(), Error> {
        self.change(Change {
            remove: name.into(),
            ..Change::default()
        })
        .await
    }

    /// Hands the leadership to a member by its name.
    ///
    /// # Errors
    /// `NotLeader`; `Unavailable` with the reason.
    pub async fn transfer(&self, name: &str) -> Result<(), Error> {
        self.change(Change {
            transfer: name.into(),
            ..Change::default()
        })
        .await
    }

    async fn change(&self, change: Change) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        self.order(life::Order::Change(change, done)).await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Asks another member something that the log has no part in.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached in time.
    pub async fn ask(&self, peer: &Peer, question: Bytes) -> Result<Bytes, Error> {
        let (done, answer) = oneshot::channel();
        self.order(life::Order::Ask(peer.clone(), question, done))
            .await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Who takes part, by name.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let now = self.inner.metrics.borrow_watched();
        let membership = now.membership_config.membership();
        let reached = |id: &u64| {
            if *id == now.id {
                return now.last_log_index;
            }
            let at = now.replication.as_ref()?.get(id).copied().flatten();
            at.map(|at| at.index)
        };
        let mut peers: Vec<Peer> = membership
            .nodes()
            .map(|(id, member)| Peer {
                id: *id,
                member: member.clone(),
                voter: membership.voter_ids().any(|voter| voter == *id),
                leader: now.current_leader == Some(*id),
                own: *id == now.id,
                reached: reached(id),
            })
            .collect();
        peers.sort_by(|a, b| a.member.name.cmp(&b.member.name));
        peers
    }

    async fn order(&self, order: life::Order) -> Result<(), Error> {
        self.inner
            .orders
            .send(order)
            .await
            .map_err(|_| self.ended())
    }

    /// Follows what the member is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    #[must_use]
    pub fn metrics(&self) -> NodeMetrics {
        let raft = self.inner.metrics.borrow_watched();
        let log = self
            .inner
            .log
            .upgrade()
            .map(|log| log.metrics())
            .unwrap_or_default();
        let counters = &self.inner.counters;
        NodeMetrics {
            term: raft.current_term,
            last_index: raft.last_log_index.unwrap_or(0),
            applied_index: raft.last_applied.map_or(0, |p| p.index),
            flushed_index: raft.snapshot.map_or(0, |p| p.index),
            purged_index: raft.purged.map_or(0, |p| p.index),
            queued: counters.queued.load(Ordering::Relaxed),
            proposals: counters.proposals.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            frames: counters.frames.load(Ordering::Relaxed),
            log_writes: log.writes,
            log_bytes: log.bytes,
            syncs: log.syncs,
            log_db_bytes: log.db_bytes,
            memtable_bytes: log.memtable_bytes,
        }
    }

    /// Stops the member, flushes the state unless it is fenced, and returns when all of its
    /// files are closed. Stopping twice is the same as once.
    pub async fn stop(&self) {
        if let Some(stop) = self.inner.stop.lock().take() {
            // The thread may have ended by itself.
            let _ = stop.send(Stop::Gracefully);
        }
        let mut status = self.inner.status.clone();
        // An error means that the thread is gone, which is what is waited for.
        let _ = status.wait_for(|s| s.closed).await;
    }

    fn ended(&self) -> Error {
        match &self.inner.status.borrow().fault {
            Some(fault) => Error::Unavailable(fault.to_string()),
            None => Error::Closed,
        }
    }
}
