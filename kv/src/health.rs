//! What the store says about itself: whether it serves, and its counters.
//! Plain snapshots; the server turns them into checks and `/metrics`.

use std::time::Duration;

use crate::Revision;

#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Reads and writes are answered.
    pub serving: bool,
    pub leader: bool,
    pub leader_name: Option<String>,
    /// Why the store does not serve, when it does not.
    pub trouble: Option<String>,
}

/// Counters since the store was opened, and gauges of the moment.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub term: u64,
    pub last_index: u64,
    pub applied_index: u64,
    pub flushed_index: u64,
    pub purged_index: u64,
    pub revision: Revision,
    pub compacted: Revision,
    /// How far the rows of what is compacted are deleted.
    pub swept: Revision,
    /// Commands waiting to be sent to the log.
    pub proposals_queued: u64,
    pub proposals_total: u64,
    pub proposals_failed: u64,
    pub frames_total: u64,
    /// Writes of the log's thread: each one is one sync (when syncing).
    pub log_writes_total: u64,
    pub log_bytes_total: u64,
    pub fsyncs_total: u64,
    pub fsync_time_total: Duration,
    /// Upper bounds in seconds and cumulative counts of sync durations.
    pub fsync_buckets: Vec<(f64, u64)>,
    pub elections_total: u64,
    pub fenced_total: u64,
    pub watchers: u64,
    pub ring_events: u64,
    pub ring_bytes: u64,
    /// Watch chunks served from disk because the watcher was behind the ring.
    pub watch_disk_reads_total: u64,
    pub log_db_bytes: u64,
    pub state_db_bytes: u64,
    pub memtable_bytes: u64,
    pub block_cache_bytes: u64,
}
