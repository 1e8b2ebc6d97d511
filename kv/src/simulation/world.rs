//! One run: members are started, clients and watchers work while faults strike, everything heals, and then all of it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::impls::BasicNode;
use openraft::rt::AsyncRuntime;
use parking_lot::Mutex;
use triad_fault::Dice;
use triad_fault::linear::{self, Operation, Outcome};

use super::client::{Client, REGISTERS, barrier, key, propose, put};
use super::clock::{self, Instant, sleep, timeout};
use super::life::Seeded;
use super::member::Member;
use super::network::Net;
use super::observer::{Counts, Observer};
use super::plan::{Plan, strike};
use super::watcher::{Told, watch};
use crate::command::{Command, ExpireKey};
use crate::{Entry, Revision, Txn};

/// How long the cluster may take to be well again, by its own clock.
const HEALING: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// The clocks of members differ; this is when they begin.
const EPOCH: u64 = 1_800_000_000;

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) net: Arc<Net>,
    pub(super) observer: Arc<Observer>,
    members: BTreeMap<u64, Member>,
    over: AtomicBool,
    settled: AtomicU64,
    values: AtomicU64,
    history: Mutex<Vec<Operation>>,
    acknowledged: Mutex<Vec<(Revision, usize, u64)>>,
    /// How far each watcher has been told.
    pub(super) told: BTreeMap<u64, AtomicU64>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) unknown: u64,
    pub(super) events: u64,
}

/// Plays one seed; what was violated, if anything was.
pub(super) fn run(seed: u64, plan: Plan) -> Result<Tally, String> {
    clock::begin();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(clock::advance)
        .build()
        .unwrap();
    let dir = tempfile::tempdir_in(memory()).unwrap();
    let outcome = runtime.block_on(clock::drive(Seeded::scope(
        seed,
        play(seed, plan, dir.path()),
    )));
    // The databases close before their files go.
    drop(runtime);
    outcome.map_err(|what| format!("seed {seed}: {what}"))
}

/// Where files are no more than memory, if there is such a place.
fn memory() -> std::path::PathBuf {
    let shared = std::path::Path::new("/dev/shm");
    if shared.is_dir() {
        shared.into()
    } else {
        std::env::temp_dir()
    }
}

async fn play(seed: u64, plan: Plan, root: &std::path::Path) -> Result<Tally, String> {
    let mut dice = Dice::new(seed);
    let members: BTreeMap<u64, Member> = (1..=plan.members + plan.guests)
        .map(|id| (id, Member::new(id, root, dice.roll(), plan.flaws)))
        .collect();
    let world = Arc::new(World {
        plan,
        net: Net::new(dice.roll()),
        observer: Arc::default(),
        told: members.keys().map(|id| (*id, AtomicU64::new(0))).collect(),
        members,
        over: AtomicBool::new(false),
        settled: AtomicU64::new(u64::MAX),
        values: AtomicU64::new(1),
        history: Mutex::default(),
        acknowledged: Mutex::default(),
    });
    world.found().await?;
    let mut clients = Vec::new();
    for id in 1..=plan.members {
        for _ in 0..plan.clients_each {
            let client = Client {
                world: world.clone(),
                own: id,
                dice: Dice::new(dice.roll()),
            };
            clients.push(Seeded::spawn(client.run()));
        }
    }
    clients.push(Seeded::spawn(expire(world.clone())));
    let watchers: Vec<_> = (1..=plan.members)
        .map(|id| Seeded::spawn(watch(world.clone(), id)))
        .collect();
    for _ in 0..plan.faults {
        sleep(Duration::from_millis(50 + dice.below(400))).await;
        strike(&world, &mut dice).await;
        if let Some(what) = world.observer.violation() {
            return Err(what);
        }
    }
    world.heal().await;
    world.over.store(true, Relaxed);
    for client in clients {
        client.await.map_err(|e| e.to_string())?;
    }
    let last = world.settle().await?;
    let mut told = Vec::new();
    for watcher in watchers {
        let told_to = timeout(HEALING, watcher).await;
        let told_to = told_to.map_err(|_| format!("a watcher is not told up to {last}"))?;
        told.push(told_to.map_err(|e| e.to_string())?);
    }
    let tally = world.judge(&told);
    for id in world.ids() {
        world.crash(id);
    }
    tally
}

