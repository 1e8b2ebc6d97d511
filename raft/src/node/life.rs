//! The node's thread: it opens the log, starts openraft, waits for recovery, looks after
//! flushing and purging, and closes everything in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::{Config, Raft, RaftMetrics, ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{Counters, Inner, NodeOptions, Status, Stop, barrier, batcher};
use crate::log_store::LogStore;
use crate::network::NoPeers;
use crate::state_machine::Driver;
use crate::type_config::TypeConfig;
use crate::{Error, Flusher, StateMachine};

/// How long the replay of the log may take before the start is given up.
const RECOVERY_LIMIT: Duration = Duration::from_secs(600);
/// How often the need to flush is looked at.
const CARE_INTERVAL: Duration = Duration::from_millis(500);
/// Orders waiting; when it is full whoever gives one waits.
const QUEUE_ORDERS: usize = 16;

type TriadRaft<S> = Raft<TypeConfig, Driver<S>>;

pub(super) enum Order {
    Flush,
    Transfer(u64),
}

/// The receiving ends that the thread keeps.
struct Inbox {
    proposals: mpsc::Receiver<batcher::Proposal>,
    barriers: mpsc::Receiver<barrier::Waiter>,
    orders: mpsc::Receiver<Order>,
    stop: oneshot::Receiver<Stop>,
    status: watch::Sender<Status>,
    counters: Arc<Counters>,
}

/// What the handle needs of a node that has started.
struct Started {
    metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
    log: std::sync::Weak<crate::log_store::LogWatch>,
}

pub(super) async fn start<S: StateMachine>(
    options: NodeOptions,
    machine: S,
) -> Result<Inner, Error> {
    let (proposals, proposals_rx) = mpsc::channel(batcher::QUEUE_COMMANDS);
    let (barriers, barriers_rx) = mpsc::channel(barrier::QUEUE_READERS);
    let (orders, orders_rx) = mpsc::channel(QUEUE_ORDERS);
    let (stop, stop_rx) = oneshot::channel();
    let (status_tx, status) = watch::channel(Status::default());
    let counters = Arc::new(Counters::default());
    let inbox = Inbox {
        proposals: proposals_rx,
        barriers: barriers_rx,
        orders: orders_rx,
        stop: stop_rx,
        status: status_tx,
        counters: counters.clone(),
    };
    let (ready, started) = oneshot::channel();
    std::thread::Builder::new()
        .name("triad-raft".into())
        .spawn(move || run_thread(options, machine, inbox, ready))
        .map_err(|e| Error::io("starting the raft thread", e))?;
    let started: Started = started.await.unwrap_or(Err(Error::Closed))?;
    Ok(Inner {
        proposals,
        barriers,
        status,
        metrics: started.metrics,
        log: started.log,
        counters,
        stop: Mutex::new(Some(stop)),
        orders,
    })
}

type Ready = oneshot::Sender<Result<Started, Error>>;

fn run_thread<S: StateMachine>(options: NodeOptions, machine: S, inbox: Inbox, ready: Ready) {
    let status = inbox.status.clone();
    let opened = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("starting the raft runtime", e))
        .and_then(|runtime| LogStore::open(options.log.clone()).map(|log| (runtime, log)));
    match opened {
        Ok((runtime, (log, writer))) => {
            runtime.block_on(live(options, machine, log, inbox, ready));
            // Ends all tasks, and with them the last handles on the log, which ends its writer.
            drop(runtime);
            if writer.join().is_err() {
                tracing::error!("the log's thread panicked");
            }
        }
        Err(e) => {
            // Whoever started the node has gone away if this fails.
            let _ = ready.send(Err(e));
        }
    }
    status.send_modify(|s| {
        s.leading = false;
        s.closed = true;
    });
}

async fn live<S: StateMachine>(
    options: NodeOptions,
    machine: S,
    log: LogStore,
    mut inbox: Inbox,
    ready: Ready,
) {
    let flusher = machine.flusher();
    let raft = match begin(&options, machine, &log).await {
        Ok(raft) => raft,
        Err(e) => {
            let _ = ready.send(Err(log.fault().unwrap_or(e)));
            return;
        }
    };
    let metrics = raft.metrics();
    let mut server = raft.server_metrics();
    publish(
        &server.borrow_watched(),
        &inbox.status,
        &inbox.counters,
        &options,
    );
    tokio::spawn(batcher::run(
        raft.clone(),
        inbox.proposals,
        options.clone(),
        inbox.counters.clone(),
    ));
    tokio::spawn(barrier::run(raft.clone(), inbox.barriers));
    let _ = ready.send(Ok(Started {
        metrics: metrics.clone(),
        log: log.watch(),
    }));

    let mut care = Care {
        raft: &raft,
        log: &log,
        options: &options,
        bytes: log.bytes_written(),
        at: Instant::now(),
    };
    let mut fenced = log.fenced();
    let mut tick = tokio::time::interval(CARE_INTERVAL);
    loop {
        tokio::select! {
            _ = &mut inbox.stop => break,
            _ = fenced.wait_for(|f| *f) => break,
            changed = server.changed() => {
                if changed.is_err() {
                    log.fence(Error::io("raft", "it stopped by itself"));
                    break;
                }
                publish(&server.borrow_and_update(), &inbox.status, &inbox.counters, &options);
            }
            Some(order) = inbox.orders.recv() => care.obey(order).await,
            _ = tick.tick() => {
                let now = metrics.borrow_watched().clone();
                if let Err(e) = &now.running_state {
                    log.fence(Error::io("raft stopped", e));
                    break;
                }
                care.look(&now).await;
            }
        }
    }
    inbox.counters.alone.store(false, Ordering::Release);
    if let Some(fault) = log.fault() {
        inbox.status.send_modify(|s| {
            s.leading = false;
            s.fault = Some(fault);
        });
    }
    end(&raft, &log, flusher).await;
}

