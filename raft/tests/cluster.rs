//! Several members in one process, over real connections: they elect, replicate, forward, come
//! back, are replaced, and copy the state to one that the log no longer reaches.

use std::collections::HashMap;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use triad_raft::{
    Answer, Election, Error, Identity, LogOptions, Member, Node, NodeOptions, PeerOptions,
    peer_name,
};

use crate::machine::{Disk, Machine};
use crate::tls::{Authority, Tls, authority};

/// How long anything may take that is bound to happen.
const LIMIT: Duration = Duration::from_secs(60);

/// Answers with its name before the question.
struct Echo(String);

impl Answer for Echo {
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Bytes> + Send>> {
        let answer = format!("{}: {}", self.0, String::from_utf8_lossy(&question));
        Box::pin(async move { answer.into() })
    }
}

/// A member that can be stopped and started again.
struct Seat {
    name: String,
    dir: TempDir,
    disk: Arc<Disk>,
    identity: Identity,
    address: SocketAddr,
}

struct Bed {
    authority: Authority,
    seats: HashMap<&'static str, Seat>,
    running: HashMap<&'static str, Node>,
}

impl Bed {
    fn new() -> Self {
        Self {
            authority: authority(),
            seats: HashMap::new(),
            running: HashMap::new(),
        }
    }

    /// `a` founds, the others join it, one after another.
    async fn of(names: &[&'static str]) -> Self {
        let mut bed = Self::new();
        for name in names {
            bed.seat(name);
            bed.start(name).await;
            bed.join(name).await;
        }
        bed
    }

    fn seat(&mut self, name: &'static str) {
        let dir = tempfile::tempdir().unwrap();
        let first = self.seats.values().next();
        let identity = match first {
            None => Identity::load_or_create(dir.path()).unwrap(),
            Some(first) => Identity::join(dir.path(), first.identity.cluster, 0).unwrap(),
        };
        // The port is free again once the listener is dropped.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let seat = Seat {
            name: name.into(),
            dir,
            disk: Arc::default(),
            identity,
            address,
        };
        self.seats.insert(name, seat);
    }

    fn options(&self, name: &str) -> NodeOptions {
        let seat = &self.seats[name];
        let tls = Tls::new(&self.authority, &self.authority, peer_name);
        NodeOptions {
            identity: seat.identity.clone(),
            member: self.member(name),
            peers: Some(PeerOptions {
                listen: seat.address,
                tls: Arc::new(tls),
                answer: Arc::new(Echo(seat.name.clone())),
            }),
            election: Election::default(),
            log: LogOptions {
                dir: seat.dir.path().into(),
                sync: true,
                write_buffer_bytes: 1 << 20,
            },
            frame_weight: 8,
            frame_bytes: 1 << 20,
            flush_bytes: u64::MAX,
            flush_interval: Duration::from_secs(3600),
            hold_bytes: None,
        }
    }

    fn member(&self, name: &str) -> Member {
        Member {
            name: name.into(),
            address: self.seats[name].address.to_string(),
        }
    }

    async fn start(&mut self, name: &'static str) {
        let seat = &self.seats[name];
        let flushed = seat.disk.flushed.lock().clone();
        *seat.disk.current.lock() = flushed;
        let node = Node::start(self.options(name), Machine(seat.disk.clone()));
        self.running.insert(name, node.await.unwrap());
    }

    /// Has the cluster take a member in, unless it is the first.
    async fn join(&self, name: &str) {
        let Some(other) = self.running.keys().find(|other| **other != name) else {
            return;
        };
        let id = self.seats[name].identity.node;
        let member = self.member(name);
        let joined = self.running[other].add_member(id, &member);
        tokio::time::timeout(LIMIT, joined).await.unwrap().unwrap();
    }

    async fn stop(&mut self, name: &str) {
        self.running.remove(name).unwrap().stop().await;
    }

    async fn write(&self, name: &str, command: String) -> Result<Bytes, Error> {
        self.running[name].propose(command.into(), 1).await
    }

