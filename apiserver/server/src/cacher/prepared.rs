//! What handlers have read off the objects that they are writing, for the feed, which needs the same of them once they are written: an
//! object is looked at once, by who writes it, and not in the one task that all changes wait for.

use super::{Cached, ResourceCache};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use triad_kv::{Entry, Revision};
use triad_machinery::codec::Known;

/// By key. Holds at most one object for each write under way; of two that write one object, one has the feed look again.
#[derive(Default)]
pub(super) struct Prepared(Mutex<HashMap<Arc<str>, Cached>>);

impl Prepared {
    /// What was read off this very entry.
    pub(super) fn take(&self, entry: &Entry) -> Option<Cached> {
        let key = std::str::from_utf8(&entry.key).ok()?;
        let prepared = self.0.lock().remove(key);
        prepared?.written_as(entry)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// A write under way, of which this was read; gone with it.
pub(crate) struct Preparation<'a> {
    prepared: &'a Prepared,
    key: Option<Arc<str>>,
}

impl Preparation<'_> {
    /// What is known of what is written: an encoder of this program has just made it.
    pub(crate) fn settled(&self) -> Option<Known> {
        self.key.as_ref().map(|_| Known::Encoded)
    }
}

impl Drop for Preparation<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.prepared.0.lock().remove(key);
        }
    }
}

impl ResourceCache {
    /// Reads off an object that was just encoded, and is about to be written, what the cache will ask for. It is likely to become `next`.
    pub(crate) fn prepare(
        &self,
        (key, value): (&Bytes, &Bytes),
        next: Revision,
    ) -> Preparation<'_> {
        let read = Cached::read(&self.layout, (key, value), next);
        let key = read.as_ref().map(|read| read.key.clone());
        if let (Some(key), Some(read)) = (key.clone(), read) {
            self.prepared.0.lock().insert(key, read);
        }
        Preparation {
            prepared: &self.prepared,
            key,
        }
    }
}
