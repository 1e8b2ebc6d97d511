//! The log's one writer: a thread that takes everything queued, writes it as one batch, syncs
//! once, and answers all of it. The first error fences the log: nothing is written after it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use openraft::storage::IOFlushed;
use rocksdb::{WriteBatch, WriteOptions};
use tokio::sync::oneshot;

use super::LogWatch;
use super::floor::Floor;
use super::record;
use crate::type_config::{Entry, LogId, TypeConfig, Vote};
use crate::{Error, Pace, Position, failpoint};

/// Requests waiting for the writer. When it is full the raft core waits, and with it whoever
/// proposes: the proposer's own bound is lower, so this is reached by a catching-up follower only.
pub(super) const QUEUE_REQUESTS: usize = 1024;
/// Bytes of one write; the rest of the queue waits for the next one.
const BATCH_BYTES: usize = 8 << 20;
/// How far behind the durable floor may be, in time.
const FLOOR_INTERVAL: Duration = Duration::from_secs(1);

pub(super) enum Request {
    Append {
        entries: Vec<Entry>,
        flushed: IOFlushed<TypeConfig>,
    },
    Vote {
        vote: Vote,
        done: Done,
    },
    /// Removes the entries from `from` on.
    Truncate {
        from: u64,
        done: Done,
    },
    /// Removes the entries up to and including `upto`.
    Purge {
        upto: LogId,
        done: Done,
    },
}

pub(super) type Done = oneshot::Sender<Result<(), Error>>;

pub(super) struct Writer {
    shared: Arc<LogWatch>,
    floor: Floor,
    floor_set: Instant,
    /// Every entry below this one is on disk.
    durable: u64,
    value: Vec<u8>,
    options: WriteOptions,
    pace: Pace,
}

/// Whom to answer once a batch is on disk.
#[derive(Default)]
struct Waiting {
    appends: Vec<IOFlushed<TypeConfig>>,
    others: Vec<Done>,
}

impl Writer {
    pub(super) fn new(shared: Arc<LogWatch>, floor: Floor, durable: u64) -> Self {
        let mut options = WriteOptions::default();
        options.set_sync(shared.options.sync);
        Self {
            pace: Pace::new(shared.options.write_buffer_bytes),
            shared,
            floor,
            floor_set: Instant::now(),
            durable,
            value: Vec::new(),
            options,
        }
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        loop {
            match queue.recv_timeout(FLOOR_INTERVAL) {
                Ok(first) => self.write(first, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.floor_set.elapsed() >= FLOOR_INTERVAL {
                self.raise_floor();
            }
        }
        self.raise_floor();
    }

    fn write(&mut self, first: Request, queue: &Receiver<Request>) {
        let mut batch = WriteBatch::default();
        let mut waiting = Waiting::default();
        let mut next = Some(first);
        let mut end = self.durable;
        while let Some(request) = next {
            self.add(request, &mut batch, &mut waiting, &mut end);
            next = if batch.size_in_bytes() < BATCH_BYTES {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        let result = match self.shared.fault() {
            Some(fault) => Err(fault),
            None => self
                .commit(batch)
                .inspect_err(|e| self.shared.fence(e.clone())),
        };
        if result.is_ok() {
            self.durable = end;
            self.shared.tail.write().written_below(end);
        }
        failpoint!("log.written");
        waiting.answer(&result);
        failpoint!("log.answered");
    }

    fn add(
        &mut self,
        request: Request,
        batch: &mut WriteBatch,
        waiting: &mut Waiting,
        end: &mut u64,
    ) {
        match request {
            Request::Append { entries, flushed } => {
                for entry in &entries {
                    record::encode_entry(entry, &mut self.value);
                    batch.put(record::entry_key(entry.log_id.index), &self.value);
                    *end = entry.log_id.index + 1;
                }
                waiting.appends.push(flushed);
            }
            Request::Vote { vote, done } => {
                batch.put(record::VOTE_KEY, record::encode_vote(&vote));
                waiting.others.push(done);
            }
            Request::Truncate { from, done } => {
                batch.delete_range(record::entry_key(from), record::entry_key(u64::MAX));
                *end = (*end).min(from);
                self.lower_floor(from);
                waiting.others.push(done);
            }
            Request::Purge { upto, done } => {
                let upto = Position::of(upto);
                batch.delete_range(record::entry_key(0), record::entry_key(upto.index + 1));
                batch.put(
                    record::PURGED_KEY,
                    record::encode_position(record::PURGED_KEY, upto),
                );
                *end = (*end).max(upto.index + 1);
                waiting.others.push(done);
            }
        }
    }

    fn commit(&self, batch: WriteBatch) -> Result<(), Error> {
        let bytes = batch.size_in_bytes();
        failpoint!("log.write", Err);
        self.pace.wait(bytes, &self.shared.db, &[])?;
        let started = Instant::now();
        let written = self.shared.db.write_opt(batch, &self.options);
        let counters = &self.shared.counters;
        counters.writes.fetch_add(1, Relaxed);
        counters.bytes.fetch_add(bytes as u64, Relaxed);
        if self.shared.options.sync {
            counters.syncs.record(started.elapsed());
        }
        written.map_err(|e| Error::database("writing the log", &e, &self.shared.dir))
    }

    /// The floor may only say what is on disk, so it follows the log, and stays where it is when
    /// nothing is synced.
    fn raise_floor(&mut self) {
        self.floor_set = Instant::now();
        if !self.shared.options.sync {
            return;
        }
        if self.durable > self.floor.index() && self.shared.fault().is_none() {
            self.set_floor(self.durable);
        }
    }

    /// Before entries are taken away the floor must stop vouching for them.
    fn lower_floor(&mut self, index: u64) {
        if index < self.floor.index() {
            self.set_floor(index);
        }
    }

    fn set_floor(&mut self, index: u64) {
        failpoint!("floor.set");
        if let Err(e) = self.floor.set(index) {
            self.shared.fence(e);
        }
        failpoint!("floor.is-set");
    }
}

impl Waiting {
    fn answer(self, result: &Result<(), Error>) {
        for flushed in self.appends {
            flushed.io_completed(result.clone().map_err(std::io::Error::other));
        }
        for done in self.others {
            // A caller that went away needs no answer.
            let _ = done.send(result.clone());
        }
    }
}
