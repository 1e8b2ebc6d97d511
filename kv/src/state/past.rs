//! What is retained of one key: its versions, and between which moments each came about.

use bytes::Bytes;

use super::View;
use crate::layout::{self, META, SAMPLE_TAG, VERSIONS, record};
use crate::{Entry, Error, Revision};

/// One retained version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub revision: Revision,
    /// `None` for a deletion.
    pub entry: Option<Entry>,
    /// Unix seconds, by the clock in the commands: it came about after the one, and no later than
    /// the other. Moments are kept every few seconds, and only as long as history is.
    pub after: Option<u64>,
    pub by: Option<u64>,
}

impl View<'_> {
    /// The retained versions of a key, newest first, at most `limit`.
    pub(crate) fn past(&self, key: &Bytes, limit: usize) -> Result<Vec<Version>, Error> {
        let (low, high) = (
            layout::version_key(key, u64::MAX),
            layout::version_key(key, 0),
        );
        let mut end = high;
        end.push(0);
        let mut rows = self.rows(VERSIONS, low, Some(end));
        rows.seek_to_first();
        let mut versions = Vec::new();
        while let Some((row, bytes)) = rows.item().filter(|_| versions.len() < limit) {
            let (revision, entry) = self.version_of(row, key, bytes)?;
            let (after, by) = self.moments(revision)?;
            versions.push(Version {
                revision: Revision(revision),
                entry,
                after,
                by,
            });
            rows.next();
        }
        self.ended(&rows)?;
        Ok(versions)
    }

    /// The moments kept before and at or behind a revision.
    fn moments(&self, revision: u64) -> Result<(Option<u64>, Option<u64>), Error> {
        let at = layout::sample_key(revision).to_vec();
        let mut before = self.rows(META, vec![SAMPLE_TAG], Some(at.clone()));
        before.seek_to_last();
        let after = before.item().map(|row| self.moment(row)).transpose()?;
        self.ended(&before)?;
        let mut behind = self.rows(META, at, Some(vec![SAMPLE_TAG + 1]));
        behind.seek_to_first();
        let by = behind.item().map(|row| self.moment(row)).transpose()?;
        self.ended(&behind)?;
        Ok((after, by))
    }

    fn moment(&self, (row, bytes): (&[u8], &[u8])) -> Result<u64, Error> {
        let [_, time, _] = record::decode_numbers(row, bytes)
            .map_err(|what| self.state.damaged("a sample of time", &what))?;
        Ok(time)
    }
}
