//! Reading the state: keys and ranges now or at a revision, and changes in their order.
//! A record that does not check ends the read with its name; it is never served.

use std::ops::ControlFlow;

use bytes::Bytes;
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};

use super::{State, View};
use crate::layout::record::{self, ChangeRow, Head};
use crate::layout::{self, CHANGES, EXPIRY, LATEST, VERSIONS};
use crate::{Entry, Error, Event, Revision};

/// Versions stepped over one by one before a seek is cheaper.
const STEPS_BEFORE_SEEK: usize = 4;

impl State {
    /// The newest version of a key, outside any view.
    pub(crate) fn latest(&self, key: &Bytes) -> Result<Option<Entry>, Error> {
        let mut missed = None;
        loop {
            let Some(bytes) = self.row(LATEST, key)? else {
                return Ok(None);
            };
            let (head, value) = self.decode_head(key, &bytes)?;
            if let Some(value) = value {
                return Ok(Some(head.with(key.clone(), Bytes::copy_from_slice(value))));
            }
            let revision = head.mod_revision.0;
            if let Some(bytes) = self.row(VERSIONS, &layout::version_key(key, revision))? {
                return self.decode_at(key, revision, &bytes);
            }
            // It may have been replaced and swept between the two reads, but not twice from the same version.
            if missed == Some(revision) {
                return Err(self.without_value(key, revision));
            }
            missed = Some(revision);
        }
    }

    /// Which version of a key is its newest.
    pub(crate) fn head(&self, key: &Bytes) -> Result<Option<Head>, Error> {
        let found = self.row(LATEST, key)?;
        let head = found.map(|bytes| self.decode_head(key, &bytes).map(|(head, _)| head));
        head.transpose()
    }

    fn row(&self, family: &str, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        let found = self.db.get_pinned_cf(self.family(family), key);
        found.map_err(|e| self.trouble("reading the state", &e))
    }

    fn decode_head<'a>(
        &self,
        key: &[u8],
        bytes: &'a [u8],
    ) -> Result<(Head, Option<&'a [u8]>), Error> {
        record::decode_head(key, bytes)
            .map_err(|what| self.damaged(&String::from_utf8_lossy(key), &what))
    }

    fn without_value(&self, key: &[u8], revision: u64) -> Error {
        let name = String::from_utf8_lossy(key);
        self.damaged(&name, &format!("its version {revision} is missing"))
    }

    fn decode_at(&self, key: &Bytes, revision: u64, bytes: &[u8]) -> Result<Option<Entry>, Error> {
        let (recorded, entry) = self.version(key, bytes)?;
        if recorded != revision {
            let name = String::from_utf8_lossy(key);
            return Err(self.damaged(&name, &format!("version {recorded} lies at {revision}")));
        }
        Ok(entry)
    }

    fn version(&self, key: &Bytes, bytes: &[u8]) -> Result<(u64, Option<Entry>), Error> {
        record::decode_version(key, bytes)
            .map_err(|what| self.damaged(&String::from_utf8_lossy(key), &what))
    }
}

