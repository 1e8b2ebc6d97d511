//! What lies between the members: every message takes a time, some are lost, and cuts let nothing through in one direction. A
//! stream keeps its order, and breaks where something of it is lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::StreamExt;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, Raft, RaftNetworkFactory};
use parking_lot::Mutex;
use triad_fault::Dice;
use triad_raft::session::Session;

use super::clock::{Instant, sleep, sleep_until, timeout};
use super::driver::{Driver, Source, snapshot};
use super::types::{Sim, Vote};

pub(super) type SimRaft = Raft<Sim, Driver>;
type Rpc<T> = Result<T, RPCError<Sim>>;

/// How long a connection that is silent is believed in.
const SILENCE: Duration = Duration::from_millis(600);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Requests on their way on one stream.
const UNDER_WAY: usize = 64;

/// From one member to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) cut: bool,
    pub(super) delay_ms: u64,
    /// Of a hundred messages.
    pub(super) lost: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            cut: false,
            delay_ms: 3,
            lost: 0,
        }
    }
}

struct Host {
    raft: SimRaft,
    dir: PathBuf,
}

pub(super) struct Net {
    hosts: Mutex<BTreeMap<u64, Host>>,
    weather: Mutex<BTreeMap<(u64, u64), Weather>>,
    dice: Mutex<Dice>,
    copies: AtomicU64,
}

impl Net {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            hosts: Mutex::default(),
            weather: Mutex::default(),
            dice: Mutex::new(Dice::new(seed)),
            copies: AtomicU64::new(0),
        })
    }

    pub(super) fn put(&self, id: u64, raft: SimRaft, dir: PathBuf) {
        self.hosts.lock().insert(id, Host { raft, dir });
    }

    pub(super) fn take(&self, id: u64) {
        self.hosts.lock().remove(&id);
    }

    pub(super) fn raft(&self, id: u64) -> Option<SimRaft> {
        self.hosts.lock().get(&id).map(|host| host.raft.clone())
    }

    pub(super) fn set(&self, from: u64, to: u64, weather: Weather) {
        self.weather.lock().insert((from, to), weather);
    }

    pub(super) fn heal(&self) {
        self.weather.lock().clear();
    }

    /// When a message that is sent now arrives; `None` when it does not.
    fn arrival(&self, from: u64, to: u64) -> Option<Instant> {
        let weather = self
            .weather
            .lock()
            .get(&(from, to))
            .copied()
            .unwrap_or_default();
        let mut dice = self.dice.lock();
        let takes = 100 + dice.below(1 + weather.delay_ms * 1_000);
        let lost = weather.cut || dice.below(100) < weather.lost;
        (!lost).then(|| Instant::now() + Duration::from_micros(takes))
    }

    /// Carries one message; one that is lost is waited for without end.
    async fn pass(&self, from: u64, to: u64) {
        match self.arrival(from, to) {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Asks a member something and brings back its answer; `None` when there is none in time.
    pub(super) async fn call<T, F: Future<Output = T>>(
        &self,
        (from, to): (u64, u64),
        limit: Duration,
        ask: impl FnOnce(SimRaft) -> F,
    ) -> Option<T> {
        let answered = async {
            self.pass(from, to).await;
            let raft = self.raft(to)?;
            let answer = ask(raft).await;
            self.pass(to, from).await;
            Some(answer)
        };
        timeout(limit, answered).await.ok().flatten()
    }
}

pub(super) struct Network {
    pub(super) own: u64,
    pub(super) net: Arc<Net>,
}

pub(super) struct Link {
    ends: (u64, u64),
    net: Arc<Net>,
}

impl RaftNetworkFactory<Sim> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Link {
        Link {
            ends: (self.own, target),
            net: self.net.clone(),
        }
    }
}

fn silent<T>(answer: Option<T>) -> Rpc<T> {
    let why = std::io::Error::other("it does not answer");
    answer.ok_or_else(|| RPCError::Unreachable(Unreachable::new(&why)))
}

