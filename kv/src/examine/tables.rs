//! Reads all families of a state and checks every record against its checksum, and the families against each other. What each
//! invariant is for is said in docs/design/on-disk.md.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocksdb::DB;
use triad_raft::{seats, tables};

use super::CheckValue;
use super::findings::Findings;
use crate::layout::record::{self, ChangeRow, Head, Sample, StandRecord};
use crate::layout::{
    self, CHANGES, EXPIRY, LATEST, MEMBERSHIP_KEY, META, SAMPLE_TAG, STAND_KEY, SWEPT_KEY, VERSIONS,
};
use crate::state::State;
use crate::{Contents, Entry, Error};

/// Checks everything; what the state holds, and its stand when that can be read.
pub(super) fn check(
    state: &State,
    place: &Path,
    value: &mut CheckValue<'_>,
    found: &mut Findings,
) -> Result<(Contents, StandRecord), Error> {
    let mut check = Check {
        db: state.db(),
        state,
        place: place.to_path_buf(),
        stand: state.view()?.stand,
        swept: 0,
        contents: Contents::default(),
        found,
    };
    check.contents.revision = check.stand.revision;
    check.contents.compacted = check.stand.compacted;
    check.meta()?;
    check.latest()?;
    check.versions(value)?;
    check.changes()?;
    check.expiry()?;
    Ok((check.contents, check.stand))
}

struct Check<'a> {
    db: &'a DB,
    state: &'a State,
    place: PathBuf,
    stand: StandRecord,
    swept: u64,
    contents: Contents,
    found: &'a mut Findings,
}

/// The row of `versions` that was read before this one.
struct Newer {
    key: Bytes,
    revision: u64,
    entry: Option<Entry>,
}

