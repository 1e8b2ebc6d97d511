//! Frees the space of history that has been given up: each change at or below the compacted
//! revision names the version that it replaced, so nothing is ever scanned but those changes.
//! It runs in small steps beside everything else and is local: applying never depends on it.

use std::ops::ControlFlow;

use rocksdb::WriteBatch;

use super::State;
use crate::Error;
use crate::layout::{self, CHANGES, META, SAMPLE_TAG, SWEPT_KEY, VERSIONS, record};

impl State {
    /// How far it has come; 0 when that cannot be read.
    pub(crate) fn swept(&self) -> u64 {
        let swept = self.read_numbers(SWEPT_KEY);
        swept.ok().flatten().map_or(0, |[swept]| swept)
    }

    /// Sweeps about `limit` changes; whether more are left.
    pub(crate) fn sweep(&self, limit: usize) -> Result<bool, Error> {
        let [swept] = self.read_numbers(SWEPT_KEY)?.unwrap_or([0]);
        let view = self.view()?;
        let compacted = view.stand.compacted;
        if swept >= compacted {
            return Ok(false);
        }
        let mut batch = WriteBatch::default();
        let (mut seen, mut reached) = (0, compacted);
        let (versions, changes) = (self.family(VERSIONS), self.family(CHANGES));
        view.visit_changes(swept, |revision, ordinal, change| {
            // A transaction is swept as a whole.
            if revision > compacted || (seen >= limit && ordinal == 0) {
                reached = revision - 1;
                return Ok(ControlFlow::Break(()));
            }
            if change.previous > 0 {
                batch.delete_cf(versions, layout::version_key(&change.key, change.previous));
            }
            if change.delete {
                batch.delete_cf(versions, layout::version_key(&change.key, revision));
            }
            batch.delete_cf(changes, layout::change_key(revision, ordinal));
            seen += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        let reached = reached.min(compacted);
        self.drop_samples(reached, &mut batch)?;
        batch.put_cf(
            self.family(META),
            SWEPT_KEY,
            record::encode_numbers(SWEPT_KEY, [reached]),
        );
        self.write(batch)?;
        Ok(reached < compacted)
    }

    fn drop_samples(&self, reached: u64, batch: &mut WriteBatch) -> Result<(), Error> {
        let view = self.view()?;
        let mut rows = view.rows(
            META,
            vec![SAMPLE_TAG],
            Some(layout::sample_key(reached).to_vec()),
        );
        rows.seek_to_first();
        while let Some(row) = rows.key() {
            batch.delete_cf(self.family(META), row);
            rows.next();
        }
        view.ended(&rows)
    }

    /// The newest revision that history may be given up to: everything before it is older than
    /// `oldest`, or lies behind more than `max_bytes` of newer writes.
    pub(crate) fn history_end(&self, oldest: u64, max_bytes: u64) -> Result<u64, Error> {
        let view = self.view()?;
        let mut end = view.stand.compacted;
        let mut rows = view.rows(META, vec![SAMPLE_TAG], Some(vec![SAMPLE_TAG + 1]));
        rows.seek_to_first();
        while let Some((row, bytes)) = rows.item() {
            let [revision, time, written] = record::decode_numbers(row, bytes)
                .map_err(|what| self.damaged("a sample of time", &what))?;
            if time > oldest && view.stand.written - written <= max_bytes {
                break;
            }
            end = end.max(revision);
            rows.next();
        }
        view.ended(&rows)?;
        Ok(end)
    }
}
