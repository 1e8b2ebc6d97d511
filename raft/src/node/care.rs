//! Sees to it that the state is flushed and the log purged now and then. A leader keeps what a
//! slow member still needs, up to a bound; past that the member gets a copy of the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use openraft::RaftMetrics;
use tokio::time::Instant;

use super::NodeOptions;
use super::life::TriadRaft;
use crate::StateMachine;
use crate::log_store::LogStore;
use crate::type_config::TypeConfig;

/// Entries kept for members that lag.
const KEPT_FOR_LAGGING: u64 = 100_000;

pub(super) struct Care<'a, S: StateMachine> {
    raft: &'a TriadRaft<S>,
    log: &'a LogStore,
    options: &'a NodeOptions,
    /// What the log had written, and when, at the last flush.
    bytes: u64,
    at: Instant,
    hold: Arc<Hold>,
    /// Where the log was held from at the last look, and what it had written when that began.
    held: (u64, u64),
}

/// The first entry that somebody outside still needs: the archive, which copies the log.
#[derive(Default)]
pub(super) struct Hold {
    pub(super) from: AtomicU64,
}

impl<'a, S: StateMachine> Care<'a, S> {
    pub(super) fn new(
        raft: &'a TriadRaft<S>,
        log: &'a LogStore,
        options: &'a NodeOptions,
        hold: Arc<Hold>,
    ) -> Self {
        Self {
            hold,
            held: (0, log.bytes_written()),
            raft,
            log,
            options,
            bytes: log.bytes_written(),
            at: Instant::now(),
        }
    }

    pub(super) async fn look(&mut self, now: &RaftMetrics<TypeConfig>) {
        let flushed = now.snapshot.map_or(0, |p| p.index + 1);
        let needed = flushed.min(needed_from(now)).min(self.held_from());
        if needed > now.purged.map_or(0, |p| p.index + 1) {
            // Fails only when raft has stopped, which the loop sees by itself.
            let _ = self.raft.trigger().purge_log(needed - 1).await;
        }
        let unflushed = now.last_applied.map_or(0, |p| p.index + 1) > flushed;
        let due = self.log.bytes_written() - self.bytes >= self.options.flush_bytes
            || self.at.elapsed() >= self.options.flush_interval;
        if unflushed && due {
            self.flush().await;
        }
    }

    /// Nothing is held for an archive that has stood still while more was written than may be held.
    fn held_from(&mut self) -> u64 {
        let Some(most) = self.options.hold_bytes else {
            return u64::MAX;
        };
        let (from, written) = (self.hold.from.load(Relaxed), self.log.bytes_written());
        if from != self.held.0 {
            self.held = (from, written);
        }
        if written - self.held.1 > most {
            return u64::MAX;
        }
        from
    }

    pub(super) async fn flush(&mut self) {
        (self.bytes, self.at) = (self.log.bytes_written(), Instant::now());
        let _ = self.raft.trigger().snapshot().await;
    }
}

/// The first entry that some member may still need from this log.
fn needed_from(now: &RaftMetrics<TypeConfig>) -> u64 {
    let last = now.last_log_index.map_or(0, |index| index + 1);
    let Some(replication) = &now.replication else {
        return last;
    };
    let slowest = replication
        .values()
        .map(|at| at.map_or(0, |at| at.index + 1))
        .min();
    slowest
        .unwrap_or(last)
        .max(last.saturating_sub(KEPT_FOR_LAGGING))
}