impl Check<'_> {
    /// Visits a family's rows; blocks that do not check are findings.
    fn rows(
        &mut self,
        family: &str,
        mut visit: impl FnMut(&mut Self, &[u8], &[u8]),
    ) -> Result<(), Error> {
        let (db, place) = (self.db, self.place.clone());
        let failures = tables::visit_rows(db, family, &place, |key, value| visit(self, key, value));
        for failure in failures? {
            self.found.damage(failure.into());
        }
        Ok(())
    }

    /// A row of another family. What keeps it from being read is found when that family is read as a whole.
    fn row(&self, family: &str, key: &[u8]) -> Option<Vec<u8>> {
        let read = self.db.get_cf(self.state.family(family), key);
        read.ok().flatten()
    }

    fn head(&self, key: &[u8]) -> Option<Head> {
        let bytes = self.row(LATEST, key)?;
        let decoded = record::decode_head(key, &bytes);
        decoded.ok().map(|(head, _)| head)
    }

    fn wrong(&mut self, key: &[u8], revision: u64, what: impl Into<String>) {
        let place = self.place.clone();
        self.found.at(&place, key, revision, what);
    }

    fn wrong_row(&mut self, family: &str, row: &[u8], what: &str) {
        let row = row.escape_ascii();
        self.found
            .add(self.place.clone(), format!("{family}: row {row}: {what}"));
    }

    fn meta(&mut self) -> Result<(), Error> {
        let mut newest = Sample::default();
        self.rows(META, |check, key, bytes| {
            let wrong = match key {
                STAND_KEY => StandRecord::decode(key, bytes).err(),
                MEMBERSHIP_KEY => match record::decode_opaque(key, bytes).map(|r| seats(&r)) {
                    Ok(Some(_)) => None,
                    Ok(None) => Some("it names no usable set of members".into()),
                    Err(what) => Some(what),
                },
                SWEPT_KEY => match record::decode_numbers(key, bytes) {
                    Ok([swept]) => {
                        check.swept = swept;
                        None
                    }
                    Err(what) => Some(what),
                },
                [SAMPLE_TAG, at @ ..] if at.len() == 8 => check.sample(key, bytes, &mut newest),
                _ => Some("its key is of no known kind".into()),
            };
            if let Some(what) = wrong {
                check.wrong_row(META, key, &what);
            }
        })?;
        let stand = self.stand;
        let mut claim = |holds: bool, what: String| {
            if !holds {
                self.found.add(self.place.clone(), what);
            }
        };
        claim(
            stand.compacted <= stand.revision,
            format!(
                "history is given up to revision {}, but the state is at {}",
                stand.compacted, stand.revision
            ),
        );
        claim(
            self.swept <= stand.compacted,
            format!(
                "it is swept up to revision {}, but history is given up to {}",
                self.swept, stand.compacted
            ),
        );
        claim(
            newest.revision == 0 || newest == stand.sample,
            format!(
                "the newest sample is of revision {}, the stand names {}",
                newest.revision, stand.sample.revision
            ),
        );
        Ok(())
    }

    fn sample(&self, key: &[u8], bytes: &[u8], newest: &mut Sample) -> Option<String> {
        let [revision, time, written] = match record::decode_numbers(key, bytes) {
            Ok(numbers) => numbers,
            Err(what) => return Some(what),
        };
        let rises = time >= newest.time && written >= newest.written;
        let placed = key == layout::sample_key(revision) && revision <= self.stand.revision;
        *newest = Sample {
            revision,
            time,
            written,
        };
        (!rises || !placed).then(|| "a sample of time is out of order".into())
    }

    fn latest(&mut self) -> Result<(), Error> {
        self.rows(LATEST, |check, key, bytes| {
            check.contents.keys += 1;
            let key = Bytes::copy_from_slice(key);
            let (head, value) = match record::decode_head(&key, bytes) {
                Ok(found) => found,
                Err(what) => return check.wrong(&key, 0, what),
            };
            let revision = head.mod_revision.0;
            let (created, version) = (head.create_revision.0, head.version);
            let numbers = created <= revision
                && revision <= check.stand.revision
                && (version == 1) == (created == revision)
                && version > 0;
            if !numbers {
                let what =
                    format!("created at {created}, version {version}: its numbers cannot be");
                check.wrong(&key, revision, what);
            }
            // Asked for by its key, as a compare does: that reads the table's filter.
            if check.row(LATEST, &key).is_none() {
                check.wrong(&key, revision, "it is listed, but not found by its key");
            }
            let kept = check.row(VERSIONS, &layout::version_key(&key, revision));
            let kept = kept.and_then(|bytes| record::decode_version(&key, &bytes).ok()?.1);
            let holds =
                |kept: Entry| Head::of(&kept) == head && value.is_none_or(|v| v == kept.value);
            if !kept.is_some_and(holds) {
                check.wrong(&key, revision, "its versions do not hold what it is now");
            }
            if let Some(at) = head.expires_at {
                let row = layout::expiry_key(at, &key);
                let set = check.row(EXPIRY, &row);
                let set = set.and_then(|bytes| record::decode_numbers(&row, &bytes).ok());
                if set != Some([revision]) {
                    check.wrong(
                        &key,
                        revision,
                        "it would never expire: no expiry row has it",
                    );
                }
            }
        })
    }

    fn versions(&mut self, value: &mut CheckValue<'_>) -> Result<(), Error> {
        let mut newer: Option<Newer> = None;
        self.rows(VERSIONS, |check, row, bytes| {
            check.contents.versions += 1;
            let Some((key, revision)) = layout::split_version(row) else {
                return check.wrong_row(VERSIONS, row, "its key is of no known kind");
            };
            let key = Bytes::from(key);
            let entry = match record::decode_version(&key, bytes) {
                Ok((recorded, _)) if recorded != revision => {
                    let what = format!("version {recorded} lies in its place");
                    return check.wrong(&key, revision, what);
                }
                Ok((_, entry)) => entry,
                Err(what) => return check.wrong(&key, revision, what),
            };
            if let Some(what) = entry.as_ref().and_then(&mut *value) {
                check.wrong(&key, revision, what);
            }
            let before = newer.take().filter(|newer| newer.key == key);
            check.version(&key, revision, entry.as_ref(), before.as_ref());
            newer = Some(Newer {
                key,
                revision,
                entry,
            });
        })
    }

    fn version(
        &mut self,
        key: &Bytes,
        revision: u64,
        entry: Option<&Entry>,
        newer: Option<&Newer>,
    ) {
        if revision > self.stand.revision {
            self.wrong(key, revision, "it is newer than the state");
        }
        match newer {
            None => {
                let now = self.head(key).map_or(0, |head| head.mod_revision.0);
                if now != entry.map_or(0, |_| revision) {
                    self.wrong(key, revision, "the newest versions do not have it");
                }
            }
            Some(newer) => self.follows(key, revision, entry, newer),
        }
        if revision > self.stand.compacted && !self.is_told(key, revision) {
            self.wrong(key, revision, "no change leads to it");
        }
    }

    /// Whether a version may be the one before a newer one.
    fn follows(&mut self, key: &Bytes, revision: u64, entry: Option<&Entry>, newer: &Newer) {
        let fits = match (entry, &newer.entry) {
            (Some(entry), Some(newer)) => {
                newer.version == entry.version + 1 && newer.create_revision == entry.create_revision
            }
            (None, Some(newer)) => newer.version == 1,
            (Some(_), None) => true,
            (None, None) => false,
        };
        if !fits {
            let what = format!("revision {} does not follow it", newer.revision);
            self.wrong(key, revision, what);
        }
    }

    /// Whether a change says that the key took this revision.
    fn is_told(&self, key: &Bytes, revision: u64) -> bool {
        (0..)
            .map_while(|ordinal| {
                let row = layout::change_key(revision, ordinal);
                let bytes = self.row(CHANGES, &row)?;
                Some(record::decode_change(&row, &bytes))
            })
            // One that does not check is found by itself.
            .any(|change| change.is_ok_and(|change| change.key == *key))
    }

    fn changes(&mut self) -> Result<(), Error> {
        let mut last: Option<(u64, u32)> = None;
        self.rows(CHANGES, |check, row, bytes| {
            let Some((revision, ordinal)) = layout::split_change(row) else {
                return check.wrong_row(CHANGES, row, "its key is of no known kind");
            };
            if revision <= check.swept {
                let what = format!("change {revision}.{ordinal} was swept and is still there");
                return check.found.add(check.place.clone(), what);
            }
            if revision > check.stand.compacted {
                check.contents.changes += 1;
                check.in_order(last, (revision, ordinal));
                last = Some((revision, ordinal));
            }
            match record::decode_change(row, bytes) {
                Ok(change) => check.change(revision, &change),
                Err(what) => {
                    let what = format!("change {revision}.{ordinal}: {what}");
                    check.found.add(check.place.clone(), what);
                }
            }
        })?;
        let ends = last.map_or(self.stand.compacted, |(revision, _)| revision);
        if ends < self.stand.revision {
            let what = format!(
                "changes end at revision {ends}, but the state is at {}",
                self.stand.revision
            );
            self.found.add(self.place.clone(), what);
        }
        Ok(())
    }

    /// Every revision above the compacted one has its changes, counted from 0.
    fn in_order(&mut self, last: Option<(u64, u32)>, this: (u64, u32)) {
        let (revision, ordinal) = last.unwrap_or((self.stand.compacted, 0));
        let next = this == (revision + 1, 0);
        let same = last.is_some() && this == (revision, ordinal + 1);
        if !next && !same || this.0 > self.stand.revision {
            let what = format!(
                "change {}.{} follows {revision}.{ordinal}: something is missing, or it is out of order",
                this.0, this.1
            );
            self.found.add(self.place.clone(), what);
        }
    }

    fn change(&mut self, revision: u64, change: &ChangeRow) {
        let key = &change.key;
        let kept = |check: &Self, at: u64| {
            let bytes = check.row(VERSIONS, &layout::version_key(key, at))?;
            record::decode_version(key, &bytes).ok()
        };
        match kept(self, revision) {
            Some((_, entry)) if entry.is_none() == change.delete => {}
            Some(_) => self.wrong(
                key,
                revision,
                "its change and its version disagree on a deletion",
            ),
            None => self.wrong(key, revision, "it was changed, but the version is missing"),
        }
        if change.previous >= revision {
            self.wrong(key, revision, "the version before it is newer");
        } else if change.previous > 0 && kept(self, change.previous).is_none() {
            let what = format!("the version before it, {}, is missing", change.previous);
            self.wrong(key, revision, what);
        }
    }

    fn expiry(&mut self) -> Result<(), Error> {
        self.rows(EXPIRY, |check, row, bytes| {
            let Some((at, key)) = layout::split_expiry(row) else {
                return check.wrong_row(EXPIRY, row, "its key is of no known kind");
            };
            let revision = match record::decode_numbers(row, bytes) {
                Ok([revision]) => revision,
                Err(what) => return check.wrong_row(EXPIRY, row, &what),
            };
            let key = Bytes::copy_from_slice(key);
            let meant = check
                .head(&key)
                .is_some_and(|head| head.expires_at == Some(at) && head.mod_revision.0 == revision);
            if !meant {
                check.wrong(&key, revision, "an expiry row is left of what it was");
            }
        })
    }
}
