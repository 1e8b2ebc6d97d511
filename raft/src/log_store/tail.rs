//! The newest entries in memory: what is not yet written or not yet applied is read from here,
//! so that applying an entry never waits for the database.

use std::collections::VecDeque;
use std::ops::Range;

use crate::type_config::{Entry, LogId};

/// How many entries stay behind for readers although they are written and applied.
const KEPT_ENTRIES: usize = 32;

/// Entries with consecutive indexes. It is bounded by what is in flight: the proposer stops at
/// its own bound, and each entry leaves once it is written and applied.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: VecDeque<Entry>,
    written: u64,
    applied: u64,
}

impl Tail {
    pub(crate) fn push(&mut self, entry: Entry) {
        // A log that jumps ahead (a state was installed) has no use for what came before.
        if self
            .last()
            .is_some_and(|last| last.index + 1 != entry.log_id.index)
        {
            self.entries.clear();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|e| e.log_id)
    }

    pub(crate) fn truncate_from(&mut self, index: u64) {
        while self.entries.back().is_some_and(|e| e.log_id.index >= index) {
            self.entries.pop_back();
        }
        self.written = self.written.min(index);
    }

    /// Everything below `end` is in the database.
    pub(crate) fn written_below(&mut self, end: u64) {
        self.written = self.written.max(end);
        self.shrink();
    }

    /// Everything below `end` is applied.
    pub(crate) fn applied_below(&mut self, end: u64) {
        self.applied = self.applied.max(end);
        self.shrink();
    }

    /// The part of `wanted` that is here, always its end; `None` when none of it is.
    pub(crate) fn read(&self, wanted: &Range<u64>) -> Option<(u64, Vec<Entry>)> {
        let first = self.entries.front()?.log_id.index;
        let end = wanted.end.min(first + self.entries.len() as u64);
        let start = wanted.start.max(first);
        if start >= end {
            return None;
        }
        let (skip, take) = ((start - first) as usize, (end - start) as usize);
        Some((
            start,
            self.entries.iter().skip(skip).take(take).cloned().collect(),
        ))
    }

    fn shrink(&mut self) {
        let done = self.written.min(self.applied);
        while self.entries.len() > KEPT_ENTRIES
            && self.entries.front().is_some_and(|e| e.log_id.index < done)
        {
            self.entries.pop_front();
        }
    }
}
