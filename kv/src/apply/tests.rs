//! What applying leaves in the families: each value once, and states of earlier versions read as they lie.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use rocksdb::WriteBatch;
use triad_raft::{Position, StateMachine as _};

use super::Machine;
use crate::command::Command;
use crate::layout::{self, LATEST, VERSIONS, record};
use crate::state::{Slot, State};
use crate::{Change, Entry, Error, Limits, Revision, Txn};

const NOW: u64 = 1_000;

struct Bed {
    slot: Arc<Slot>,
    machine: Machine,
    index: u64,
}

impl Bed {
    fn open(dir: &Path) -> Self {
        let slot = Arc::new(Slot::open(dir, &Limits::default()).unwrap());
        let machine = Machine::unwatched(slot.clone()).unwrap();
        Self {
            slot,
            machine,
            index: 0,
        }
    }

    fn apply(&mut self, changes: Vec<Change>) {
        let txn = Txn {
            compares: Vec::new(),
            changes,
        };
        let command: Bytes = Command::txn(txn, NOW).encode_to_vec().into();
        self.index += 1;
        self.machine.apply(at(self.index), &[command]).unwrap();
    }

    fn state(&self) -> Arc<State> {
        self.slot.state()
    }

    fn all(&self) -> Result<Vec<Entry>, Error> {
        let (state, mut all) = (self.state(), Vec::new());
        state.view()?.visit_latest(b"", b"", |entry| {
            all.push(entry);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Writes a key's newest version whole into `latest`, as it lay there once.
    fn put_whole(&self, entry: &Entry) {
        let (state, mut record) = (self.state(), Vec::new());
        record::encode_version(&entry.key, entry.mod_revision.0, Some(entry), &mut record);
        let mut batch = WriteBatch::default();
        batch.put_cf(state.family(LATEST), &entry.key, record);
        state.write(batch).unwrap();
    }

    fn remove_version(&self, key: &[u8], revision: u64) {
        let (state, mut batch) = (self.state(), WriteBatch::default());
        batch.delete_cf(state.family(VERSIONS), layout::version_key(key, revision));
        state.write(batch).unwrap();
    }

    fn row_bytes(&self, family: &str, key: &[u8]) -> usize {
        let state = self.state();
        let row = state.db().get_cf(state.family(family), key).unwrap();
        row.unwrap().len()
    }
}

fn at(index: u64) -> Position {
    Position {
        term: 1,
        node: 1,
        index,
    }
}

fn put(key: &'static str, value: impl Into<Bytes>) -> Change {
    Change::Put {
        key: key.into(),
        value: value.into(),
        ttl_seconds: None,
    }
}

#[test]
fn an_entry_behind_a_hole_is_not_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    bed.apply(vec![put("/a", "1")]);
    let before = bed.machine.record();
    for index in [0, 1, 3] {
        let error = bed.machine.apply(at(index), &[]).unwrap_err();
        assert!(
            matches!(error, triad_raft::Error::Corrupt { .. }),
            "{error}"
        );
        bed.machine.skip(at(index), None).unwrap_err();
    }
    assert_eq!(bed.machine.record(), before);
    bed.machine.skip(at(2), None).unwrap();
}

#[test]
fn a_value_lies_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    bed.apply(vec![put("/a", vec![7; 100_000])]);
    assert!(bed.row_bytes(LATEST, b"/a") < 100);
    assert!(bed.row_bytes(VERSIONS, &layout::version_key(b"/a", 1)) > 100_000);
    let entry = bed.state().latest(&"/a".into()).unwrap().unwrap();
    assert_eq!(entry.value, vec![7; 100_000]);
}

#[test]
fn the_newest_values_are_found_behind_long_histories() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    for turn in 0..40 {
        bed.apply(vec![put("/b", format!("b{turn}"))]);
        if turn % 7 == 0 {
            bed.apply(vec![
                put("/a", format!("a{turn}")),
                put("/c\0d", format!("c{turn}")),
            ]);
        }
    }
    bed.apply(vec![put("/gone", "x")]);
    bed.apply(vec![Change::Delete {
        key: "/gone".into(),
    }]);
    let all = bed.all().unwrap();
    let found: Vec<_> = all.iter().map(|e| (&e.key[..], &e.value[..])).collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"/a", b"a35"), (b"/b", b"b39"), (b"/c\0d", b"c35")];
    assert_eq!(found, expected);
}

#[test]
fn whole_versions_among_the_newest_are_read_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    bed.apply(vec![put("/a", "one"), put("/b", "two")]);
    let before = bed.all().unwrap();
    before.iter().for_each(|entry| bed.put_whole(entry));
    assert!(
        bed.row_bytes(LATEST, b"/a") > bed.row_bytes(VERSIONS, &layout::version_key(b"/a", 1)) - 1
    );
    assert_eq!(bed.all().unwrap(), before);
    assert_eq!(
        bed.state().latest(&"/a".into()).unwrap().as_ref(),
        before.first()
    );
    bed.state().verify().unwrap();

    bed.apply(vec![
        put("/a", "three"),
        Change::Delete { key: "/b".into() },
    ]);
    let entry = bed.state().latest(&"/a".into()).unwrap().unwrap();
    assert_eq!((entry.value, entry.version), ("three".into(), 2));
    assert_eq!(bed.all().unwrap().len(), 1);
    bed.state().verify().unwrap();
}

#[test]
fn a_version_that_is_missing_is_damage_and_not_an_absent_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    bed.apply(vec![put("/a", "one"), put("/b", "two")]);
    bed.remove_version(b"/a", 1);
    let read = bed.state().latest(&"/a".into());
    assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    assert!(matches!(bed.all(), Err(Error::Corrupt { .. })));
    let view = bed.state();
    assert!(view.view().unwrap().event(1, change_of("/a")).is_err());
    assert_eq!(bed.machine.record().revision, Revision(1).0);
}

fn change_of(key: &'static str) -> record::ChangeRow {
    record::ChangeRow {
        key: key.into(),
        previous: 0,
        delete: false,
    }
}
