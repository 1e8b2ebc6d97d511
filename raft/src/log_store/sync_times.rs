//! How long syncs take: a histogram of counters that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds, as etcd's `wal_fsync_duration_seconds` has them.
const BOUNDS_US: [u64; 14] = [
    1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000,
    2_048_000, 4_096_000, 8_192_000,
];

#[derive(Debug, Default)]
pub(super) struct SyncRecorder {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    total_us: AtomicU64,
}

/// A reading of the histogram.
#[derive(Clone, Debug, Default)]
pub struct SyncTimes {
    pub count: u64,
    pub total: Duration,
    /// Upper bound in seconds, and how many syncs took at most that long.
    pub buckets: Vec<(f64, u64)>,
}

impl SyncRecorder {
    pub(super) fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS_US.iter().position(|bound| us <= *bound) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.total_us.fetch_add(us, Relaxed);
    }

    pub(super) fn read(&self) -> SyncTimes {
        let mut below = 0;
        let buckets = BOUNDS_US.iter().zip(&self.buckets).map(|(bound, bucket)| {
            below += bucket.load(Relaxed);
            (*bound as f64 / 1e6, below)
        });
        SyncTimes {
            buckets: buckets.collect(),
            count: self.count.load(Relaxed),
            total: Duration::from_micros(self.total_us.load(Relaxed)),
        }
    }
}