/// Does what the leader's store does now and then: keys whose time has come are deleted.
async fn expire(world: Arc<World>) {
    while !world.is_over() {
        sleep(Duration::from_millis(500)).await;
        for id in world.ids() {
            let Some(alive) = world.member(id).alive().filter(|a| a.leader() == Some(id)) else {
                continue;
            };
            let now = world.clock(id);
            let due = alive.slot.state().view().unwrap().expired(now, 10).unwrap();
            drop(alive);
            let keys = due
                .into_iter()
                .map(|(key, mod_revision)| ExpireKey { key, mod_revision });
            let keys: Vec<ExpireKey> = keys.collect();
            if !keys.is_empty() {
                // Tried again at the next look.
                let _ = propose(&world, id, &Command::expire(keys, now)).await;
            }
        }
    }
}

/// Takes a guest in, or lets it go.
pub(super) async fn move_guest(world: &World, dice: &mut Dice) {
    let guest = world.plan.members + 1 + dice.below(world.plan.guests);
    let leader = world.ids().into_iter().find_map(|id| {
        let alive = world.member(id).alive()?;
        (alive.leader() == Some(id)).then_some(alive)
    });
    let Some(leader) = leader else { return };
    let limit = Duration::from_secs(3);
    let voters: BTreeSet<u64> = leader.raft.voter_ids().collect();
    // A change that is not done in time is finished, or not, by whoever leads next.
    if voters.contains(&guest) {
        let change = ChangeMembers::RemoveVoters(BTreeSet::from([guest]));
        let _ = timeout(limit, leader.raft.change_membership(change, true)).await;
    } else {
        let added = leader.raft.add_learner(guest, BasicNode::default(), true);
        if matches!(timeout(limit, added).await, Ok(Ok(_))) {
            let change = ChangeMembers::AddVoterIds(BTreeSet::from([guest]));
            let _ = timeout(limit, leader.raft.change_membership(change, true)).await;
        }
    }
}