/// Starts openraft and returns when everything that the log held is applied.
async fn begin<S: StateMachine>(
    options: &NodeOptions,
    machine: S,
    log: &LogStore,
) -> Result<TriadRaft<S>, Error> {
    let stand = machine.flusher().flushed();
    let applied_end = stand.applied.map_or(0, |p| p.index + 1);
    let (reached, purged) = (
        log.last().map_or(0, |l| l.index + 1),
        log.purged().map_or(0, |l| l.index + 1),
    );
    if applied_end > reached {
        let what =
            format!("it ends before entry {reached}, but the state holds all before {applied_end}");
        return Err(Error::corrupt(what, options.log.dir.join("log")));
    }
    if applied_end < purged {
        let what =
            format!("it holds all before entry {applied_end}, but the log begins at {purged}");
        return Err(Error::corrupt(what, options.log.dir.join("state")));
    }
    let id = options.identity.node;
    let driver = Driver::new(machine, log.clone());
    let failed = |e: &dyn std::fmt::Display| Error::Unavailable(format!("starting raft: {e}"));
    let config = Arc::new(config()?);
    let raft = Raft::new(id, config, NoPeers, log.clone(), driver)
        .await
        .map_err(|e| failed(&e))?;
    if !raft.is_initialized().await.map_err(|e| failed(&e))? {
        let members = BTreeMap::from([(id, options.member.clone())]);
        raft.initialize(members).await.map_err(|e| failed(&e))?;
    } else if !raft.is_leader() && raft.voter_ids().eq([id]) {
        // Nobody else can lead: there is no reason to wait for a timeout.
        raft.trigger().elect(false).await.map_err(|e| failed(&e))?;
    }
    raft.wait_for_recovery(Some(RECOVERY_LIMIT))
        .await
        .map_err(|e| failed(&e))?;
    Ok(raft)
}

fn config() -> Result<Config, Error> {
    let config = Config {
        cluster_name: "triad".into(),
        heartbeat_interval: 100,
        election_timeout_min: 500,
        election_timeout_max: 1000,
        enable_pre_vote: Some(true),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|e| Error::io("raft's settings", e))
}

fn publish(
    now: &RaftServerMetrics<TypeConfig>,
    status: &watch::Sender<Status>,
    counters: &Counters,
    options: &NodeOptions,
) {
    let leading = now.state == ServerState::Leader;
    let members = now.membership_config.membership();
    let leader = now
        .current_leader
        .and_then(|id| members.get_node(&id))
        .map(|m| m.name.clone());
    let alone = leading && members.voter_ids().eq([options.identity.node]);
    counters.alone.store(alone, Ordering::Release);
    status.send_if_modified(|s| {
        let changed = s.leading != leading || s.leader != leader;
        s.leading = leading;
        s.leader = leader;
        changed
    });
}

async fn end<S: StateMachine>(raft: &TriadRaft<S>, log: &LogStore, flusher: Arc<dyn Flusher>) {
    if let Err(e) = raft.shutdown().await {
        tracing::error!(error = %e, "raft did not shut down cleanly");
    }
    if log.fault().is_none() {
        // So that the next start has nothing to replay; without it the log has all.
        let flushed = tokio::task::spawn_blocking(move || flusher.flush()).await;
        if let Ok(Err(e)) = flushed {
            tracing::warn!(error = %e, "the state was not flushed at the end, the log will be replayed");
        }
    }
}

/// Sees to it that the state is flushed and the log purged now and then.
struct Care<'a, S: StateMachine> {
    raft: &'a TriadRaft<S>,
    log: &'a LogStore,
    options: &'a NodeOptions,
    /// What the log had written, and when, at the last flush.
    bytes: u64,
    at: Instant,
}

impl<S: StateMachine> Care<'_, S> {
    async fn look(&mut self, now: &RaftMetrics<TypeConfig>) {
        let flushed = now.snapshot.map_or(0, |p| p.index + 1);
        if flushed > now.purged.map_or(0, |p| p.index + 1) {
            // Fails only when raft has stopped, which the loop sees by itself.
            let _ = self.raft.trigger().purge_log(flushed - 1).await;
        }
        let unflushed = now.last_applied.map_or(0, |p| p.index + 1) > flushed;
        let due = self.log.bytes_written() - self.bytes >= self.options.flush_bytes
            || self.at.elapsed() >= self.options.flush_interval;
        if unflushed && due {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        (self.bytes, self.at) = (self.log.bytes_written(), Instant::now());
        let _ = self.raft.trigger().snapshot().await;
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Flush => self.flush().await,
            Order::Transfer(to) => {
                let _ = self.raft.trigger().transfer_leader(to).await;
            }
        }
    }
}