impl View<'_> {
    /// Refuses a revision that is given up or has not happened.
    pub(crate) fn check(&self, at: Revision) -> Result<(), Error> {
        let (current, compacted) = (
            Revision(self.stand.revision),
            Revision(self.stand.compacted),
        );
        if at > current {
            return Err(Error::FutureRevision {
                requested: at,
                current,
            });
        }
        if at < compacted {
            return Err(Error::Compacted {
                requested: at,
                compacted,
            });
        }
        Ok(())
    }

    /// A key's newest version at or below a revision.
    pub(crate) fn version_at(&self, key: &Bytes, at: u64) -> Result<Option<Entry>, Error> {
        let (low, high) = (layout::version_key(key, at), layout::version_key(key, 0));
        let mut rows = self.rows(VERSIONS, low, Some(above(high)));
        rows.seek_to_first();
        let Some((row, bytes)) = rows.item() else {
            return self.ended(&rows).map(|()| None);
        };
        let revision = self.split_version(row)?.1;
        self.state.decode_at(key, revision, bytes)
    }

    /// Visits the newest versions of `start..end`, in key order, until told to stop.
    pub(crate) fn visit_latest(
        &self,
        start: &[u8],
        end: &[u8],
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut rows = self.scan(LATEST, start.to_vec(), bound(end));
        let mut versions = self.scan(VERSIONS, open_key(start), None);
        rows.seek_to_first();
        versions.seek_to_first();
        while let Some((key, bytes)) = rows.item() {
            let key = Bytes::copy_from_slice(key);
            let (head, value) = self.state.decode_head(&key, bytes)?;
            let entry = match value {
                Some(value) => head.with(key, Bytes::copy_from_slice(value)),
                None => self.version_of_head(key, head, &mut versions)?,
            };
            if visit(entry).is_break() {
                return Ok(());
            }
            rows.next();
        }
        self.ended(&rows)
    }

    /// The version that a head stands for; it lies at or behind where an iterator over `versions` stands.
    fn version_of_head(
        &self,
        key: Bytes,
        head: Head,
        versions: &mut DBRawIterator<'_>,
    ) -> Result<Entry, Error> {
        let revision = head.mod_revision.0;
        let row = layout::version_key(&key, revision);
        for _ in 0..STEPS_BEFORE_SEEK {
            if versions.key().is_none_or(|at| at >= row.as_slice()) {
                break;
            }
            versions.next();
        }
        if versions.key().is_some_and(|at| at < row.as_slice()) {
            versions.seek(&row);
        }
        let found = versions.item().filter(|(at, _)| *at == row.as_slice());
        let entry = match found {
            Some((_, bytes)) => self.state.decode_at(&key, revision, bytes)?,
            None => self.ended(versions).map(|()| None)?,
        };
        let entry = entry.ok_or_else(|| self.state.without_value(&key, revision))?;
        if Head::of(&entry) != head {
            let name = String::from_utf8_lossy(&key);
            let what = "its versions do not hold what it is now";
            return Err(self.state.damaged(&name, what));
        }
        Ok(entry)
    }

    pub(crate) fn count_latest(&self, start: &[u8], end: &[u8]) -> Result<u64, Error> {
        let mut rows = self.rows(LATEST, start.to_vec(), bound(end));
        rows.seek_to_first();
        let mut count = 0;
        while rows.valid() {
            count += 1;
            rows.next();
        }
        self.ended(&rows).map(|()| count)
    }

    /// As `visit_latest`, but of the versions that were the newest at revision `at`.
    pub(crate) fn visit_at(
        &self,
        start: &[u8],
        end: &[u8],
        at: u64,
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut rows = self.scan(
            VERSIONS,
            open_key(start),
            bound(end).map(|end| open_key(&end)),
        );
        rows.seek_to_first();
        while let Some((row, bytes)) = rows.item() {
            let (key, revision) = self.split_version(row)?;
            if revision > at {
                rows.seek(layout::version_key(&key, at));
                continue;
            }
            let key = Bytes::from(key);
            if let Some(entry) = self.state.decode_at(&key, revision, bytes)?
                && visit(entry).is_break()
            {
                return Ok(());
            }
            self.leave(&mut rows, &key);
        }
        self.ended(&rows)
    }

    /// Steps or seeks behind all versions of a key.
    fn leave(&self, rows: &mut DBRawIterator<'_>, key: &[u8]) {
        let last = layout::version_key(key, 0);
        for _ in 0..STEPS_BEFORE_SEEK {
            rows.next();
            if rows.key().is_none_or(|row| row > last.as_slice()) {
                return;
            }
        }
        rows.seek(above(last));
    }

    /// Visits the changes with a revision above `after`, in order, until told to stop.
    pub(crate) fn visit_changes(
        &self,
        after: u64,
        mut visit: impl FnMut(u64, u32, ChangeRow) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let mut rows = self.rows(CHANGES, layout::change_key(after + 1, 0).to_vec(), None);
        rows.seek_to_first();
        while let Some((row, bytes)) = rows.item() {
            let (revision, ordinal) = layout::split_change(row)
                .ok_or_else(|| self.state.damaged("changes", "an unknown key"))?;
            let change = record::decode_change(row, bytes).map_err(|what| {
                self.state
                    .damaged(&format!("change {revision}.{ordinal}"), &what)
            })?;
            if visit(revision, ordinal, change)?.is_break() {
                return Ok(());
            }
            rows.next();
        }
        self.ended(&rows)
    }

    /// The event that a row of `changes` stands for.
    pub(crate) fn event(&self, revision: u64, change: ChangeRow) -> Result<Event, Error> {
        let missing = |r: u64| {
            self.state.damaged(
                &format!("changes at {revision}"),
                &format!("version {r} is missing"),
            )
        };
        let read = |r: u64| match self.version_at(&change.key, r)? {
            Some(entry) if entry.mod_revision.0 == r => Ok(entry),
            _ => Err(missing(r)),
        };
        let (entry, deleted) = if change.delete {
            (None, Some(read(change.previous)?))
        } else {
            (Some(read(revision)?), None)
        };
        Ok(Event {
            key: change.key.clone(),
            revision: Revision(revision),
            entry,
            deleted,
            previous: (change.previous > 0).then_some(Revision(change.previous)),
        })
    }

    /// At most `limit` keys whose time has come, with the revisions that set it.
    pub(crate) fn expired(&self, now: u64, limit: usize) -> Result<Vec<(Bytes, u64)>, Error> {
        let mut rows = self.rows(EXPIRY, Vec::new(), Some(layout::expiry_key(now + 1, b"")));
        rows.seek_to_first();
        let mut keys = Vec::new();
        while let Some((row, bytes)) = rows.item().filter(|_| keys.len() < limit) {
            let (_, key) = layout::split_expiry(row)
                .ok_or_else(|| self.state.damaged("expiry", "an unknown key"))?;
            let [revision] = record::decode_numbers(row, bytes)
                .map_err(|what| self.state.damaged("an expiry row", &what))?;
            keys.push((Bytes::copy_from_slice(key), revision));
            rows.next();
        }
        self.ended(&rows).map(|()| keys)
    }

    /// Rows of a family in this view, between two bounds.
    pub(super) fn rows(
        &self,
        family: &str,
        start: Vec<u8>,
        end: Option<Vec<u8>>,
    ) -> DBRawIterator<'_> {
        self.snapshot
            .raw_iterator_cf_opt(self.state.family(family), between(start, end))
    }

    /// The same for who goes through all of them once: the block cache keeps what it has, which is what writes compare with.
    pub(super) fn scan(
        &self,
        family: &str,
        start: Vec<u8>,
        end: Option<Vec<u8>>,
    ) -> DBRawIterator<'_> {
        let mut options = between(start, end);
        options.fill_cache(false);
        self.snapshot
            .raw_iterator_cf_opt(self.state.family(family), options)
    }

    /// An iterator that is no longer valid has come to its end, or to an error.
    pub(super) fn ended(&self, rows: &DBRawIterator<'_>) -> Result<(), Error> {
        rows.status()
            .map_err(|e| self.state.trouble("reading the state", &e))
    }

    /// Whether a row of `versions` says what its key says.
    pub(super) fn check_version(&self, row: &[u8], bytes: &[u8]) -> Result<(), Error> {
        let (key, revision) = self.split_version(row)?;
        self.state
            .decode_at(&Bytes::from(key), revision, bytes)
            .map(drop)
    }

    /// A row of `versions` of this key.
    pub(super) fn version_of(
        &self,
        row: &[u8],
        key: &Bytes,
        bytes: &[u8],
    ) -> Result<(u64, Option<Entry>), Error> {
        let revision = self.split_version(row)?.1;
        Ok((revision, self.state.decode_at(key, revision, bytes)?))
    }

    fn split_version(&self, row: &[u8]) -> Result<(Vec<u8>, u64), Error> {
        layout::split_version(row).ok_or_else(|| self.state.damaged("versions", "an unknown key"))
    }
}

fn between(start: Vec<u8>, end: Option<Vec<u8>>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(start);
    if let Some(end) = end {
        options.set_iterate_upper_bound(end);
    }
    options.set_verify_checksums(true);
    options
}

/// An empty end is no bound.
fn bound(end: &[u8]) -> Option<Vec<u8>> {
    (!end.is_empty()).then(|| end.to_vec())
}

fn open_key(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len());
    layout::escape_open(key, &mut out);
    out
}

/// The smallest row behind this one.
fn above(mut row: Vec<u8>) -> Vec<u8> {
    row.push(0);
    row
}
