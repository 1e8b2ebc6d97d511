//! Who may run and who waits: seats of levels, lent among them, and fair queues before each level (docs/adr/0021). A pure state
//! machine: it neither waits nor knows the time.

use super::level::{Limits, Queuing};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a request is taken to need until it is known (upstream's estimatedServiceDuration).
const ESTIMATE: Duration = Duration::from_millis(3);

/// `W` wakes who waits.
pub(super) struct Seats<W> {
    levels: BTreeMap<Arc<str>, Level<W>>,
    next: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// In this queue's name.
    Runs(usize),
    Waits(usize, Id),
    Refused(Reason),
}

/// Names who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u64);

/// Why nobody may even wait (upstream's labels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    ConcurrencyLimit,
    QueueFull,
    TimeOut,
}

struct Level<W> {
    limits: Limits,
    running: usize,
    waiting: usize,
    queues: Vec<Queue<W>>,
    /// The virtual time of what was let go last: an idle queue begins there.
    now: u64,
    /// No object names it any more: it goes when nobody needs it.
    gone: bool,
}

struct Queue<W> {
    waiting: VecDeque<(Id, W)>,
    running: usize,
    /// How much this queue has had, in virtual nanoseconds: who had least is next.
    had: u64,
}

impl<W> Default for Seats<W> {
    fn default() -> Self {
        Seats {
            levels: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<W> Seats<W> {
    /// Takes new limits; who may run by them.
    pub(super) fn configure(&mut self, all: Vec<Limits>) -> Vec<W> {
        for level in self.levels.values_mut() {
            level.gone = true;
        }
        for limits in all {
            let name = limits.level.name.clone();
            let level = self.levels.entry(name).or_insert_with(|| Level {
                limits: limits.clone(),
                running: 0,
                waiting: 0,
                queues: Vec::new(),
                now: 0,
                gone: false,
            });
            let wanted = limits.level.queuing.map_or(1, |queuing| queuing.queues);
            while level.queues.len() < wanted {
                level.queues.push(Queue {
                    waiting: VecDeque::new(),
                    running: 0,
                    had: 0,
                });
            }
            (level.limits, level.gone) = (limits, false);
        }
        self.reap();
        self.let_go()
    }

    /// A request of a flow that is to run in a level. `wake` is kept where it has to wait.
    pub(super) fn ask(&mut self, name: &str, flow: u64, wake: impl FnOnce() -> W) -> Asked {
        let free = self.has_seat(name);
        let id = Id(self.next);
        let Some(level) = self.levels.get_mut(name) else {
            return Asked::Runs(0);
        };
        let Some(queuing) = level.limits.level.queuing else {
            if !free {
                return Asked::Refused(Reason::ConcurrencyLimit);
            }
            level.begin(0);
            return Asked::Runs(0);
        };
        let at = level.queue_of(flow, queuing);
        let queue = &mut level.queues[at];
        if queue.waiting.is_empty() && queue.running == 0 {
            queue.had = queue.had.max(level.now);
        }
        if free && level.waiting == 0 {
            level.begin(at);
            return Asked::Runs(at);
        }
        if queue.waiting.len() >= queuing.length {
            return Asked::Refused(Reason::QueueFull);
        }
        self.next += 1;
        queue.waiting.push_back((id, wake()));
        level.waiting += 1;
        Asked::Waits(at, id)
    }

    /// A request has ended that took so long; who may run in its place.
    pub(super) fn end(&mut self, name: &str, queue: usize, took: Duration) -> Vec<W> {
        let Some(level) = self.levels.get_mut(name) else {
            return Vec::new();
        };
        level.running = level.running.saturating_sub(1);
        if let Some(queue) = level.queues.get_mut(queue) {
            queue.running = queue.running.saturating_sub(1);
            queue.had = (queue.had + nanos(took)).saturating_sub(nanos(ESTIMATE));
        }
        if level.gone {
            self.reap();
        }
        self.let_go()
    }

    /// Somebody waits no more; false where they may run already.
    pub(super) fn leave(&mut self, name: &str, queue: usize, id: Id) -> bool {
        let Some(level) = self.levels.get_mut(name) else {
            return false;
        };
        let Some(queue) = level.queues.get_mut(queue) else {
            return false;
        };
        let Some(at) = queue.waiting.iter().position(|(one, _)| *one == id) else {
            return false;
        };
        queue.waiting.remove(at);
        level.waiting -= 1;
        if level.gone {
            self.reap();
        }
        true
    }

    /// Each level's name, nominal seats, requests that run and requests that wait.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&str, usize, usize, usize)> {
        let counts = self.levels.iter();
        counts.map(|(name, l)| (&**name, l.limits.nominal, l.running, l.waiting))
    }

    /// Whether one more may run in a level: among what it keeps for itself always, beyond that while others leave seats over.
    fn has_seat(&self, name: &str) -> bool {
        let Some(level) = self.levels.get(name) else {
            return true;
        };
        if level.limits.level.exempt || level.running < level.limits.kept {
            return true;
        }
        level.running < level.limits.most && self.spare() > 0
    }

    /// Seats that are neither in use nor kept by a level for itself.
    fn spare(&self) -> usize {
        let all: usize = self.levels.values().map(|l| l.limits.nominal).sum();
        let held = self.levels.values().map(|l| l.running.max(l.limits.kept));
        all.saturating_sub(held.sum())
    }

    /// Lets those go that have a seat now: of the level that has least of what is its own, by fair queuing within it.
    fn let_go(&mut self) -> Vec<W> {
        let mut woken = Vec::new();
        loop {
            let share =
                |level: &Level<W>| level.running as f64 / level.limits.nominal.max(1) as f64;
            let waiting = self.levels.iter().filter(|(_, level)| level.waiting > 0);
            let free = waiting.filter(|(name, _)| self.has_seat(name));
            let least = free.min_by(|(_, a), (_, b)| share(a).total_cmp(&share(b)));
            let Some(name) = least.map(|(name, _)| name.clone()) else {
                return woken;
            };
            if let Some(level) = self.levels.get_mut(&name) {
                woken.extend(level.next());
            }
        }
    }

    fn reap(&mut self) {
        self.levels
            .retain(|_, level| !level.gone || level.running + level.waiting > 0);
    }
}

impl<W> Level<W> {
    /// The queue of a flow's hand that has least to do (apiserver pkg/util/shufflesharding).
    fn queue_of(&self, flow: u64, queuing: Queuing) -> usize {
        let mut rest = flow;
        let mut hand: Vec<usize> = Vec::with_capacity(queuing.hand);
        for dealt in 0..queuing.hand {
            let deck = (queuing.queues - dealt) as u64;
            let mut card = (rest % deck) as usize;
            rest /= deck;
            // The card is one of those that are left.
            for earlier in &hand {
                if card >= *earlier {
                    card += 1;
                }
            }
            hand.insert(hand.partition_point(|earlier| *earlier < card), card);
        }
        let busy = |at: &usize| {
            let queue = &self.queues[*at];
            queue.waiting.len() + queue.running
        };
        hand.into_iter().min_by_key(busy).unwrap_or(0)
    }

    fn begin(&mut self, at: usize) {
        let queue = &mut self.queues[at];
        self.now = self.now.max(queue.had);
        queue.had += nanos(ESTIMATE);
        queue.running += 1;
        self.running += 1;
    }

    fn next(&mut self) -> Option<W> {
        let waiting = self.queues.iter().enumerate();
        let waiting = waiting.filter(|(_, queue)| !queue.waiting.is_empty());
        let (at, _) = waiting.min_by_key(|(_, queue)| queue.had)?;
        let (_, wake) = self.queues[at].waiting.pop_front()?;
        self.waiting -= 1;
        self.begin(at);
        Some(wake)
    }
}

fn nanos(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests;
