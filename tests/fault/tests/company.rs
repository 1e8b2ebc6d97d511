//! A small cluster: most members live in this process, one in a process of its own, on a disk that forgets.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use triad_fault::{Dice, Disk, Keys, load, member};
use triad_kv::{Error, Identity, Member, Store, StoreOptions, examine};

use crate::ledger::Ledger;
use crate::victim::Victim;

/// How long anything may take that has to come about.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

pub(crate) type Outcome<T> = Result<T, String>;

pub(crate) struct Seat {
    pub(crate) name: &'static str,
    dir: PathBuf,
    listen: SocketAddr,
    /// Open in this process.
    pub(crate) store: Option<Store>,
}

pub(crate) struct Company {
    scratch: TempDir,
    pub(crate) disk: Disk,
    pub(crate) seats: Vec<Seat>,
    writers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<String>>,
    pub(crate) ledger: Ledger,
    seed: u64,
}

impl Company {
    pub(crate) fn new(seed: u64) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        Keys::make(scratch.path());
        let disk = scratch.path().join("victim");
        std::fs::create_dir(&disk).expect("a directory");
        Self {
            disk: Disk::new(&disk, scratch.path()),
            scratch,
            seats: Vec::new(),
            writers: Vec::new(),
            stop: Arc::default(),
            said: Arc::default(),
            ledger: Ledger::default(),
            seed,
        }
    }

    /// A place for a member; the one called `v` lies on the disk that forgets.
    pub(crate) fn seat(&mut self, name: &'static str) -> usize {
        // The port is free again once the listener is dropped.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let parent = if name == "v" { "victim/" } else { "" };
        self.seats.push(Seat {
            name,
            dir: self.scratch.path().join(format!("{parent}{name}")),
            listen: listener.local_addr().expect("an address"),
            store: None,
        });
        self.seats.len() - 1
    }

    fn options(&self, n: usize) -> StoreOptions {
        let seat = &self.seats[n];
        let founder = Identity::read(&self.seats[0].dir).ok().flatten();
        let joining = founder.filter(|_| n > 0).map(|f| (f.cluster, f.epoch));
        member::options(
            &seat.dir,
            seat.name,
            seat.listen,
            self.scratch.path(),
            joining,
        )
    }

    /// Opens a member in this process.
    pub(crate) async fn open(&mut self, n: usize) -> Outcome<()> {
        let opened = Store::open(self.options(n)).await;
        let name = self.seats[n].name;
        self.seats[n].store = Some(opened.map_err(|e| format!("{name} does not open: {e}"))?);
        Ok(())
    }

    pub(crate) async fn shut(&mut self, n: usize) {
        if let Some(store) = self.seats[n].store.take() {
            store.shutdown().await;
        }
    }

    pub(crate) fn store(&self, n: usize) -> &Store {
        self.seats[n].store.as_ref().expect("it is open here")
    }

    fn advertised(&self, n: usize) -> Member {
        Member {
            name: self.seats[n].name.to_owned(),
            address: self.seats[n].listen.to_string(),
        }
    }

    /// Has the cluster take a member in, by its id, until it is done or somebody says that it need not be any more.
    pub(crate) async fn take_in(
        &self,
        n: usize,
        id: u64,
        mut enough: impl FnMut() -> bool,
    ) -> Outcome<()> {
        let began = Instant::now();
        while !enough() {
            let member = self.advertised(n);
            let adding = self.store(0).add_member(id, &member);
            match tokio::time::timeout(Duration::from_secs(5), adding).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) if began.elapsed() > LIMIT => {
                    return Err(format!("{} is not taken in: {why}", self.seats[n].name));
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        Ok(())
    }

    /// Opens a member here and has it taken in.
    pub(crate) async fn admit(&mut self, n: usize) -> Outcome<()> {
        self.open(n).await?;
        let identity = self.store(n).identity().map_err(|e| e.to_string())?;
        self.take_in(n, identity.node, || false).await
    }

    /// Starts the member in a process of its own, which dies or fails where it is told to.
    pub(crate) fn launch(&self, n: usize, order: Option<String>) -> Victim {
        let options = self.options(n);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fault-member"));
        command
            .arg(&options.dir)
            .arg(&options.node_name)
            .arg(self.seats[n].listen.to_string())
            .arg(self.scratch.path())
            .arg(self.seed.to_string());
        if let Some((cluster, epoch)) = options.peers.and_then(|peers| peers.joining) {
            command.arg(cluster.to_string()).arg(epoch.to_string());
        }
        let log = std::fs::File::create(self.log()).expect("a log");
        command.stderr(log).env_remove("TRIAD_FAILPOINT");
        if let Some(order) = order {
            command.env("TRIAD_FAILPOINT", order);
        }
        Victim::run(&self.disk, command)
    }

    fn log(&self) -> PathBuf {
        self.scratch.path().join("victim.log")
    }

    /// What the victim said on its standard error.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Has members here write; each writer has a number of its own.
    pub(crate) fn write(&mut self, n: usize) {
        for writer in 0..2 {
            let (said, store, stop) = (self.said.clone(), self.store(n).clone(), self.stop.clone());
            let number = 100 + (self.writers.len() as u64);
            let seed = self.seed + writer;
            self.writers.push(tokio::spawn(async move {
                let say = move |line: &str| {
                    let mut said = said.lock().expect("nobody panics with it");
                    said.push_str(line);
                    said.push('\n');
                };
                // A store that was closed for good ends it.
                let _ = load::write(store, number, seed, || !stop.load(Relaxed), say).await;
            }));
        }
    }

    /// Ends the writers; what they tried and were told is in the ledger.
    pub(crate) async fn rest(&mut self) -> Outcome<()> {
        self.stop.store(true, Relaxed);
        for writer in std::mem::take(&mut self.writers) {
            writer.await.map_err(|e| e.to_string())?;
        }
        let said = std::mem::take(&mut *self.said.lock().expect("nobody panics with it"));
        self.ledger.take(&said, true)
    }

    /// Takes in what the victim said.
    pub(crate) fn hear(&mut self, said: &str) -> Outcome<()> {
        let lines = said.lines().filter(|line| !line.starts_with("member "));
        let said: String = lines.flat_map(|line| [line, "\n"]).collect();
        self.ledger.take(&said, true)
    }

    pub(crate) fn lose_power(&self, dice: &mut Dice) {
        self.disk.lose_power(dice);
    }

    /// All members hold all that was acknowledged, and the same; closed, their files are sound.
    pub(crate) async fn judge(mut self) -> Outcome<()> {
        let mut held = Vec::new();
        for n in 0..self.seats.len() {
            let name = self.seats[n].name;
            self.catch_up(n).await?;
            let store = self.store(n).clone();
            let checked = self.ledger.check(&store).await;
            checked.map_err(|what| format!("{name}: {what}"))?;
        }
        for n in 0..self.seats.len() {
            self.catch_up(n).await?;
            let store = self.store(n);
            let all = store.range(b"", b"", None, 0).map_err(|e| e.to_string())?;
            held.push((self.seats[n].name, all));
            store.compare().await.map_err(|e| e.to_string())?;
        }
        if let Some((name, _)) = held.iter().find(|(_, all)| *all != held[0].1) {
            return Err(format!("{name} holds something else than {}", held[0].0));
        }
        for n in (0..self.seats.len()).rev() {
            self.shut(n).await;
            let seat = &self.seats[n];
            let began = Instant::now();
            let examined = loop {
                match examine(&seat.dir, &mut |_| None) {
                    // A process that another case is just starting holds what this one held.
                    Err(Error::Locked { .. }) if began.elapsed() < LIMIT => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    examined => break examined.map_err(|e| e.to_string())?,
                }
            };
            if !examined.findings.is_empty() {
                return Err(format!("{}: {:?}", seat.name, examined.findings));
            }
        }
        Ok(())
    }

    async fn catch_up(&self, n: usize) -> Outcome<()> {
        let began = Instant::now();
        loop {
            match self.store(n).read_barrier().await {
                Ok(_) => return Ok(()),
                Err(why) if began.elapsed() > LIMIT => {
                    let name = self.seats[n].name;
                    return Err(format!("{name} does not catch up: {why}"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Who leads, as the first member sees it.
    pub(crate) fn leader(&self) -> Option<String> {
        let members = self.store(0).members();
        let leader = members.into_iter().find(|peer| peer.leader);
        leader.map(|peer| peer.member.name)
    }
}
