//! The keys that a controller has yet to look at: each at most once, never twice at a time, failed ones again later
//! (client-go util/workqueue). Holds no more keys than there are objects that just changed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1000);

pub(super) struct Work<K> {
    ready: VecDeque<K>,
    /// What is in `ready`.
    queued: HashSet<K>,
    /// What is being looked at, and whether it changed meanwhile.
    running: HashMap<K, bool>,
    failures: HashMap<K, u32>,
    /// When a failed key is due; the number keeps the order of equals.
    later: BinaryHeap<Reverse<(Instant, u64)>>,
    delayed: HashMap<u64, K>,
    next_number: u64,
}

impl<K: Clone + Eq + Hash> Work<K> {
    pub(super) fn new() -> Self {
        Work {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashMap::new(),
            failures: HashMap::new(),
            later: BinaryHeap::new(),
            delayed: HashMap::new(),
            next_number: 0,
        }
    }

    /// Asks for a look at the key; a further one when it is being looked at.
    pub(super) fn add(&mut self, key: K) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = true;
        } else if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The next key to look at; it must be given back with `done`.
    pub(super) fn take(&mut self, now: Instant) -> Option<K> {
        self.wake(now);
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.running.insert(key.clone(), false);
        Some(key)
    }

    /// Ends a look. A key that failed comes back after a pause, one that changed meanwhile at once.
    pub(super) fn done(&mut self, key: K, succeeded: bool, now: Instant) {
        let changed = self.running.remove(&key).unwrap_or(false);
        if succeeded {
            self.failures.remove(&key);
        }
        if changed {
            self.add(key);
        } else if !succeeded {
            let failures = self.failures.entry(key.clone()).or_default();
            let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(30));
            *failures += 1;
            self.later
                .push(Reverse((now + pause.min(LONGEST_PAUSE), self.next_number)));
            self.delayed.insert(self.next_number, key);
            self.next_number += 1;
        }
    }

    /// When the next failed key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.peek().map(|Reverse((due, _))| *due)
    }

    fn wake(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let number = self.later.pop().map(|Reverse((_, number))| number);
            if let Some(key) = number.and_then(|number| self.delayed.remove(&number)) {
                self.add(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_queued_once_and_never_runs_twice_at_a_time() {
        let now = Instant::now();
        let mut work = Work::new();
        work.add("a");
        work.add("a");
        work.add("b");
        assert_eq!(work.take(now), Some("a"));
        work.add("a");
        assert_eq!(work.take(now), Some("b"));
        assert_eq!(work.take(now), None, "a is being looked at");
        work.done("a", true, now);
        assert_eq!(work.take(now), Some("a"), "it changed meanwhile");
        work.done("a", true, now);
        work.done("b", true, now);
        assert_eq!(work.take(now), None);
    }

    #[test]
    fn failures_wait_longer_each_time_and_success_forgets_them() {
        let start = Instant::now();
        let mut work = Work::new();
        work.add(1);
        let mut now = start;
        for pause in [5, 10, 20, 40] {
            assert_eq!(work.take(now), Some(1));
            work.done(1, false, now);
            assert_eq!(work.take(now), None);
            assert_eq!(work.next_due(), Some(now + Duration::from_millis(pause)));
            now += Duration::from_millis(pause);
        }
        assert_eq!(work.take(now), Some(1));
        work.done(1, true, now);
        assert_eq!(work.next_due(), None);
        work.add(1);
        assert_eq!(work.take(now), Some(1));
        work.done(1, false, now);
        assert_eq!(work.next_due(), Some(now + Duration::from_millis(5)));
    }

    #[test]
    fn a_pause_ends_somewhere() {
        let mut now = Instant::now();
        let mut work = Work::new();
        work.add(1);
        for _ in 0..40 {
            assert_eq!(work.take(now), Some(1));
            work.done(1, false, now);
            let due = work.next_due().expect("it failed");
            assert!(due - now <= LONGEST_PAUSE);
            now = due;
        }
        assert_eq!(work.take(now), Some(1));
    }
}
