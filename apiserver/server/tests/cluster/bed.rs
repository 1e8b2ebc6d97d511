//! The members: processes that can be started, killed, paused and stopped, each with a directory of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;
use crate::net::Net;

const API_PORT: u16 = 21443;
const PEER_PORT: u16 = 21380;
/// How long a member may take to start, to join, to stop.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Bed {
    pub(crate) net: Net,
    dir: TempDir,
    members: Vec<Option<Child>>,
}

impl Bed {
    /// Forms a cluster: the first member founds it, the others join by its token.
    pub(crate) async fn form(count: usize) -> Self {
        let mut bed = Self {
            net: Net::new(count),
            dir: tempfile::tempdir().unwrap(),
            members: (0..count).map(|_| None).collect(),
        };
        bed.start(0, None);
        bed.ready(0).await;
        let made = bed
            .client(0)
            .json("POST", "/triad/v1/tokens", &json!({"ttl": "1h"}))
            .await;
        let token = made.unwrap()["token"].as_str().unwrap().to_owned();
        for n in 1..count {
            bed.start(n, Some(&token));
            bed.ready(n).await;
        }
        bed
    }

    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn running(&self, n: usize) -> bool {
        self.members[n].is_some()
    }

    fn data(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("m{n}"))
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
            .arg("--endpoint-reconciler-type=none");
        if let Some(token) = token {
            command.arg(format!("--join={token}"));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.members[n] = Some(child.unwrap());
    }

    /// A way to a member's API, as the admin.
    pub(crate) fn client(&self, n: usize) -> Client {
        let pki = self.data(n).join("pki");
        Client::new(&format!("{}:{API_PORT}", self.net.address(n)), &pki)
    }

    pub(crate) async fn ready(&self, n: usize) {
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
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&self, n: usize, signal: &str) {
        let Some(child) = &self.members[n] else {
            return;
        };
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.members[n].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
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
        tail(&self.log(n))
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

impl Drop for Bed {
    fn drop(&mut self) {
        for n in 0..self.members.len() {
            self.resume(n);
            self.kill(n);
        }
    }
}
