//! One run: a cluster is formed, clients and watchers work while faults strike, everything heals, and then it is judged.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use triad_fault::Dice;
use triad_fault::linear::{self, Call, Operation, Outcome};

use crate::bed::Bed;
use crate::client::{Client, Lost};
use crate::faults::{pick, strike};
use crate::history::History;
use crate::watching;

const MEMBERS: usize = 3;
const REGISTERS: usize = 4;
/// Clients of each member.
const CLIENTS: usize = 2;
const FAULTS: usize = 4;
/// How long a client waits after a call that nobody knows the end of.
const DOUBT: Duration = Duration::from_millis(150);
const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
/// How long the cluster may take to be well again.
const HEALING: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) writes: u64,
    reads: u64,
    conflicts: u64,
    unknown: u64,
    pub(crate) events: u64,
    faults: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.writes += other.writes;
        self.reads += other.reads;
        self.conflicts += other.conflicts;
        self.unknown += other.unknown;
        self.events += other.events;
        self.faults += other.faults;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            writes,
            reads,
            conflicts,
            unknown,
            events,
            faults,
        } = self;
        write!(
            f,
            "{writes} writes, {reads} reads, {conflicts} conflicts, {unknown} unknown, {events} events, {faults} faults"
        )
    }
}

pub(crate) fn one(seed: u64) -> Tally {
    runtime().block_on(play(seed))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// All members lose power a moment after the first write was acknowledged, several times over.
pub(crate) fn power_loss() {
    runtime().block_on(async {
        let mut bed = Bed::form(MEMBERS, 1).await;
        lay_out(&bed).await;
        let ca = bed.authority(0);
        let mut dice = Dice::new(1);
        for round in 1..=3 {
            let path = format!("{COLLECTION}/r0");
            let object = object(0, round, None);
            bed.client(0).insist("PUT", &path, &object).await;
            for n in 0..MEMBERS {
                bed.kill(n);
            }
            for n in 0..MEMBERS {
                bed.lose_power(n, &mut dice);
                bed.start(n, None);
            }
            for n in 0..MEMBERS {
                assert!(bed.ready(n).await);
                let found = bed.client(n).insist("GET", &path, &Value::Null).await;
                assert_eq!(value(&found), round, "m{n} in round {round}");
                assert_eq!(bed.authority(n), ca);
            }
        }
    });
}

#[expect(
    clippy::print_stdout,
    reason = "a run that fails is found again by its seed"
)]
async fn play(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let mut bed = Bed::form(MEMBERS, seed).await;
    let from = lay_out(&bed).await;
    let history = Arc::new(History::new());
    let values = Arc::new(AtomicU64::new(1));
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for n in 0..MEMBERS * CLIENTS {
        let worker = Worker {
            client: bed.client(n % MEMBERS),
            history: history.clone(),
            values: values.clone(),
            stop: stop.clone(),
            dice: Dice::new(dice.roll()),
            doubts: 0,
        };
        workers.push(tokio::spawn(worker.run()));
    }
    let end = Arc::new(AtomicBool::new(false));
    let reached: Vec<Arc<AtomicU64>> = (0..MEMBERS).map(|_| Arc::default()).collect();
    let watchers: Vec<_> = (0..MEMBERS)
        .map(|n| {
            let (client, reached) = (bed.client(n), reached[n].clone());
            let watched = watching::watch(client, COLLECTION.into(), from, end.clone(), reached);
            tokio::spawn(watched)
        })
        .collect();
    for _ in 0..FAULTS {
        tokio::time::sleep(Duration::from_millis(150 + dice.roll() % 300)).await;
        let what = strike(&mut bed, &mut dice).await;
        println!("  {seed}: {what}");
    }
    heal(&mut bed).await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let state = settle(&mut bed, &reached, &end).await;
    let mut told = Vec::new();
    for watcher in watchers {
        told.push(
            watcher
                .await
                .unwrap()
                .unwrap_or_else(|why| panic!("seed {seed}: {why}")),
        );
    }
    judge(seed, &history, &told, &state)
}

/// The registers, each holding 0; the revision that watches begin behind.
async fn lay_out(bed: &Bed) -> u64 {
    let mut last = 0;
    for register in 0..REGISTERS {
        let object = object(register, 0, None);
        let made = bed.client(0).insist("POST", COLLECTION, &object).await;
        last = revision(&made);
    }
    last
}

fn object(register: usize, value: u64, version: Option<&str>) -> Value {
    let mut metadata = json!({"name": format!("r{register}")});
    if let Some(version) = version {
        metadata["resourceVersion"] = version.into();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value.to_string()}})
}

fn revision(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|r| r.parse().ok()).unwrap()
}

fn value(object: &Value) -> u64 {
    let text = object["data"]["v"].as_str();
    text.and_then(|v| v.parse().ok()).unwrap()
}

struct Worker {
    client: Client,
    history: Arc<History>,
    values: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    dice: Dice,
    /// Calls so far that nobody knows the end of.
    doubts: u64,
}

