//! The node's thread: it opens the log, starts openraft, serves orders, says what it knows, and
//! closes everything in order. A leader that stops hands its place over first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::{Instant, Raft, RaftMetrics, ServerState};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::care::{Care, Hold};
use super::forward::Forward;
use super::gate::Gate;
use super::lead::Lead;
use super::{Counters, Inner, NodeOptions, Peer, Status, Stop, barrier, batcher, start};
use crate::log_store::LogStore;
use crate::peers::Change;
use crate::state_machine::Driver;
use crate::type_config::TypeConfig;
use crate::{Error, StateFiles, StateMachine, failpoint};

/// How often the need to flush is looked at.
const CARE_INTERVAL: Duration = Duration::from_millis(500);
/// Orders waiting; when it is full whoever gives one waits.
const QUEUE_ORDERS: usize = 16;

pub(super) type TriadRaft<S> = Raft<TypeConfig, Driver<S>>;

/// How long another member may take to answer a question.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// A majority not heard from for this long is taken to be gone.
pub(super) const QUORUM_LIMIT: Duration = Duration::from_millis(1500);

pub(super) enum Order {
    Flush,
    Change(Change, oneshot::Sender<Result<(), Error>>),
    Ask(Peer, Bytes, oneshot::Sender<Result<Bytes, Error>>),
}

/// The receiving ends that the thread keeps.
struct Inbox {
    proposals: mpsc::Receiver<batcher::Proposal>,
    barriers: mpsc::Receiver<barrier::Waiter>,
    orders: mpsc::Receiver<Order>,
    stop: oneshot::Receiver<Stop>,
    status: watch::Sender<Status>,
    counters: Arc<Counters>,
    hold: Arc<Hold>,
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
    let hold = Arc::<Hold>::default();
    let inbox = Inbox {
        proposals: proposals_rx,
        barriers: barriers_rx,
        orders: orders_rx,
        stop: stop_rx,
        status: status_tx,
        counters: counters.clone(),
        hold: hold.clone(),
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
        hold,
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
    let files = machine.files();
    let dialer = start::dialer(&options);
    let removed = dialer.removed.clone();
    let begun = start::begin(&options, machine, &log, dialer.clone()).await;
    let (raft, applied) = match begun {
        Ok(begun) => begun,
        Err(e) => {
            let _ = ready.send(Err(log.fault().unwrap_or(e)));
            return;
        }
    };
    let lead = Lead {
        raft: raft.clone(),
        counters: inbox.counters.clone(),
        me: options.identity.node,
        member: options.member.clone(),
        changing: Arc::default(),
        gate: Arc::<Gate>::default(),
    };
    if let Err(e) = start::open_gate(&options, &lead).await {
        let _ = ready.send(Err(e));
        return;
    }
    let forward = Arc::new(Forward::new(lead.clone(), dialer, applied));
    let metrics = raft.metrics();
    let mut server = raft.server_metrics();
    publish(&server.borrow_watched(), &inbox.status, &lead);
    tokio::spawn(batcher::run(
        forward.clone(),
        inbox.proposals,
        options.clone(),
        inbox.counters.clone(),
    ));
    tokio::spawn(barrier::run(forward.clone(), inbox.barriers));
    let _ = ready.send(Ok(Started {
        metrics: metrics.clone(),
        log: log.watch(),
    }));

    let mut care = Care::new(&raft, &log, &options, inbox.hold.clone());
    let mut fenced = log.fenced();
    let mut probe: Option<JoinHandle<bool>> = None;
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
                publish(&server.borrow_and_update(), &inbox.status, &lead);
            }
            Some(order) = inbox.orders.recv() => match order {
                Order::Flush => care.flush().await,
                Order::Change(change, done) => {
                    let forward = forward.clone();
                    tokio::spawn(async move {
                        // Whoever asked may have gone away.
                        let _ = done.send(forward.change(change).await);
                    });
                }
                Order::Ask(peer, question, done) => {
                    let forward = forward.clone();
                    tokio::spawn(async move {
                        let asked = forward.question(peer.id, &peer.member, question, ASK_LIMIT);
                        let _ = done.send(asked.await);
                    });
                }
            },
            _ = tick.tick() => {
                let now = metrics.borrow_watched().clone();
                if let Err(e) = &now.running_state {
                    log.fence(Error::io("raft stopped", e));
                    break;
                }
                care.look(&now).await;
                let quorum = hears_quorum(&lead, &now).await;
                if !quorum && probe.as_ref().is_none_or(JoinHandle::is_finished) {
                    // Whoever was removed calls for no election: only an answer tells it.
                    let forward = forward.clone();
                    probe = Some(tokio::spawn(async move { forward.read_barrier().await.is_ok() }));
                }
                // A leader that is heard from is believed before one that may be of the past.
                let removed = removed.fetch_and(!quorum, Ordering::Relaxed) && !quorum;
                inbox.status.send_if_modified(|s| {
                    let before = (s.quorum, s.removed);
                    (s.quorum, s.removed) = (quorum, s.removed || removed);
                    before != (s.quorum, s.removed)
                });
            }
        }
    }
    if log.fault().is_none()
        && raft.is_leader()
        && let Some(heir) = lead.heir()
    {
        lead.hand_over(heir).await;
    }
    inbox.counters.alone.store(false, Ordering::Release);
    if let Some(fault) = log.fault() {
        inbox.status.send_modify(|s| {
            s.leading = false;
            s.fault = Some(fault);
        });
    }
    // It holds what it opens, which holds it.
    lead.gate.forget();
    end(&raft, &log, files).await;
}

fn publish<S: StateMachine>(
    now: &RaftServerMetrics<TypeConfig>,
    status: &watch::Sender<Status>,
    lead: &Lead<S>,
) {
    let leading = now.state == ServerState::Leader;
    let members = now.membership_config.membership();
    let leader = now
        .current_leader
        .and_then(|id| members.get_node(&id))
        .map(|m| m.name.clone());
    let alone = leading
        && members.voter_ids().eq([lead.me])
        && !lead.counters.several.load(Ordering::Acquire);
    lead.counters.alone.store(alone, Ordering::Release);
    status.send_if_modified(|s| {
        let changed = s.leading != leading || s.leader != leader;
        s.leading = leading;
        s.quorum |= changed && leader.is_some();
        s.leader = leader;
        changed
    });
}

/// Whether a majority stands behind what this member knows: acknowledged lately to the leader, or
/// the leader was heard from lately.
async fn hears_quorum<S: StateMachine>(lead: &Lead<S>, now: &RaftMetrics<TypeConfig>) -> bool {
    if now.current_leader.is_none() {
        return false;
    }
    if now.state == ServerState::Leader {
        return lead.hears_majority();
    }
    let touched = lead
        .raft
        .with_raft_state(|state| state.vote_last_modified());
    // An error means that raft has stopped.
    matches!(touched.await, Ok(Some(at)) if at.elapsed() < QUORUM_LIMIT)
}

async fn end<S: StateMachine>(raft: &TriadRaft<S>, log: &LogStore, files: Arc<dyn StateFiles>) {
    failpoint!("close.begin");
    if let Err(e) = raft.shutdown().await {
        tracing::error!(error = %e, "raft did not shut down cleanly");
    }
    if log.fault().is_none() {
        // So that the next start has nothing to replay; without it the log has all.
        failpoint!("close.flush");
        let flushed = tokio::task::spawn_blocking(move || files.flush()).await;
        failpoint!("close.flushed");
        if let Ok(Err(e)) = flushed {
            tracing::warn!(error = %e, "the state was not flushed at the end, the log will be replayed");
        }
    }
}