    fn commands(&self, name: &str) -> Vec<Bytes> {
        self.seats[name].disk.current.lock().commands.clone()
    }

    /// Waits until exactly one of the running members leads, and all of them know it.
    async fn leader(&self) -> &'static str {
        let mut found = None;
        until("one leads and all know it", || {
            let leaders: Vec<_> = self
                .running
                .iter()
                .filter(|(_, node)| node.status().borrow().leading)
                .map(|(name, _)| *name)
                .collect();
            found = leaders.first().copied();
            leaders.len() == 1
                && self
                    .running
                    .values()
                    .all(|node| node.status().borrow().leader.as_deref() == found)
        })
        .await;
        found.unwrap()
    }

    async fn stop_all(&mut self) {
        let names: Vec<_> = self.running.keys().copied().collect();
        for name in names {
            self.stop(name).await;
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "it never was true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_takes_writes_and_reads_its_own() {
    let mut bed = Bed::of(&["a", "b", "c"]).await;
    for n in 0..30 {
        let name = ["a", "b", "c"][n % 3];
        assert_eq!(
            bed.write(name, format!("c{n}")).await.unwrap(),
            n.to_string()
        );
        assert_eq!(
            bed.commands(name).len(),
            n + 1,
            "{name} reads its own write"
        );
    }
    for name in ["a", "b", "c"] {
        bed.running[name].read_barrier().await.unwrap();
        assert_eq!(
            bed.commands(name).len(),
            30,
            "{name} is current behind a barrier"
        );
    }
    let peers = bed.running["b"].peers();
    let names: Vec<&str> = peers.iter().map(|peer| peer.member.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(peers.iter().all(|peer| peer.voter));
    let other = peers.iter().find(|peer| !peer.own).unwrap();
    let answer = bed.running["b"].ask(other, "hello".into()).await.unwrap();
    assert_eq!(answer, format!("{}: hello", other.member.name));
    bed.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_hands_over_and_catches_up_when_it_is_back() {
    let mut bed = Bed::of(&["a", "b", "c"]).await;
    for round in 0..3 {
        let leader = bed.leader().await;
        bed.stop(leader).await;
        let other = *bed.running.keys().next().unwrap();
        bed.write(other, format!("round {round}")).await.unwrap();
        bed.start(leader).await;
        bed.running[leader].read_barrier().await.unwrap();
        assert_eq!(bed.commands(leader).len(), round + 1);
    }
    bed.stop_all().await;
}

/// What is in the state lies behind what was acknowledged after a loss of power, and the log alone
/// does not say what of it was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_comes_back_confirms_no_read_from_its_former_term() {
    let mut bed = Bed::of(&["a", "b", "c"]).await;
    let leader = bed.leader().await;
    let term = bed.running[leader].metrics().term;
    let flushed = bed.seats[leader].disk.current.lock().clone();
    for n in 0..500 {
        bed.write(leader, format!("c{n}")).await.unwrap();
    }
    let others: Vec<_> = bed
        .running
        .keys()
        .copied()
        .filter(|n| *n != leader)
        .collect();
    for other in &others {
        bed.stop(other).await;
    }
    bed.stop(leader).await;
    *bed.seats[leader].disk.flushed.lock() = flushed;
    for other in &others {
        bed.start(other).await;
    }
    bed.start(leader).await;
    bed.running[leader].read_barrier().await.unwrap();
    assert_eq!(bed.commands(leader).len(), 500, "the read is current");
    bed.leader().await;
    assert!(bed.running[leader].metrics().term > term);
    bed.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_written_and_it_says_so_in_time() {
    let mut bed = Bed::of(&["a", "b", "c"]).await;
    bed.write("a", "before".into()).await.unwrap();
    bed.leader().await;
    bed.stop("b").await;
    bed.stop("c").await;
    let node = &bed.running["a"];
    until("the loss of the majority is noticed", || {
        !node.status().borrow().quorum
    })
    .await;
    let began = Instant::now();
    assert!(bed.write("a", "during".into()).await.is_err());
    assert!(bed.running["a"].read_barrier().await.is_err());
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert!(!bed.commands("a").contains(&Bytes::from("during")));
    bed.start("b").await;
    let node = &bed.running["a"];
    until("the majority is back", || node.status().borrow().quorum).await;
    bed.write("a", "after".into()).await.unwrap();
    bed.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_the_log_no_longer_reaches_gets_the_state() {
    let mut bed = Bed::of(&["a", "b"]).await;
    for n in 0..40 {
        bed.write("a", format!("c{n}")).await.unwrap();
    }
    let leader = bed.leader().await;
    bed.running[leader].flush().await.unwrap();
    let node = bed.running[leader].clone();
    until("the log is purged", || node.metrics().purged_index > 40).await;
    bed.seat("c");
    bed.start("c").await;
    bed.join("c").await;
    bed.write("c", "more".into()).await.unwrap();
    assert_eq!(bed.commands("c"), bed.commands(leader));
    assert_eq!(bed.commands("c").len(), 41);
    assert_eq!(*bed.seats["c"].disk.installed.lock(), 1);
    // And it stands by itself: a restart begins where the state stands.
    bed.stop("c").await;
    bed.write("a", "without it".into()).await.unwrap();
    bed.start("c").await;
    bed.running["c"].read_barrier().await.unwrap();
    assert_eq!(bed.commands("c").len(), 42);
    assert!(!bed.seats["c"].dir.path().join("incoming").exists());
    bed.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_removed_and_replaced() {
    let mut bed = Bed::of(&["a", "b", "c"]).await;
    bed.write("a", "one".into()).await.unwrap();
    // Its disk is lost: the same name comes back with another identity.
    bed.stop("c").await;
    bed.seat("c");
    bed.start("c").await;
    bed.join("c").await;
    assert_eq!(bed.running["a"].peers().len(), 3);
    bed.running["c"].read_barrier().await.unwrap();
    assert_eq!(bed.commands("c").len(), 1);
    let leader = bed.leader().await;
    let other = ["a", "b", "c"]
        .into_iter()
        .find(|name| *name != leader)
        .unwrap();
    bed.running[other].transfer(other).await.unwrap();
    assert_eq!(bed.leader().await, other);
    // The leader itself can be removed: it hands over first.
    bed.running[other].remove_member(other).await.unwrap();
    let removed = bed.running.remove(other).unwrap();
    assert_eq!(bed.running[leader].peers().len(), 2);
    bed.write(leader, "two".into()).await.unwrap();
    assert!(removed.propose("late".into(), 1).await.is_err());
    removed.stop().await;
    let unknown = bed.running[leader]
        .remove_member("nobody")
        .await
        .unwrap_err();
    assert!(unknown.to_string().contains("nobody"), "{unknown}");
    bed.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_get_in() {
    let mut bed = Bed::of(&["a", "b"]).await;
    let (stranger, ours) = (authority(), &bed.authority);
    let identity = bed.seats["a"].identity.clone();
    for (what, signed_by, cluster) in [
        ("signed by another", &stranger, identity.cluster),
        ("of another cluster", ours, identity.cluster ^ 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = bed.options("b");
        options.identity = Identity::join(dir.path(), cluster, 0).unwrap();
        options.log.dir = dir.path().into();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let tls = Tls::new(signed_by, ours, peer_name);
        options.peers = Some(PeerOptions {
            listen: port,
            tls: Arc::new(tls),
            answer: Arc::new(Echo("stranger".into())),
        });
        let stranger = Node::start(options, Machine(Arc::default())).await.unwrap();
        let a = triad_raft::Peer {
            id: identity.node,
            member: bed.member("a"),
            voter: true,
            leader: true,
            own: false,
            reached: None,
        };
        assert!(
            stranger.ask(&a, "let me in".into()).await.is_err(),
            "{what}"
        );
        stranger.stop().await;
    }
    bed.stop_all().await;
}
