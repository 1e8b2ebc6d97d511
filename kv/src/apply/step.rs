//! One log entry in the making: the batch to be written, and what the commands before in the
//! same entry have already changed.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use rocksdb::WriteBatch;

use crate::command::ChangeRecord;
use crate::layout::record::{self, ChangeRow, Head, Sample, StandRecord};
use crate::layout::{self, CHANGES, EXPIRY, LATEST, META, VERSIONS};
use crate::state::State;
use crate::watch::Transaction;
use crate::{Entry, Error, Event, Revision};

pub(super) struct Step<'a> {
    state: &'a State,
    stand: StandRecord,
    batch: WriteBatch,
    changed: HashMap<Bytes, Option<Entry>>,
    transactions: Vec<Transaction>,
    /// Scratch for packing records.
    value: Vec<u8>,
}

impl<'a> Step<'a> {
    pub(super) fn new(state: &'a State, stand: StandRecord) -> Self {
        Self {
            state,
            stand,
            batch: WriteBatch::default(),
            changed: HashMap::new(),
            transactions: Vec::new(),
            value: Vec::new(),
        }
    }

    pub(super) fn stand(&self) -> &StandRecord {
        &self.stand
    }

    pub(super) fn get(&self, key: &Bytes) -> Result<Option<Entry>, Error> {
        match self.changed.get(key) {
            Some(entry) => Ok(entry.clone()),
            None => self.state.latest(key),
        }
    }

    /// Which version of a key is its newest.
    pub(super) fn head(&self, key: &Bytes) -> Result<Option<Head>, Error> {
        match self.changed.get(key) {
            Some(entry) => Ok(entry.as_ref().map(Head::of)),
            None => self.state.head(key),
        }
    }

    /// Makes the changes of one transaction under the next revision, if they change anything.
    pub(super) fn change(&mut self, changes: Vec<ChangeRecord>) -> Result<(), Error> {
        let revision = self.stand.revision + 1;
        let mut events = Vec::with_capacity(changes.len());
        for change in last_of_each_key(changes) {
            let previous = self.head(&change.key)?;
            if previous.is_none() && change.delete {
                continue;
            }
            let entry = (!change.delete).then(|| next_entry(&change, previous, revision));
            let deleted = match change.delete {
                true => self.get(&change.key)?,
                false => None,
            };
            self.put(
                revision,
                events.len(),
                &change.key,
                entry.as_ref(),
                previous,
            );
            self.changed.insert(change.key.clone(), entry.clone());
            events.push(Event {
                key: change.key,
                revision: Revision(revision),
                entry,
                deleted,
                previous: previous.map(|p| p.mod_revision),
            });
        }
        if !events.is_empty() {
            self.stand.revision = revision;
            self.transactions
                .push(Transaction::new(Revision(revision), events));
        }
        Ok(())
    }

    fn put(
        &mut self,
        revision: u64,
        ordinal: usize,
        key: &Bytes,
        entry: Option<&Entry>,
        previous: Option<Head>,
    ) {
        let state = self.state;
        match entry {
            Some(entry) => {
                record::encode_head(key, &Head::of(entry), &mut self.value);
                self.batch.put_cf(state.family(LATEST), key, &self.value);
            }
            None => self.batch.delete_cf(state.family(LATEST), key),
        }
        record::encode_version(key, revision, entry, &mut self.value);
        self.batch.put_cf(
            state.family(VERSIONS),
            layout::version_key(key, revision),
            &self.value,
        );
        self.stand.mix_record(&self.value);
        self.stand.written += (key.len() + self.value.len()) as u64;

        // A transaction's changes are bounded far below what an ordinal holds.
        let row = layout::change_key(revision, u32::try_from(ordinal).unwrap_or(u32::MAX));
        let change = ChangeRow {
            key: key.clone(),
            previous: previous.map_or(0, |p| p.mod_revision.0),
            delete: entry.is_none(),
        };
        record::encode_change(&row, &change, &mut self.value);
        self.stand.mix_record(&self.value);
        self.batch.put_cf(state.family(CHANGES), row, &self.value);

        if let Some(at) = previous.and_then(|p| p.expires_at) {
            self.batch
                .delete_cf(state.family(EXPIRY), layout::expiry_key(at, key));
        }
        if let Some(at) = entry.and_then(|e| e.expires_at) {
            let row = layout::expiry_key(at, key);
            let value = record::encode_numbers(&row, [revision]);
            self.batch.put_cf(state.family(EXPIRY), row, value);
        }
    }

    /// History before `revision` is given up; what has not happened cannot be.
    pub(super) fn raise_compacted(&mut self, revision: u64) {
        self.stand.compacted = self.stand.compacted.max(revision.min(self.stand.revision));
    }

    pub(super) fn keep_sample(&mut self, sample: Sample, key: &[u8], value: Vec<u8>) {
        self.stand.sample = sample;
        self.batch.put_cf(self.state.family(META), key, value);
    }

    pub(super) fn finish(self) -> (WriteBatch, StandRecord, Vec<Transaction>) {
        (self.batch, self.stand, self.transactions)
    }
}

fn next_entry(change: &ChangeRecord, previous: Option<Head>, revision: u64) -> Entry {
    Entry {
        key: change.key.clone(),
        value: change.value.clone(),
        create_revision: previous.map_or(Revision(revision), |p| p.create_revision),
        mod_revision: Revision(revision),
        version: previous.map_or(1, |p| p.version + 1),
        expires_at: (change.expires_at > 0).then_some(change.expires_at),
    }
}

/// Later changes of a transaction win over earlier ones to the same key.
fn last_of_each_key(changes: Vec<ChangeRecord>) -> Vec<ChangeRecord> {
    if changes.len() < 2 {
        return changes;
    }
    let mut seen = HashSet::new();
    let mut kept: Vec<ChangeRecord> = changes
        .into_iter()
        .rev()
        .filter(|c| seen.insert(c.key.clone()))
        .collect();
    kept.reverse();
    kept
}
