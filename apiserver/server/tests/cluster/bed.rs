//! The members: processes that can be started, killed, paused and stopped, each with a directory of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use triad_fault::{Dice, Disk};

use crate::client::Client;
use crate::links::Links;
use crate::net::Net;

const API_PORT: u16 = 21443;
const PEER_PORT: u16 = 21380;
/// How long a member may take to start, to join, to stop.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Bed {
    pub(crate) net: Net,
    /// Between the members, where they have networks of their own.
    pub(crate) links: Option<Links>,
    dir: TempDir,
    members: Vec<Option<Child>>,
    disks: Vec<Disk>,
    /// Whose files are no longer as they were written: how long the log was then.
    flipped: Vec<Option<usize>>,
    /// What every member is started with besides.
    flags: Vec<String>,
    /// What each was told to join by. It is told so at every start, as whoever looks after it would: it may have lost its power
    /// before it was taken in, and then goes on with that.
    tokens: Vec<Option<String>>,
}

impl Bed {
    /// Forms a cluster: the first member founds it, the others join by its token.
    pub(crate) async fn form(count: usize, seed: u64) -> Self {
        Self::form_with(count, seed, Vec::new()).await
    }

    pub(crate) async fn form_with(count: usize, seed: u64, flags: Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = Disk::library(dir.path());
        let disk = |n| {
            let (notes, disk) = (format!("m{n}.notes"), format!("m{n}.disk"));
            let (notes, disk) = (dir.path().join(notes), dir.path().join(disk));
            std::fs::create_dir(&notes).unwrap();
            std::fs::create_dir(&disk).unwrap();
            Disk::with(&library, &disk, &notes)
        };
        let net = Net::new(count);
        let places = || (0..count).map(|n| net.place(n, PEER_PORT)).collect();
        let mut bed = Self {
            links: net.real.then(|| Links::lay(places(), seed)),
            net,
            members: (0..count).map(|_| None).collect(),
            disks: (0..count).map(disk).collect(),
            flipped: vec![None; count],
            flags,
            tokens: vec![None; count],
            dir,
        };
        bed.start(0, None);
        assert!(bed.ready(0).await);
        let token = bed.token(0).await;
        for n in 1..count {
            bed.start(n, Some(&token));
            assert!(bed.ready(n).await);
        }
        bed
    }

    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn running(&self, n: usize) -> bool {
        self.members[n].is_some()
    }

