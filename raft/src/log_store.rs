//! The raft log on a RocksDB instance of its own (`DIR/log`): entries and the vote, each record
//! with a checksum. Readers share it; one thread writes it. It knows nothing of commands.

mod floor;
mod reading;
mod record;
mod recovery;
mod sync_times;
mod tail;
mod wal;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::RwLock;
use rocksdb::{IteratorMode, ReadOptions};
use tokio::sync::{oneshot, watch};

use crate::tables::Database;
use crate::type_config::{CommittedLeader, Entry, LogId, TypeConfig, Vote};
use crate::{Error, Position, failpoint};

pub use reading::{LogItem, LogReading, read_log};
pub(crate) use record::{decode_entry, encode_entry};
pub use sync_times::SyncTimes;
use tail::Tail;
pub(crate) use wal::{is_usable, is_whole};
use writer::{Request, Writer};

/// What one read for a follower brings into memory, besides what is there.
const READ_BYTES: usize = 4 << 20;

#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The data directory: the log is `log/` in it, its floor `log.floor`.
    pub dir: PathBuf,
    pub sync: bool,
    pub write_buffer_bytes: usize,
}

/// A handle on the log; clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<LogWatch>,
    queue: SyncSender<Request>,
}

/// What all handles of one log share.
pub(crate) struct LogWatch {
    options: LogOptions,
    dir: PathBuf,
    db: Arc<Database>,
    tail: RwLock<Tail>,
    /// Vote, purged and last as the raft core last set them.
    marks: RwLock<Marks>,
    fault: OnceLock<Error>,
    fenced: watch::Sender<bool>,
    counters: Counters,
}

#[derive(Clone, Copy, Default)]
struct Marks {
    vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
}

#[derive(Default)]
struct Counters {
    writes: AtomicU64,
    bytes: AtomicU64,
    syncs: sync_times::SyncRecorder,
}

/// What the log counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogMetrics {
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
    pub(crate) syncs: SyncTimes,
    pub(crate) db_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

/// Makes a log that is empty and begins behind a position, for a state that stands there; what an
/// existing log held goes. The next term is above the position's, so that entries go on rising.
///
/// # Errors
/// `Io`.
pub fn seed_log(options: LogOptions, node: u64, at: Position) -> Result<(), Error> {
    let failed = |e: io::Error| Error::io("seeding the log", e);
    let (log, writer) = LogStore::open(options)?;
    // A vote never goes back: a log that is begun again may have voted in a later term.
    let voted = log
        .shared
        .marks
        .read()
        .vote
        .map_or(0, |vote| vote.leader_id.term + 1);
    let leader_id = CommittedLeader {
        term: at.term.max(voted),
        node_id: node,
    };
    let vote = Vote {
        leader_id,
        committed: false,
    };
    let (voted, vote_written) = oneshot::channel();
    let (purged, purge_written) = oneshot::channel();
    log.send(Request::Vote { vote, done: voted })
        .map_err(failed)?;
    let upto = at.log_id();
    log.send(Request::Purge { upto, done: purged })
        .map_err(failed)?;
    drop(log);
    for written in [vote_written, purge_written] {
        written.blocking_recv().unwrap_or(Err(Error::Closed))?;
    }
    writer
        .join()
        .map_err(|_| Error::io("seeding the log", "its thread panicked"))
}

impl LogStore {
    /// Recovers the log and starts its writer. The thread ends when the last handle is gone.
    pub(crate) fn open(options: LogOptions) -> Result<(Self, JoinHandle<()>), Error> {
        let recovered = recovery::open(&options)?;
        let reached = recovered.last.map_or(0, |l| l.index + 1);
        let shared = Arc::new(LogWatch {
            dir: recovery::directory(&options),
            options,
            db: recovered.db,
            tail: RwLock::default(),
            marks: RwLock::new(Marks {
                vote: recovered.vote,
                purged: recovered.purged,
                last: recovered.last,
            }),
            fault: OnceLock::new(),
            fenced: watch::Sender::new(false),
            counters: Counters::default(),
        });
        let (queue, requests) = sync_channel(writer::QUEUE_REQUESTS);
        let writer = Writer::new(shared.clone(), recovered.floor, reached);
        let thread = std::thread::Builder::new()
            .name("triad-log".into())
            .spawn(move || writer.run(&requests))
            .map_err(|e| Error::io("starting the log's thread", e))?;
        Ok((Self { shared, queue }, thread))
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.shared.options.dir.clone()
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.shared.marks.read().last
    }

    pub(crate) fn purged(&self) -> Option<LogId> {
        self.shared.marks.read().purged
    }

    /// Lets entries below `end` leave memory once they are written.
    pub(crate) fn applied_below(&self, end: u64) {
        self.shared.tail.write().applied_below(end);
    }

