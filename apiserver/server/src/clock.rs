//! The wall clock, read here and nowhere else in the server.

use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Copy, Default)]
pub(crate) struct Clock;

impl Clock {
    pub(crate) fn unix_seconds(self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64)
    }

    /// The date in UTC, as 2006-01-02.
    pub(crate) fn today(self) -> String {
        let mut date = self.now();
        date.truncate("2006-01-02".len());
        date
    }

    /// RFC 3339 in whole seconds, as metav1.Time is written.
    pub(crate) fn now(self) -> String {
        triad_machinery::duration::format_time(self.unix_seconds())
    }

    /// RFC 3339 in microseconds, as metav1.MicroTime is written.
    pub(crate) fn now_micro(self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default();
        let seconds = triad_machinery::duration::format_time(since.as_secs() as i64);
        format!(
            "{}.{:06}Z",
            seconds.trim_end_matches('Z'),
            since.subsec_micros()
        )
    }
}
