//! Sees what every member does and says when two of them disagree: it belongs to the test, no member asks it.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::types::{Entry, LogId, Vote};

/// Term and node of a vote: they order leaders.
type Rank = (u64, u64);

#[derive(Default)]
struct Seen {
    /// What lies at an index that some member has applied, and a rank by which it was committed at the latest.
    committed: BTreeMap<u64, (LogId, String, Rank)>,
    hashes: BTreeMap<u64, (u64, u64)>,
    leaders: BTreeSet<Rank>,
    installs: u64,
    applies: u64,
    violation: Option<String>,
    /// All that happened, in one number: the same seed gives the same.
    trace: u64,
}

#[derive(Default)]
pub(super) struct Observer {
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) leaders: u64,
    pub(super) installs: u64,
    pub(super) applies: u64,
    pub(super) trace: u64,
}

fn rank(vote: Option<Vote>) -> Rank {
    vote.map_or((0, 0), |v| (v.leader_id.term, v.leader_id.node_id))
}

impl Seen {
    fn fail(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn mix(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.trace = (self.trace ^ number)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(17);
        }
    }
}

impl Observer {
    /// A member, which has voted like this, applies an entry: all apply the same one at an index.
    pub(super) fn applies(&self, member: u64, vote: Option<Vote>, entry: &Entry) {
        let mut seen = self.seen.lock();
        let (index, id, what) = (entry.log_id.index, entry.log_id, entry.payload.to_string());
        seen.applies += 1;
        seen.mix(&[member, index, id.leader_id.term, id.leader_id.node_id]);
        let Some((other, other_what, _)) = seen.committed.get(&index) else {
            seen.committed.insert(index, (id, what, rank(vote)));
            return;
        };
        if (*other, other_what) != (id, &what) {
            let told = format!(
                "{member} applies {id} ({what}) at {index}, another {other} ({other_what})"
            );
            seen.fail(told);
        }
    }

    /// A member's state after an index: it is the same on all, whichever way it came about.
    pub(super) fn reached(&self, member: u64, index: u64, hash: u64, revision: u64) {
        let mut seen = self.seen.lock();
        seen.mix(&[member, index, hash]);
        let other = *seen.hashes.entry(index).or_insert((hash, revision));
        if other != (hash, revision) {
            seen.fail(format!(
                "{member} stands at revision {revision} with hash {hash:x} after {index}, another at {other:x?}"
            ));
        }
    }

    pub(super) fn installed(&self) {
        self.seen.lock().installs += 1;
    }

    /// A member is elected by a vote; `has` says whether its log has an entry.
    pub(super) fn leads(&self, member: u64, vote: Vote, has: impl Fn(&LogId) -> bool) {
        let mut seen = self.seen.lock();
        let by = rank(Some(vote));
        seen.mix(&[member, by.0, by.1]);
        if !seen.leaders.insert(by) {
            seen.fail(format!(
                "{member} is elected by {vote}, which has elected one before"
            ));
        }
        let before = seen
            .committed
            .values()
            .rev()
            .find(|(_, _, committed)| *committed < by);
        let missing = before.map(|(id, ..)| *id).filter(|id| !has(id));
        if let Some(id) = missing {
            seen.fail(format!(
                "{member} is elected by {vote} without the committed {id}"
            ));
        }
    }

    pub(super) fn fail(&self, what: String) {
        self.seen.lock().fail(what);
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.seen.lock().violation.clone()
    }

    pub(super) fn counts(&self) -> Counts {
        let seen = self.seen.lock();
        Counts {
            leaders: seen.leaders.len() as u64,
            installs: seen.installs,
            applies: seen.applies,
            trace: seen.trace,
        }
    }
}
