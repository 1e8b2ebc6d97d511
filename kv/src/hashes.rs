//! The state's hash after each of the last entries, for members to compare at the same index.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// How many entries back members can compare: a member that lags further is asked again later.
const KEPT: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Hashes {
    recent: Mutex<VecDeque<(u64, u64)>>,
}

impl Hashes {
    pub(crate) fn add(&self, index: u64, hash: u64) {
        let mut recent = self.recent.lock();
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back((index, hash));
    }

    pub(crate) fn at(&self, index: u64) -> Option<u64> {
        let recent = self.recent.lock();
        let found = recent.binary_search_by_key(&index, |(at, _)| *at).ok()?;
        Some(recent[found].1)
    }

    pub(crate) fn newest(&self) -> Option<(u64, u64)> {
        self.recent.lock().back().copied()
    }
}