impl World {
    pub(super) fn member(&self, id: u64) -> &Member {
        &self.members[&id]
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    pub(super) async fn start(&self, id: u64) {
        self.member(id).start(&self.net, &self.observer).await;
    }

    pub(super) fn crash(&self, id: u64) {
        self.member(id).crash(&self.net);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    pub(super) fn is_settled(&self, at: Revision) -> bool {
        at.0 >= self.settled.load(Relaxed)
    }

    pub(super) fn next_value(&self) -> u64 {
        self.values.fetch_add(1, Relaxed)
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        Instant::now().nanoseconds()
    }

    /// A member's clock, in unix seconds.
    pub(super) fn clock(&self, id: u64) -> u64 {
        EPOCH + 2 * id + self.now() / 1_000_000_000
    }

    pub(super) fn note(&self, operation: Operation) {
        self.history.lock().push(operation);
    }

    pub(super) fn acknowledged(&self, revision: Revision, register: usize, value: u64) {
        self.acknowledged.lock().push((revision, register, value));
    }

    /// What all watchers have been told.
    pub(super) fn told_all(&self) -> u64 {
        let voters = self.told.range(..=self.plan.members);
        voters.map(|(_, at)| at.load(Relaxed)).min().unwrap_or(0)
    }

    async fn found(&self) -> Result<(), String> {
        for id in self.ids() {
            self.start(id).await;
        }
        let founders = (1..=self.plan.members).map(|id| (id, BasicNode::default()));
        let founders: BTreeMap<u64, BasicNode> = founders.collect();
        let first = self.member(1).alive().ok_or("nobody is there")?;
        let founded = first.raft.initialize(founders).await;
        founded.map_err(|e| e.to_string())
    }

    async fn heal(&self) {
        self.net.heal();
        for id in self.ids() {
            self.member(id).disk.set_slowness(0);
            if self.member(id).alive().is_none() {
                self.start(id).await;
            }
        }
    }

    /// A last write, which everybody comes to know.
    async fn settle(&self) -> Result<u64, String> {
        let deadline = Instant::now() + HEALING;
        let value = self.next_value();
        let last = loop {
            let txn = Txn {
                compares: Vec::new(),
                changes: vec![put(key(0), value, None)],
            };
            let began = self.now();
            let command = Command::txn(txn, self.clock(1));
            match propose(self, 1, &command).await {
                Ok((reply, _)) => {
                    self.note(Operation {
                        register: 0,
                        call: linear::Call::Write(value),
                        outcome: Outcome::Done,
                        began,
                        ended: self.now(),
                    });
                    break reply.revision;
                }
                Err(_) if Instant::now() > deadline => {
                    return Err("the cluster does not heal".into());
                }
                Err(_) => sleep(PAUSE).await,
            }
        };
        for id in 1..=self.plan.members {
            while barrier(self, id).await.is_err() {
                if Instant::now() > deadline {
                    return Err(format!("{id} does not catch up"));
                }
                sleep(PAUSE).await;
            }
        }
        self.settled.store(last, Relaxed);
        Ok(last)
    }

    fn judge(&self, told: &[Vec<Told>]) -> Result<Tally, String> {
        if let Some(what) = self.observer.violation() {
            return Err(what);
        }
        let mut tally = Tally {
            counts: self.observer.counts(),
            events: told.iter().map(|told| told.len() as u64).sum(),
            ..Tally::default()
        };
        let history = self.history.lock();
        for operation in history.iter() {
            match operation.outcome {
                Outcome::Done => tally.writes += 1,
                Outcome::Unknown => tally.unknown += 1,
                Outcome::Value(_) | Outcome::Conflict => tally.reads += 1,
            }
        }
        for register in 0..REGISTERS {
            let of = history.iter().filter(|o| o.register == register).copied();
            let of: Vec<Operation> = of.collect();
            linear::check(&of, 0)
                .map_err(|why| format!("register {register} is not linearizable: {why}"))?;
        }
        self.same_everywhere()?;
        self.nothing_lost()?;
        self.watches_agree(told)?;
        Ok(tally)
    }

    fn contents(&self, id: u64) -> Result<Vec<Entry>, String> {
        let alive = self.member(id).alive().ok_or("it is gone")?;
        let state = alive.slot.state();
        let mut entries = Vec::new();
        let visit = |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        };
        let view = state.view().map_err(|e| e.to_string())?;
        view.visit_latest(b"/r/", b"/r0", visit)
            .map_err(|e| e.to_string())?;
        Ok(entries)
    }

    fn same_everywhere(&self) -> Result<(), String> {
        let first = self.contents(1)?;
        for id in 2..=self.plan.members {
            if self.contents(id)? != first {
                return Err(format!("{id} holds something else than 1"));
            }
        }
        Ok(())
    }

    /// Every acknowledged write is in the history, at its revision, on every member.
    fn nothing_lost(&self) -> Result<(), String> {
        for id in 1..=self.plan.members {
            let alive = self.member(id).alive().ok_or("it is gone")?;
            let state = alive.slot.state();
            let view = state.view().map_err(|e| e.to_string())?;
            for (revision, register, value) in self.acknowledged.lock().iter() {
                if revision.0 < view.stand.compacted {
                    continue;
                }
                let entry = view.version_at(&key(*register), revision.0);
                let entry = entry.map_err(|e| e.to_string())?;
                let there = entry
                    .is_some_and(|e| e.mod_revision == *revision && e.value == value.to_string());
                if !there {
                    return Err(format!(
                        "{value} was acknowledged at {revision} and is not on {id}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn watches_agree(&self, told: &[Vec<Told>]) -> Result<(), String> {
        for (n, other) in told.iter().enumerate().skip(1) {
            let differs = other.iter().zip(&told[0]).position(|(a, b)| a != b);
            if differs.is_some() || other.len() != told[0].len() {
                return Err(format!(
                    "watch {n} and watch 0 were told different things, from {differs:?} on"
                ));
            }
        }
        for (revision, register, value) in self.acknowledged.lock().iter() {
            let event = (
                revision.0,
                format!("/r/{register}"),
                Some(value.to_string()),
            );
            if !told[0].contains(&event) {
                return Err(format!(
                    "{value} was acknowledged at {revision}, and no watch was told"
                ));
            }
        }
        Ok(())
    }
}
