//! One member alone: proposals come back in order, survive restarts, and the log is purged only
//! up to what the machine has flushed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use triad_raft::{Election, Error, Identity, LogOptions, Member, Node, NodeOptions};

use crate::machine::{Disk, List, Machine};

struct Bed {
    dir: TempDir,
    disk: Arc<Disk>,
}

impl Bed {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            disk: Arc::default(),
        }
    }

    /// Starts a member on what is flushed, as after a crash.
    async fn start(&self) -> Result<Node, Error> {
        self.start_with(Election::default()).await
    }

    async fn start_with(&self, election: Election) -> Result<Node, Error> {
        let flushed = self.disk.flushed.lock().clone();
        *self.disk.current.lock() = flushed;
        let identity = Identity::load_or_create(self.dir.path())?;
        let options = NodeOptions {
            identity,
            member: Member {
                name: "alone".into(),
                address: String::new(),
            },
            log: LogOptions {
                dir: self.dir.path().into(),
                sync: true,
                write_buffer_bytes: 1 << 20,
            },
            peers: None,
            election,
            frame_weight: 8,
            frame_bytes: 1 << 20,
            flush_bytes: u64::MAX,
            flush_interval: Duration::from_secs(3600),
            hold_bytes: None,
        };
        Node::start(options, Machine(self.disk.clone())).await
    }

    fn commands(&self) -> usize {
        self.disk.current.lock().commands.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_applied_once_in_order_and_replayed_after_a_restart() {
    let bed = Bed::new();
    let node = bed.start().await.unwrap();
    for n in 0..40 {
        assert_eq!(
            node.propose(Bytes::from(format!("c{n}")), 1).await.unwrap(),
            n.to_string()
        );
    }
    node.stop().await;
    *bed.disk.flushed.lock() = List::default();
    let node = bed.start().await.unwrap();
    assert_eq!(bed.commands(), 40);
    assert_eq!(node.propose(Bytes::from("more"), 1).await.unwrap(), "40");
    node.stop().await;
    assert!(matches!(
        node.propose(Bytes::from("late"), 1).await,
        Err(Error::Closed)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_share_an_entry() {
    let bed = Bed::new();
    let node = bed.start().await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let node = node.clone();
            tokio::spawn(async move { node.propose(Bytes::from(n.to_string()), 1).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bed.commands(), 64);
    let metrics = node.metrics();
    assert!(
        metrics.frames >= 8 && metrics.frames < 64,
        "{} entries for 64 commands of 8 each",
        metrics.frames
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_purged_up_to_what_is_flushed() {
    let bed = Bed::new();
    let node = bed.start().await.unwrap();
    for n in 0..20 {
        node.propose(Bytes::from(n.to_string()), 1).await.unwrap();
    }
    assert_eq!(node.metrics().purged_index, 0);
    node.flush().await.unwrap();
    let flushed = tokio::time::timeout(Duration::from_secs(60), async {
        while node.metrics().purged_index < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    flushed.await.unwrap();
    node.propose(Bytes::from("after"), 1).await.unwrap();
    node.stop().await;
    let node = bed.start().await.unwrap();
    assert_eq!(bed.commands(), 21);
    node.stop().await;

    // A machine that has forgotten what was purged cannot be brought back by this log.
    *bed.disk.flushed.lock() = List::default();
    assert!(matches!(bed.start().await, Err(Error::Corrupt { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_voter_leads_at_once_and_confirms_reads() {
    let bed = Bed::new();
    // Whoever waited for an election to be due would wait for a minute.
    let election = Election {
        timeout_min_ms: 60_000,
        timeout_max_ms: 120_000,
    };
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let node = bed.start_with(election).await.unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(50),
            "it took {:?}",
            started.elapsed()
        );
        assert!(node.status().borrow().leading);
        assert_eq!(node.status().borrow().leader.as_deref(), Some("alone"));
        node.read_barrier().await.unwrap();
        node.confirm_leadership().await.unwrap();
        node.propose(Bytes::from("x"), 1).await.unwrap();
        node.stop().await;
    }
}
