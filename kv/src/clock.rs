//! The wall clock, read in this one place. Time enters the store inside commands only.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds; 0 for a clock before 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
