//! One member: a disk for its log, a directory for its state, and now and then a life on them. A crash takes the state back to
//! what was flushed, as the state's database without a write-ahead log is after a kill.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::rt::{Watch, WatchSender};
use openraft::{Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use triad_raft::{StateFiles, StateMachine};

use super::disk::{Disk, Flaws, LogStore};
use super::driver::Driver;
use super::life::Life;
use super::network::{Net, Network, SimRaft};
use super::observer::Observer;
use super::watch::{Plain, Receiver, Sender};
use crate::apply::Machine;
use crate::hashes::Hashes;
use crate::state::Slot;
use crate::watch::Hub;
use crate::{Error, Limits, Revision};

/// Between two looks at what is to be flushed and purged.
const CARE_INTERVAL: Duration = Duration::from_millis(400);
/// Entries kept for members that lag: few, so that states are sent.
const KEPT_FOR_LAGGING: u64 = 30;

pub(super) struct Member {
    pub(super) id: u64,
    pub(super) disk: Arc<Disk>,
    root: PathBuf,
    lives: Mutex<u64>,
    alive: Sender<Option<Arc<Alive>>>,
}

pub(super) struct Alive {
    pub(super) raft: SimRaft,
    pub(super) slot: Arc<Slot>,
    pub(super) hub: Arc<Hub>,
    pub(super) applied: Receiver<u64>,
    life: Arc<Life>,
    dir: PathBuf,
}

/// As triad-raft sets it.
fn config() -> Config {
    let config = Config {
        cluster_name: "simulated".into(),
        heartbeat_interval: 75,
        election_timeout_min: 150,
        election_timeout_max: 300,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        ..Config::default()
    };
    config.validate().unwrap()
}

fn limits() -> Limits {
    Limits {
        ring_bytes: 2_000,
        block_cache_bytes: 1 << 20,
        // Nothing is flushed but when it is asked for.
        write_buffer_bytes: 2 << 20,
        ..Limits::default()
    }
}

impl Member {
    pub(super) fn new(id: u64, root: &Path, seed: u64, flaws: Flaws) -> Self {
        let root = root.join(format!("m{id}"));
        fs::create_dir_all(root.join("0")).unwrap();
        Self {
            id,
            disk: Disk::new(seed ^ id << 40, flaws),
            root,
            lives: Mutex::new(0),
            alive: Plain::channel(None).0,
        }
    }

    pub(super) fn alive(&self) -> Option<Arc<Alive>> {
        self.alive.borrow_watched().clone()
    }

    /// Follows its lives.
    pub(super) fn lives(&self) -> Receiver<Option<Arc<Alive>>> {
        self.alive.subscribe()
    }

    fn dir(&self) -> PathBuf {
        self.root.join(self.lives.lock().to_string())
    }

    pub(super) async fn start(&self, net: &Arc<Net>, observer: &Arc<Observer>) {
        let (life, dir) = (Arc::<Life>::default(), self.dir());
        let slot = Arc::new(Slot::open(&dir, &limits()).unwrap());
        let (revision, compacted) = {
            let state = slot.state();
            let stand = state.view().unwrap().stand;
            (Revision(stand.revision), Revision(stand.compacted))
        };
        let hub = Arc::new(Hub::new(limits().ring_bytes, revision, compacted));
        let machine = Machine::new(slot.clone(), hub.clone(), Arc::<Hashes>::default()).unwrap();
        let stands = machine.stand().applied.map_or(0, |at| at.index + 1);
        assert!(
            stands >= self.disk.purged_below(),
            "{}: the log begins behind the state",
            self.id
        );
        let (sender, applied) = Plain::channel(stands.saturating_sub(1));
        let log = LogStore::open(self.id, &self.disk, observer);
        let driver = Driver {
            member: self.id,
            applied: sender,
            machine,
            log: log.clone(),
            observer: observer.clone(),
        };
        life.spawn(self.disk.clone().write());
        let network = Network {
            own: self.id,
            net: net.clone(),
        };
        let begun = Raft::new(self.id, Arc::new(config()), network, log, driver);
        let raft = life.scope(begun).await.unwrap();
        net.put(self.id, raft.clone(), dir.clone());
        life.spawn(care(raft.clone()));
        let alive = Some(Arc::new(Alive {
            raft,
            slot,
            hub,
            applied,
            life,
            dir,
        }));
        // It never fails: whoever listens may be gone.
        let _ = self.alive.send(alive);
    }

    /// Ends its life at once, wherever it stands.
    pub(super) fn crash(&self, net: &Net) {
        let Some(alive) = self.alive() else {
            return;
        };
        let _ = self.alive.send(None);
        net.take(self.id);
        alive.life.end();
        self.disk.crash();
        let mut lives = self.lives.lock();
        *lives += 1;
        alive.rest();
        // Closing the database would flush it: what is to be found afterwards is set aside before.
        keep(&alive.dir, &self.root.join(lives.to_string()));
    }
}

/// Copies what a state's files are now: the current state, and what names it.
fn keep(from: &Path, to: &Path) {
    let current = crate::state::current(from).unwrap();
    fs::create_dir_all(to.join(&current)).unwrap();
    if from.join("state.current").exists() {
        fs::copy(from.join("state.current"), to.join("state.current")).unwrap();
    }
    for file in fs::read_dir(from.join(&current)).unwrap().flatten() {
        let name = file.file_name();
        if name != *"LOCK" {
            // The database's own notes come and go.
            let _ = fs::copy(file.path(), to.join(&current).join(name));
        }
    }
}

/// Flushes and purges as triad-raft does, more often and with less patience.
async fn care(raft: SimRaft) {
    let mut looks = 0_u64;
    loop {
        super::clock::sleep(CARE_INTERVAL).await;
        looks += 1;
        let now = raft.metrics().borrow_watched().clone();
        let flushed = now.snapshot.map_or(0, |p| p.index + 1);
        let last = now.last_log_index.map_or(0, |index| index + 1);
        let slowest = now.replication.as_ref().and_then(|all| {
            let reached = all.values().map(|at| at.map_or(0, |at| at.index + 1));
            reached.min()
        });
        let needed = slowest
            .unwrap_or(last)
            .max(last.saturating_sub(KEPT_FOR_LAGGING));
        let needed = needed.min(flushed);
        // Either fails only when raft has stopped.
        if needed > now.purged.map_or(0, |p| p.index + 1) {
            let _ = raft.trigger().purge_log(needed - 1).await;
        }
        if looks.is_multiple_of(3) {
            let _ = raft.trigger().snapshot().await;
        }
    }
}

/// Where a watch of a simulated member finds the state.
pub(super) struct Files(pub(super) Arc<Slot>);

impl crate::watch::Source for Files {
    fn state(&self) -> Result<Option<Arc<crate::state::State>>, Error> {
        Ok(Some(self.0.state()))
    }

    fn notice(&self, error: &Error) {
        panic!("nothing is damaged here: {error}");
    }
}

impl Alive {
    /// Waits, in real time, until the database has merged what it was merging: its files are copied as they lie.
    fn rest(&self) {
        let state = self.slot.state();
        let busy = || {
            let works = [
                "num-running-flushes",
                "num-running-compactions",
                "compaction-pending",
            ];
            works
                .iter()
                .any(|work| state.number(&format!("rocksdb.{work}")) > 0)
        };
        let began = std::time::Instant::now();
        while busy() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "the database does not rest"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn leader(&self) -> Option<u64> {
        self.raft.metrics().borrow_watched().current_leader
    }

    pub(super) fn flush(&self) {
        self.slot.flush().unwrap();
    }
}