    pub(crate) fn data(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("m{n}.disk/data"))
    }

    fn log(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("m{n}.log"))
    }

    pub(crate) fn start(&mut self, n: usize, token: Option<&str>) {
        let address = self.net.address(n);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(n))
            .unwrap();
        let mut command = self.net.command(n, env!("CARGO_BIN_EXE_triad"));
        command
            .arg("serve")
            .arg(format!("--data-dir={}", self.data(n).display()))
            .arg(format!("--node-name=m{n}"))
            .arg(format!("--bind-address={address}"))
            .arg(format!("--advertise-address={address}"))
            .arg(format!("--secure-port={API_PORT}"))
            .arg(format!("--peer-listen={address}:{PEER_PORT}"))
            .arg("--controllers=none")
            .arg("--endpoint-reconciler-type=none")
            .args(&self.flags);
        if self.links.is_some() {
            let door = self.net.place(n, PEER_PORT).door;
            command.arg(format!("--peer-advertise={door}"));
        }
        if let Some(token) = token {
            self.tokens[n] = Some(token.to_owned());
        }
        if let Some(token) = &self.tokens[n] {
            command.arg(format!("--join={token}"));
        }
        self.disks[n].put_under(&mut command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.members[n] = Some(child.unwrap());
    }

    /// What a member's users trust.
    pub(crate) fn authority(&self, n: usize) -> String {
        std::fs::read_to_string(self.data(n).join("pki/ca.crt")).unwrap()
    }

    /// A way to a member's API, as the admin.
    pub(crate) fn client(&self, n: usize) -> Client {
        let pki = self.data(n).join("pki");
        Client::new(&format!("{}:{API_PORT}", self.net.address(n)), &pki)
    }

    /// The same as nobody yet.
    pub(crate) fn stranger(&self, n: usize) -> Client {
        let pki = self.data(n).join("pki");
        Client::anonymous(&format!("{}:{API_PORT}", self.net.address(n)), &pki)
    }

    /// Waits until a member is ready; false when it is lost because of what was done to its files.
    pub(crate) async fn ready(&mut self, n: usize) -> bool {
        let began = Instant::now();
        loop {
            assert!(
                began.elapsed() < LIMIT,
                "m{n} does not get ready:\n{}",
                self.tail(n)
            );
            let pki = self.data(n).join("pki");
            let made = ["ca.crt", "admin.crt", "admin.key"].map(|file| pki.join(file).exists());
            if made.iter().all(|made| *made) && self.client(n).ready().await {
                return true;
            }
            if self.gave_up(n) {
                self.start(n, None);
            } else if self.is_lost(n) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&self, n: usize, signal: &str) {
        let Some(child) = &self.members[n] else {
            return;
        };
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        let gone = !Path::new("/proc").join(&pid).exists();
        assert!(gone || sent.unwrap().success());
    }

    pub(crate) fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.members[n].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn disk(&self, n: usize) -> &Disk {
        &self.disks[n]
    }

    /// Ends a member that may still run, and takes from its disk what was not synced.
    pub(crate) fn lose_power(&mut self, n: usize, dice: &mut Dice) {
        self.kill(n);
        self.disks[n].lose_power(dice);
    }

    /// Everything about a member is gone; another of its name joins in its place.
    pub(crate) async fn replace(&mut self, n: usize) {
        self.kill(n);
        std::fs::remove_dir_all(self.data(n)).unwrap();
        self.disks[n].reset();
        self.flipped[n] = None;
        let other = (n + 1) % self.count();
        let token = self.token(other).await;
        self.start(n, Some(&token));
    }

    /// A token to join by, of a member that is there.
    pub(crate) async fn token(&self, n: usize) -> String {
        let began = Instant::now();
        loop {
            let made = self
                .client(n)
                .json("POST", "/triad/v1/tokens", &json!({"ttl": "1h"}))
                .await;
            match made {
                Ok(made) => return made["token"].as_str().unwrap().to_owned(),
                Err(why) => assert!(
                    began.elapsed() < LIMIT,
                    "m{n} makes no token ({why}):\n{}",
                    self.tail(n)
                ),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether a member whose files were spoiled has ended, or says that they are damaged. No other may end.
    pub(crate) fn is_lost(&mut self, n: usize) -> bool {
        let child = self.members[n].as_mut();
        let ended = child.is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended
            && self
                .told(n)
                .lines()
                .next_back()
                .is_some_and(waits_for_better)
        {
            // Whoever looks after it starts it again.
            self.members[n] = None;
            self.start(n, None);
            return false;
        }
        assert!(
            self.flipped[n].is_some() || !ended,
            "m{n} has ended:\n{}",
            self.tail(n)
        );
        let says = |since: usize| self.told(n)[since..].contains("is damaged");
        ended || self.flipped[n].is_some_and(says)
    }

    /// Whether a member has ended because its disk failed while it opened its files: whoever looks after it starts it again.
    fn gave_up(&mut self, n: usize) -> bool {
        let child = self.members[n].as_mut();
        let ended = child.is_some_and(|child| child.try_wait().unwrap().is_some());
        let told = self.told(n);
        let last = told.lines().last().unwrap_or_default();
        let failed = last.contains(" error: ") && !last.contains("is damaged");
        ended && failed && last.starts_with("triad: cannot open the store: ")
    }

    /// All that a member has logged.
    pub(crate) fn told(&self, n: usize) -> String {
        std::fs::read_to_string(self.log(n)).unwrap_or_default()
    }

    /// Turns one bit of one of a member's files, as the dice fall; the file. It must not run.
    pub(crate) fn flip(&mut self, n: usize, dice: &mut Dice) -> Option<PathBuf> {
        let mut files = Vec::new();
        list(&self.data(n).join("store"), &mut files);
        files.sort();
        let file = files.get(crate::faults::pick(dice, files.len().max(1)))?;
        let mut bytes = std::fs::read(file).unwrap();
        let at = crate::faults::pick(dice, bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        std::fs::write(file, bytes).unwrap();
        self.flipped[n] = Some(self.told(n).len());
        Some(file.clone())
    }

    /// SIGTERM, and then its end.
    pub(crate) fn stop(&mut self, n: usize) {
        self.signal(n, "-TERM");
        if let Some(mut child) = self.members[n].take() {
            let began = Instant::now();
            while child.try_wait().unwrap().is_none() {
                assert!(
                    began.elapsed() < LIMIT,
                    "m{n} does not stop:\n{}",
                    self.tail(n)
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    pub(crate) fn pause(&self, n: usize) {
        self.signal(n, "-STOP");
    }

    pub(crate) fn resume(&self, n: usize) {
        self.signal(n, "-CONT");
    }

    /// The end of a member's log, for messages.
    pub(crate) fn tail(&self, n: usize) -> String {
        let told = self.told(n);
        let lines: Vec<&str> = told.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// The last word of a server that ended at its start, because its disk failed just then, or nobody was there to take it in or to
/// lead it.
fn waits_for_better(word: &str) -> bool {
    let disk = word.contains("cannot open the store") && word.contains("IO error");
    disk || word.contains("cannot join the cluster") || word.contains("but nobody leads")
}

/// The log's and the state's files under a directory that hold anything.
fn list(dir: &Path, into: &mut Vec<PathBuf>) {
    // One that lost its power before it was taken in may have none.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = path.extension().unwrap_or_default();
        if path.is_dir() {
            list(&path, into);
        } else if (kind == "log" || kind == "sst") && entry.metadata().unwrap().len() > 0 {
            into.push(path);
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for n in 0..self.members.len() {
            self.resume(n);
            self.kill(n);
        }
    }
}
