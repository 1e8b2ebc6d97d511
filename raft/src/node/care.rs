//! Sees to it that the state is flushed and the log purged now and then. A leader keeps what a
//! slow member still needs, up to a bound; past that the member gets a copy of the state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use openraft::RaftMetrics;
use tokio::time::Instant;

use super::NodeOptions;
use super::life::TriadRaft;
use crate::StateMachine;
use crate::log_store::LogStore;
use crate::type_config::TypeConfig;

/// Entries kept for members that lag, and about how many bytes of them.
const KEPT_ENTRIES: u64 = 100_000;
const KEPT_BYTES: u64 = 1 << 30;

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
    kept: Kept,
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
            kept: Kept::default(),
            raft,
            log,
            options,
            bytes: log.bytes_written(),
            at: Instant::now(),
        }
    }

    pub(super) async fn look(&mut self, now: &RaftMetrics<TypeConfig>) {
        let flushed = now.snapshot.map_or(0, |p| p.index + 1);
        let last = now.last_log_index.map_or(0, |index| index + 1);
        let oldest = self.kept.oldest(last, self.log.bytes_written());
        let lagging = needed_from(now).unwrap_or(last).max(oldest);
        let needed = flushed.min(lagging).min(self.held_from());
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

/// The first entry that some member still needs from this log, if this one leads.
fn needed_from(now: &RaftMetrics<TypeConfig>) -> Option<u64> {
    let replication = now.replication.iter().flat_map(|r| r.values());
    replication.map(|at| at.map_or(0, |at| at.index + 1)).min()
}

/// How far back the log is kept for members that lag: by entries, and by bytes, since an entry carries from one small write to a
/// megabyte of them.
#[derive(Default)]
struct Kept {
    /// Where the log ended and what had been written of it, a sixteenth of the bound apart; the first is the oldest that is kept.
    marks: VecDeque<(u64, u64)>,
}

impl Kept {
    /// The first entry that is kept of a log that ends before `end`, of which `written` bytes have been written.
    fn oldest(&mut self, end: u64, written: u64) -> u64 {
        if self
            .marks
            .back()
            .is_none_or(|(_, at)| written - at >= KEPT_BYTES / 16)
        {
            self.marks.push_back((end, written));
        }
        // The next mark vouches for it that more than the bound lies behind the first.
        while self
            .marks
            .get(1)
            .is_some_and(|(_, at)| written - at > KEPT_BYTES)
        {
            self.marks.pop_front();
        }
        let by_bytes = match self.marks.front() {
            Some((from, at)) if written - at > KEPT_BYTES => *from,
            _ => 0,
        };
        by_bytes.max(end.saturating_sub(KEPT_ENTRIES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_entries_are_kept_by_their_number() {
        let mut kept = Kept::default();
        for end in (0..=400_000).step_by(100) {
            let oldest = kept.oldest(end, end * 200);
            assert_eq!(oldest, end.saturating_sub(KEPT_ENTRIES), "at {end}");
        }
    }

    #[test]
    fn large_entries_are_kept_by_their_bytes() {
        let (mut kept, each) = (Kept::default(), 1 << 20);
        let bound = KEPT_BYTES / each;
        for end in 0..=5 * bound {
            let oldest = kept.oldest(end, end * each);
            assert!(
                oldest <= end.saturating_sub(bound),
                "at {end} from {oldest}"
            );
            // What is kept beyond the bound is at most two steps of the marks.
            assert!(end - oldest <= bound + bound / 8, "at {end} from {oldest}");
        }
    }
}
