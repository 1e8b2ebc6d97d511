//! The disk that a member's log lies on, and the log on it: one writer takes all that waits, syncs it in some time and answers.
//! A crash leaves what was synced, and of what was not a part that the dice choose, in the order in which it was written.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use triad_fault::Dice;

use super::observer::Observer;
use super::types::{Entry, LogId, Sim, Vote};

/// Entries of one read: few, so that there are many.
const READ_ENTRIES: usize = 8;

/// What is wrong with a disk, for tests that must find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    /// Writes are answered before they are synced.
    pub(super) answers_early: bool,
    /// Votes are never written.
    pub(super) forgets_votes: bool,
}

#[derive(Clone, Default)]
struct Contents {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

enum Write {
    Append(Vec<Entry>),
    Vote(Vote),
    Truncate(u64),
    Purge(LogId),
}

enum Answer {
    Append(IOFlushed<Sim>),
    Other(oneshot::Sender<()>),
}

#[derive(Default)]
struct Inner {
    durable: Contents,
    waiting: VecDeque<(Write, Option<Answer>)>,
    /// The most that a sync takes.
    slowness_ms: u64,
}

pub(super) struct Disk {
    inner: Mutex<Inner>,
    dice: Mutex<Dice>,
    flaws: Flaws,
    work: Notify,
}

impl Contents {
    fn take(&mut self, write: &Write, flaws: Flaws) {
        match write {
            Write::Append(entries) => {
                let entries = entries.iter().cloned();
                self.entries.extend(entries.map(|e| (e.log_id.index, e)));
            }
            Write::Vote(_) if flaws.forgets_votes => {}
            Write::Vote(vote) => self.vote = Some(*vote),
            Write::Truncate(from) => drop(self.entries.split_off(from)),
            Write::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = Some(*upto);
            }
        }
    }

    fn last(&self) -> Option<LogId> {
        let last = self.entries.values().next_back().map(|e| e.log_id);
        last.max(self.purged)
    }
}

impl Disk {
    pub(super) fn new(seed: u64, flaws: Flaws) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            dice: Mutex::new(Dice::new(seed)),
            flaws,
            work: Notify::new(),
        })
    }

    pub(super) fn set_slowness(&self, ms: u64) {
        self.inner.lock().slowness_ms = ms;
    }

    /// What is left after a crash.
    pub(super) fn crash(&self) {
        let mut inner = self.inner.lock();
        let survive = self.dice.lock().below(inner.waiting.len() as u64 + 1);
        let waiting = std::mem::take(&mut inner.waiting);
        for (n, (write, answer)) in waiting.into_iter().enumerate() {
            // What was answered early is lost all the same.
            if (n as u64) < survive && answer.is_some() {
                inner.durable.take(&write, self.flaws);
            }
        }
        inner.slowness_ms = 0;
    }

    /// Whether the log reaches to where a state stands, and that to where the log begins.
    pub(super) fn purged_below(&self) -> u64 {
        self.inner
            .lock()
            .durable
            .purged
            .map_or(0, |at| at.index + 1)
    }

    /// The writer; it ends with the life that it is part of.
    pub(super) async fn write(self: Arc<Self>) {
        loop {
            self.work.notified().await;
            loop {
                let (batch, slowness) = {
                    let inner = self.inner.lock();
                    (inner.waiting.len(), inner.slowness_ms)
                };
                if batch == 0 {
                    break;
                }
                let takes = 200 + self.dice.lock().below(3_000 + slowness * 1_000);
                super::clock::sleep(Duration::from_micros(takes)).await;
                let mut answers = Vec::new();
                {
                    let mut inner = self.inner.lock();
                    for _ in 0..batch {
                        let Some((write, answer)) = inner.waiting.pop_front() else {
                            break;
                        };
                        inner.durable.take(&write, self.flaws);
                        answers.extend(answer);
                    }
                }
                answers.into_iter().for_each(answer);
            }
        }
    }

    fn queue(&self, write: Write, to: Answer) {
        let early = self.flaws.answers_early && matches!(write, Write::Append(_));
        let kept = if early {
            answer(to);
            None
        } else {
            Some(to)
        };
        self.inner.lock().waiting.push_back((write, kept));
        self.work.notify_one();
    }
}

fn answer(to: Answer) {
    match to {
        Answer::Append(flushed) => flushed.io_completed(Ok(())),
        // Whoever asked may have gone away.
        Answer::Other(done) => drop(done.send(())),
    }
}

/// The log as the core sees it: what it wrote last, synced or not.
#[derive(Clone)]
pub(super) struct LogStore {
    member: u64,
    observer: Arc<Observer>,
    disk: Arc<Disk>,
    seen: Arc<Mutex<Contents>>,
}

impl LogStore {
    pub(super) fn open(member: u64, disk: &Arc<Disk>, observer: &Arc<Observer>) -> Self {
        let seen = disk.inner.lock().durable.clone();
        Self {
            member,
            observer: observer.clone(),
            disk: disk.clone(),
            seen: Arc::new(Mutex::new(seen)),
        }
    }

    pub(super) fn vote(&self) -> Option<Vote> {
        self.seen.lock().vote
    }

    fn has(&self, id: &LogId) -> bool {
        let seen = self.seen.lock();
        let purged = seen.purged.is_some_and(|at| at.index >= id.index);
        purged || seen.entries.get(&id.index).is_some_and(|e| e.log_id == *id)
    }

    async fn write(&self, write: Write) -> io::Result<()> {
        self.seen.lock().take(&write, Flaws::default());
        let (done, written) = oneshot::channel();
        self.disk.queue(write, Answer::Other(done));
        written.await.map_err(io::Error::other)
    }

    fn read(&self, range: &impl RangeBounds<u64>, limit: usize) -> Vec<Entry> {
        let seen = self.seen.lock();
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let empty = match bounds {
            (Bound::Included(from), Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        if empty {
            return Vec::new();
        }
        seen.entries
            .range(bounds)
            .take(limit)
            .map(|(_, e)| e.clone())
            .collect()
    }
}

impl RaftLogReader<Sim> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(self.read(&range, usize::MAX))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        Ok(self.read(&(start..end), READ_ENTRIES))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.seen.lock().vote)
    }
}

impl RaftLogStorage<Sim> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Sim>> {
        let seen = self.seen.lock();
        Ok(LogState {
            last_purged_log_id: seen.purged,
            last_log_id: seen.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        if vote.committed && vote.leader_id.node_id == self.member {
            self.observer.leads(self.member, *vote, |id| self.has(id));
        }
        self.write(Write::Vote(*vote)).await
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Sim>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let write = Write::Append(entries.into_iter().collect());
        self.seen.lock().take(&write, Flaws::default());
        self.disk.queue(write, Answer::Append(flushed));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.write(Write::Truncate(last.map_or(0, |l| l.index + 1)))
            .await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.write(Write::Purge(upto)).await
    }
}
