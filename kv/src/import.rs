//! Makes a store of entries that come from elsewhere, each with its revisions: a new cluster of one member, as a restore makes it.

use std::path::Path;

use bytes::Bytes;
use rocksdb::WriteBatch;
use triad_raft::{Identity, Position};

use crate::clock::unix_seconds;
use crate::founding::{self, JUMP};
use crate::layout::record::{self, Head, StandRecord};
use crate::layout::{self, EXPIRY, LATEST, VERSIONS};
use crate::state::State;
use crate::{Entry, Error, Limits, Revision};

/// Bytes written at a time.
const BATCH_BYTES: usize = 4 << 20;
/// Where the state lies until it is whole.
const STAGED: &str = "importing";

/// A key as it was elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    pub key: Bytes,
    pub value: Bytes,
    pub create_revision: Revision,
    pub mod_revision: Revision,
    pub version: u64,
    /// Seconds that are left to it.
    pub ttl_seconds: Option<u32>,
}

/// Makes a store in a directory that holds nothing yet. `revision` is how far the other one had come; this one goes on far above
/// it, with no history. Returns the revision that it goes on at.
///
/// # Errors
/// `Io` when the directory is not empty, or an entry's revisions cannot be.
pub fn import(
    dir: &Path,
    node_name: &str,
    entries: impl IntoIterator<Item = Imported>,
    revision: Revision,
) -> Result<Revision, Error> {
    founding::empty_dir(dir)?;
    let identity = Identity::load_or_create(dir)?;
    let at = Position {
        term: 1,
        node: identity.node,
        index: 1,
    };
    let staged = dir.join(STAGED);
    let mut stand = StandRecord {
        applied: at,
        revision: revision.0 + JUMP,
        ..StandRecord::default()
    };
    let state = State::open(staged.clone(), &Limits::default())?;
    fill(&state, entries, revision, &mut stand)?;
    founding::begin(&state, stand, identity.node, node_name)?;
    drop(state);
    founding::begin_log(dir, identity.node, at)?;
    founding::put_state(dir, &staged)?;
    Ok(Revision(stand.revision))
}

fn fill(
    state: &State,
    entries: impl IntoIterator<Item = Imported>,
    revision: Revision,
    stand: &mut StandRecord,
) -> Result<(), Error> {
    let now = unix_seconds();
    let mut batch = WriteBatch::default();
    let mut value = Vec::new();
    for imported in entries {
        let entry = entry(imported, now);
        let (created, modified) = (entry.create_revision, entry.mod_revision);
        if created > modified || modified > revision || created.0 == 0 || entry.version == 0 {
            let key = String::from_utf8_lossy(&entry.key);
            let what = format!("{key}: created at {created}, changed at {modified} of {revision}");
            return Err(refused(state.place(), &what));
        }
        record::encode_head(&entry.key, &Head::of(&entry), &mut value);
        batch.put_cf(state.family(LATEST), &entry.key, &value);
        record::encode_version(&entry.key, modified.0, Some(&entry), &mut value);
        let row = layout::version_key(&entry.key, modified.0);
        batch.put_cf(state.family(VERSIONS), row, &value);
        if let Some(at) = entry.expires_at {
            let row = layout::expiry_key(at, &entry.key);
            let set = record::encode_numbers(&row, [modified.0]);
            batch.put_cf(state.family(EXPIRY), row, set);
        }
        stand.mix_record(&value);
        stand.written += (entry.key.len() + value.len()) as u64;
        if batch.size_in_bytes() >= BATCH_BYTES {
            state.write(std::mem::take(&mut batch))?;
        }
    }
    state.write(batch)
}

fn entry(imported: Imported, now: u64) -> Entry {
    Entry {
        key: imported.key,
        value: imported.value,
        create_revision: imported.create_revision,
        mod_revision: imported.mod_revision,
        version: imported.version,
        expires_at: imported.ttl_seconds.map(|ttl| now + u64::from(ttl)),
    }
}

fn refused(dir: &Path, why: &str) -> Error {
    Error::Io {
        what: format!("importing into {}", dir.display()),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, StoreOptions};

    fn imported(key: &'static str, created: u64, modified: u64, version: u64) -> Imported {
        Imported {
            key: key.into(),
            value: format!("value of {key}").into(),
            create_revision: Revision(created),
            mod_revision: Revision(modified),
            version,
            ttl_seconds: key.ends_with('t').then_some(1),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_imported_is_sound_serves_expires_and_goes_on_far_above() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("store");
        let into = dir.clone();
        let done = tokio::task::spawn_blocking(move || {
            let entries = [
                imported("/a", 3, 9, 4),
                imported("/b", 5, 5, 1),
                imported("/short", 7, 7, 1),
            ];
            let at = import(&into, "a", entries, Revision(40)).unwrap();
            let examined = crate::examine(&into, &mut |_| None).unwrap();
            assert_eq!(examined.findings, []);
            assert_eq!(examined.contents.keys, 3);
            let again = import(&into, "a", [], Revision(40)).unwrap_err();
            assert!(again.to_string().contains("not empty"));
            at
        });
        let at = done.await.unwrap();
        assert_eq!(at.0, 40 + JUMP);
        let store = Store::open(StoreOptions::new(&dir, "a")).await.unwrap();
        let entry = store.get(b"/a", None).unwrap().unwrap();
        assert_eq!((entry.version, entry.mod_revision.0), (4, 9));
        assert_eq!((store.revision(), store.compacted()), (at, at));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while store.get(b"/short", None).unwrap().is_some() {
            assert!(std::time::Instant::now() < deadline, "it does not expire");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(store.revision(), at.next());
        store.shutdown().await;
    }

    #[test]
    fn revisions_that_cannot_be_are_refused() {
        for wrong in [
            imported("/a", 9, 3, 1),
            imported("/a", 3, 50, 2),
            imported("/a", 0, 3, 1),
            imported("/a", 3, 3, 0),
        ] {
            let place = tempfile::tempdir().unwrap();
            let error = import(&place.path().join("s"), "a", [wrong], Revision(40)).unwrap_err();
            assert!(error.to_string().contains("/a"), "{error}");
        }
    }
}
