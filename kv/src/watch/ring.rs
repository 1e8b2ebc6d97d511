//! The recent transactions in memory, bounded by bytes; the oldest leave first.
//! Whoever has not read them by then reads the database.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Entry, Event, Revision};

/// What a transaction costs besides its keys and values.
const OVERHEAD: usize = 256;

/// One committed transaction.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) revision: Revision,
    pub(crate) events: Arc<[Event]>,
    bytes: usize,
}

impl Transaction {
    pub(crate) fn new(revision: Revision, events: Vec<Event>) -> Self {
        let size = |entry: &Option<Entry>| entry.as_ref().map_or(0, |e| e.value.len());
        let each = |e: &Event| e.key.len() + size(&e.entry) + size(&e.deleted) + OVERHEAD;
        let bytes = OVERHEAD + events.iter().map(each).sum::<usize>();
        Self {
            revision,
            events: events.into(),
            bytes,
        }
    }
}

/// Consecutive revisions, newest last.
#[derive(Debug)]
pub(crate) struct Ring {
    transactions: VecDeque<Transaction>,
    bytes: usize,
    /// When it is full the oldest transactions leave; watches behind them turn to the database.
    max_bytes: usize,
    /// Every transaction above this revision is here.
    floor: Revision,
}

impl Ring {
    pub(crate) fn new(max_bytes: usize, floor: Revision) -> Self {
        Self {
            transactions: VecDeque::new(),
            bytes: 0,
            max_bytes,
            floor,
        }
    }

    /// Forgets everything: what comes next follows `floor`.
    pub(crate) fn restart(&mut self, floor: Revision) {
        *self = Self::new(self.max_bytes, floor);
    }

    pub(crate) fn push(&mut self, transaction: Transaction) {
        self.bytes += transaction.bytes;
        self.transactions.push_back(transaction);
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.transactions.pop_front()
        {
            self.bytes -= oldest.bytes;
            self.floor = oldest.revision;
        }
    }

    /// Events under `prefix` above `after`, and the revision they are complete up to. Whole
    /// transactions, until there are `limit` events. `None` when `after` lies behind the ring.
    pub(crate) fn read(
        &self,
        prefix: &[u8],
        after: Revision,
        limit: usize,
    ) -> Option<(Vec<Event>, Revision)> {
        if after < self.floor {
            return None;
        }
        let mut events = Vec::new();
        let mut upto = after;
        let skip = usize::try_from(after.0 - self.floor.0).unwrap_or(usize::MAX);
        for transaction in self.transactions.iter().skip(skip) {
            if events.len() >= limit {
                break;
            }
            events.extend(
                transaction
                    .events
                    .iter()
                    .filter(|e| e.key.starts_with(prefix))
                    .cloned(),
            );
            upto = transaction.revision;
        }
        Some((events, upto))
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.transactions.len(), self.bytes)
    }
}