    /// The error that ended this log's life, if one did.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.shared.fault()
    }

    /// Ends this log's life from outside: nothing is written any more.
    pub(crate) fn fence(&self, fault: Error) {
        self.shared.fence(fault);
    }

    /// Turns true when the log is fenced.
    pub(crate) fn fenced(&self) -> watch::Receiver<bool> {
        self.shared.fenced.subscribe()
    }

    /// Bytes written so far.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.shared.counters.bytes.load(Relaxed)
    }

    /// The log seen from outside; it does not keep the log open.
    pub(crate) fn watch(&self) -> Weak<LogWatch> {
        Arc::downgrade(&self.shared)
    }

    /// The entries of a range; those on disk end after about `limit` bytes.
    fn entries(&self, wanted: Range<u64>, limit: usize) -> io::Result<Vec<Entry>> {
        let (on_disk, recent) = match self.shared.tail.read().read(&wanted) {
            Some((start, entries)) => (wanted.start..start, entries),
            None => (wanted, Vec::new()),
        };
        if on_disk.is_empty() {
            return Ok(recent);
        }
        let end = on_disk.end;
        let read = self.shared.read(on_disk, limit);
        let mut entries = read
            .inspect_err(|e| self.shared.fence(e.clone()))
            .map_err(io::Error::other)?;
        // What is missing before the recent ones has been purged, unless the limit cut it off.
        if entries
            .last()
            .is_none_or(|last| last.log_id.index + 1 == end)
        {
            entries.extend(recent);
        }
        Ok(entries)
    }

    fn send(&self, request: Request) -> io::Result<()> {
        self.queue
            .send(request)
            .map_err(|_| io::Error::other(Error::Closed))
    }

    async fn send_and_wait(&self, request: impl FnOnce(writer::Done) -> Request) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        self.send(request(done))?;
        answer
            .await
            .map_err(|_| io::Error::other(Error::Closed))?
            .map_err(io::Error::other)
    }
}

impl LogWatch {
    pub(crate) fn metrics(&self) -> LogMetrics {
        let number = |name| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        LogMetrics {
            writes: self.counters.writes.load(Relaxed),
            bytes: self.counters.bytes.load(Relaxed),
            syncs: self.counters.syncs.read(),
            db_bytes: number("rocksdb.total-sst-files-size"),
            memtable_bytes: number("rocksdb.cur-size-all-mem-tables"),
        }
    }

    fn fault(&self) -> Option<Error> {
        self.fault.get().cloned()
    }

    fn fence(&self, fault: Error) {
        if self.fault.set(fault.clone()).is_ok() {
            tracing::error!(%fault, "the log is fenced: nothing is written until it is reopened");
            self.fenced.send_replace(true);
        }
    }

    /// Entries from the database, about `limit` bytes of them; a gap or damage is an error.
    pub(crate) fn read(&self, wanted: Range<u64>, limit: usize) -> Result<Vec<Entry>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(record::entry_key(wanted.start));
        options.set_iterate_upper_bound(record::entry_key(wanted.end));
        options.set_verify_checksums(true);
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for item in self.db.iterator_opt(IteratorMode::Start, options) {
            let (key, value) =
                item.map_err(|e| Error::database("reading the log", &e, &self.dir))?;
            let index = record::entry_index(&key)
                .ok_or_else(|| Error::corrupt("an unknown key", &self.dir))?;
            if entries.last().is_some_and(|e| e.log_id.index + 1 != index) {
                return Err(Error::corrupt(
                    format!("entry {} is missing", index - 1),
                    &self.dir,
                ));
            }
            let entry = record::decode_entry(index, &value);
            entries.push(
                entry
                    .map_err(|what| Error::corrupt(format!("entry {index}: {what}"), &self.dir))?,
            );
            bytes += value.len();
            if bytes >= limit {
                break;
            }
        }
        Ok(entries)
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.entries(half_open(&range), usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start..end, READ_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.marks.read().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let marks = *self.shared.marks.read();
        Ok(LogState {
            last_purged_log_id: marks.purged,
            last_log_id: marks.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = *vote;
        failpoint!("vote.save", |e| Err(io::Error::other(e)));
        self.send_and_wait(|done| Request::Vote { vote, done })
            .await?;
        self.shared.marks.write().vote = Some(vote);
        failpoint!("vote.saved");
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        {
            let mut tail = self.shared.tail.write();
            entries.iter().for_each(|e| tail.push(e.clone()));
            if let Some(last) = tail.last() {
                self.shared.marks.write().last = Some(last);
            }
        }
        failpoint!("append.queue", |e| Err(io::Error::other(e)));
        self.send(Request::Append { entries, flushed })
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |l| l.index + 1);
        failpoint!("truncate.begin", |e| Err(io::Error::other(e)));
        self.shared.tail.write().truncate_from(from);
        self.send_and_wait(|done| Request::Truncate { from, done })
            .await?;
        self.shared.marks.write().last = last;
        failpoint!("truncate.end");
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        failpoint!("purge.begin", |e| Err(io::Error::other(e)));
        self.send_and_wait(|done| Request::Purge { upto, done })
            .await?;
        let mut marks = self.shared.marks.write();
        marks.purged = Some(upto);
        marks.last = marks.last.max(Some(upto));
        failpoint!("purge.end");
        Ok(())
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(at) => *at,
        Bound::Excluded(at) => at + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(at) => at + 1,
        Bound::Excluded(at) => *at,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