fn broken(why: impl std::fmt::Display) -> RPCError<Sim> {
    RPCError::Network(NetworkError::new(&std::io::Error::other(why.to_string())))
}

impl NetVote<Sim> for Link {
    async fn vote(
        &mut self,
        request: VoteRequest<Sim>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<Sim>> {
        let ask = |raft: SimRaft| async move { raft.vote(request).await };
        silent(self.net.call(self.ends, option.hard_ttl(), ask).await)?.map_err(broken)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Sim>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<Sim>> {
        let ask = |raft: SimRaft| async move { raft.pre_vote(request).await };
        silent(self.net.call(self.ends, option.hard_ttl(), ask).await)?.map_err(broken)
    }
}

impl NetTransferLeader<Sim> for Link {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Sim>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<Sim>> {
        let ask = |raft: SimRaft| async move { raft.handle_transfer_leader(request).await };
        silent(self.net.call(self.ends, option.hard_ttl(), ask).await)?.map_err(broken)
    }
}

impl NetBackoff<Sim> for Link {
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_INTERVAL)))
    }
}

impl NetStreamAppend<Sim> for Link {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<Sim>>>>>
    where
        S: futures_util::Stream<Item = AppendEntriesRequest<Sim>> + OptionalSend + Unpin + 'static,
    {
        let ((from, to), net) = (self.ends, self.net.clone());
        let (session, input) = Session::begin(input);
        Box::pin(async move {
            let connected = net
                .call((from, to), SILENCE, |raft| async move { raft })
                .await;
            let Some(raft) = connected else {
                sleep(RETRY_INTERVAL).await;
                return silent(None);
            };
            let (out, back) = (net.clone(), net);
            let requests = input
                .map(move |request| {
                    let arrival = out.arrival(from, to);
                    async move {
                        sleep_until(arrival?).await;
                        Some(request)
                    }
                })
                .buffered(UNDER_WAY)
                .scan((), |(), arrived| std::future::ready(arrived));
            let answers = raft.stream_append(requests).map(move |answer| {
                let arrival = back.arrival(to, from);
                async move {
                    let Some(at) = arrival else {
                        sleep(SILENCE).await;
                        return Err(broken("the connection is silent"));
                    };
                    sleep_until(at).await;
                    answer.map_err(broken)
                }
            });
            Ok(session.answers(answers.buffered(UNDER_WAY)).boxed())
        })
    }
}

impl NetSnapshot<Sim> for Link {
    type SnapshotData = Source;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        sent: openraft::alias::SnapshotOf<Sim, Source>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Sim>, StreamingError<Sim>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_state(vote, sent.snapshot) => sent.map_err(|e| match e {
                RPCError::Unreachable(e) => StreamingError::Unreachable(e),
                RPCError::Network(e) => StreamingError::Network(e),
                RPCError::Timeout(e) => StreamingError::Timeout(e),
                RPCError::RemoteError(e) => match e.source {},
            }),
        }
    }
}

impl Link {
    /// Copies the state, which may be newer than what was promised, and has it installed when all of it has arrived.
    async fn send_state(&self, vote: Vote, source: Source) -> Rpc<SnapshotResponse<Sim>> {
        let Source::Local(files) = source else {
            return Err(broken("what was received is not sent on"));
        };
        let (_, to) = self.ends;
        let dir = self.net.hosts.lock().get(&to).map(|host| host.dir.clone());
        let dir = silent(dir)?;
        let copy = self.net.copies.fetch_add(1, Relaxed);
        let place = dir.join(format!("incoming-{copy}"));
        let stand = files.checkpoint(&place).map_err(broken)?;
        // Three messages: the offer, the files, the word to install them.
        for _ in 0..2 {
            silent(self.net.call(self.ends, SILENCE, |_| async {}).await)?;
        }
        let ask = |raft: SimRaft| async move {
            raft.install_full_snapshot(vote, snapshot(&stand, Source::Received(place)))
                .await
        };
        let installed = self.net.call(self.ends, 10 * SILENCE, ask).await;
        silent(installed)?.map_err(broken)
    }
}