impl Worker {
    async fn run(mut self) {
        // What this client saw last of each register: what it swaps.
        let mut seen: Vec<Option<(u64, String)>> = vec![None; REGISTERS];
        let mut doubts = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let register = pick(&mut self.dice, REGISTERS);
            let new = self.values.fetch_add(1, Ordering::Relaxed);
            let (call, version) = match (self.dice.below(3), seen[register].take()) {
                (0, _) => (Call::Write(new), None),
                (1, Some((old, version))) => (Call::Swap(old, new), Some(version)),
                _ => (Call::Read, None),
            };
            let found = self.carry_out(register, call, version.as_deref()).await;
            if self.doubts > doubts {
                // Every call that nobody knows the end of doubles what has to be judged.
                tokio::time::sleep(DOUBT).await;
                doubts = self.doubts;
            }
            if let Some(object) = found {
                let version = object["metadata"]["resourceVersion"].as_str();
                seen[register] = version.map(|v| (value(&object), v.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(self.dice.roll() % 6)).await;
        }
    }

    /// Makes the call and notes it; the object that it left or found.
    async fn carry_out(
        &mut self,
        register: usize,
        call: Call,
        version: Option<&str>,
    ) -> Option<Value> {
        let path = format!("{COLLECTION}/r{register}");
        let began = self.history.now();
        let answer = match call {
            Call::Read => self.client.call("GET", &path, None).await,
            Call::Write(new) | Call::Swap(_, new) => {
                let object = object(register, new, version);
                self.client.call("PUT", &path, Some(&object)).await
            }
        };
        let ended = self.history.now();
        let (outcome, found) = match (call, answer) {
            (_, Err(Lost::Unsent)) => return None,
            (Call::Read, Ok((200, object))) => (Outcome::Value(value(&object)), Some(object)),
            (_, Ok((200, object))) => (Outcome::Done, Some(object)),
            (Call::Swap(..), Ok((409, _))) => (Outcome::Conflict, None),
            (_, Ok((code, body))) if code < 500 && code != 429 => {
                panic!("{call:?} of r{register} was answered {code}: {body}")
            }
            _ => (Outcome::Unknown, None),
        };
        self.doubts += u64::from(outcome == Outcome::Unknown);
        self.history.add(Operation {
            register,
            call,
            outcome,
            began,
            ended: if outcome == Outcome::Unknown {
                u64::MAX
            } else {
                ended
            },
        });
        found
    }
}

/// Everything runs, everybody reaches everybody, every member takes writes.
async fn heal(bed: &mut Bed) {
    for n in 0..bed.count() {
        if !bed.running(n) {
            bed.start(n, None);
        }
    }
    for n in 0..bed.count() {
        while !bed.ready(n).await {
            // It found out only now what was done to its files.
            bed.replace(n).await;
        }
    }
}

/// Waits until all watchers have seen the last event, ends them, and reads what is there.
async fn settle(
    bed: &mut Bed,
    reached: &[Arc<AtomicU64>],
    end: &AtomicBool,
) -> BTreeMap<String, String> {
    // A last write, so that there is something to wait for.
    let began = Instant::now();
    let path = format!("{COLLECTION}/r0");
    let last = loop {
        let n = usize::try_from(began.elapsed().as_millis() / 500).unwrap_or(0) % bed.count();
        match bed
            .client(n)
            .json("PUT", &path, &object(0, u64::MAX, None))
            .await
        {
            Ok(object) => break revision(&object),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        assert!(
            began.elapsed() < HEALING,
            "the cluster does not heal:\n{}",
            bed.tail(0)
        );
    };
    let behind = |n: &usize| reached[*n].load(Ordering::Relaxed) < last;
    while let Some(silent) = (0..bed.count()).find(behind) {
        assert!(
            began.elapsed() < HEALING,
            "the watch of m{silent} does not reach {last}:\n{}",
            bed.tail(silent)
        );
        for n in 0..bed.count() {
            if bed.is_lost(n) {
                bed.replace(n).await;
                bed.ready(n).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.store(true, Ordering::Relaxed);
    let mut state = BTreeMap::new();
    for register in 0..REGISTERS {
        let object = read_anywhere(bed, register).await;
        state.insert(format!("r{register}"), value(&object).to_string());
    }
    state
}

/// Reads a register at the first member that can: one may notice only now what was done to its files.
async fn read_anywhere(bed: &mut Bed, register: usize) -> Value {
    let path = format!("{COLLECTION}/r{register}");
    let began = Instant::now();
    loop {
        for n in 0..bed.count() {
            match bed.client(n).call("GET", &path, None).await {
                Ok((200, object)) => return object,
                Ok((429 | 500.., _)) | Err(_) if began.elapsed() < HEALING => {}
                other => panic!("m{n} answers {other:?}:\n{}", bed.tail(n)),
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn judge(
    seed: u64,
    history: &History,
    told: &[Vec<watching::Told>],
    state: &BTreeMap<String, String>,
) -> Tally {
    let mut tally = Tally {
        faults: FAULTS as u64,
        events: told.iter().map(|told| told.len() as u64).sum(),
        ..Tally::default()
    };
    for (register, operations) in history.by_register(REGISTERS).iter().enumerate() {
        for operation in operations {
            match operation.outcome {
                Outcome::Value(_) => tally.reads += 1,
                Outcome::Done => tally.writes += 1,
                Outcome::Conflict => tally.conflicts += 1,
                Outcome::Unknown => tally.unknown += 1,
            }
        }
        if let Err(why) = linear::check(operations, 0) {
            panic!("seed {seed}: register {register} is not linearizable: {why}");
        }
    }
    // Registers that were never changed have no events.
    let changed: BTreeMap<String, String> = state
        .iter()
        .filter(|(_, value)| *value != "0")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Err(why) = watching::agree(told, &changed) {
        panic!("seed {seed}: {why}");
    }
    tally
}
