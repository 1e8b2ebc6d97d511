//! Copies of a store: made beside writes, exact to one revision, checked to the last bit, and the
//! beginning of a new cluster whose revisions never meet those of the old one.

use std::path::Path;

use bytes::Bytes;
use triad_kv::{Copy, Error, Revision, Store, StoreOptions, restore};

use crate::support::{TestStore, committed, exists, put, txn};

async fn fill(store: &Store, from: usize, to: usize) {
    for n in from..to {
        let change = put(&format!("/k{:03}", n % 100), &format!("v{n}"));
        store.txn(txn([], [change])).await.unwrap();
    }
}

fn values(store: &Store) -> Vec<(Bytes, Bytes)> {
    let range = store.range(b"/", b"0", None, 0).unwrap();
    range
        .entries
        .into_iter()
        .map(|e| (e.key, e.value))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_exactly_one_revision_while_writes_go_on() {
    let store = TestStore::open().await;
    fill(&store, 0, 300).await;
    let writer = {
        let store = Store::clone(&store);
        tokio::spawn(async move { fill(&store, 300, 900).await })
    };
    let to = store.dir().join("copy");
    let copied = store.checkpoint(&to).await.unwrap();
    writer.await.unwrap();
    let copy = Copy::open(&to).unwrap();
    let contents = copy.verify().unwrap();
    assert_eq!(contents.revision, copied.revision.0);
    assert_eq!(contents.changes, contents.revision);
    // The store itself remembers what it held at that revision.
    let then = store.range(b"/", b"0", Some(copied.revision), 0).unwrap();
    assert_eq!(copy.range(b"/", b"0").unwrap(), then.entries);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_is_a_new_cluster_that_goes_on_far_above() {
    let store = TestStore::open().await;
    fill(&store, 0, 250).await;
    let (expected, before) = (values(&store), store.revision());
    let old = store.identity().unwrap();
    let to = store.dir().join("copy");
    store.checkpoint(&to).await.unwrap();
    store.close().await;

    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("store");
    let restoring = {
        let (to, dir) = (to.clone(), dir.clone());
        tokio::task::spawn_blocking(move || restore(&to, &dir, "restored"))
    };
    let at = restoring.await.unwrap().unwrap();
    assert!(at > before.0 + 1_000_000);
    let restored = Store::open(StoreOptions::new(&dir, "restored"))
        .await
        .unwrap();
    assert_eq!(values(&restored), expected);
    assert_ne!(restored.identity().unwrap().cluster, old.cluster);
    assert_eq!(restored.revision(), Revision(at));
    let old_watch = restored.watch(b"/", before);
    assert!(matches!(old_watch, Err(Error::Compacted { .. })));
    let members = restored.members();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].member.name, "restored");
    let mut watch = restored.watch(b"/", Revision(at)).unwrap();
    let revision = committed(
        restored
            .txn(txn([exists("/k001")], [put("/k001", "new")]))
            .await,
    );
    assert_eq!(revision, Revision(at + 1));
    let batch = watch.next().await.unwrap();
    assert_eq!(batch.revision, revision);
    restored.shutdown().await;
    let again = Store::open(StoreOptions::new(&dir, "restored"))
        .await
        .unwrap();
    assert_eq!(again.revision(), revision);
    assert_eq!(again.get(b"/k001", None).unwrap().unwrap().value, "new");
    again.shutdown().await;
    // Nothing is ever restored over a store.
    let over = tokio::task::spawn_blocking(move || restore(&to, &dir, "x"))
        .await
        .unwrap();
    assert!(over.unwrap_err().to_string().contains("not empty"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_a_copy_is_found() {
    let store = TestStore::open().await;
    fill(&store, 0, 200).await;
    let to = store.dir().join("copy");
    store.checkpoint(&to).await.unwrap();
    store.close().await;
    let tables = |dir: &Path| -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        entries
            .filter(|p| p.extension().is_some_and(|e| e == "sst"))
            .collect()
    };
    let found = tables(&to);
    assert!(!found.is_empty());
    for table in found {
        let whole = std::fs::read(&table).unwrap();
        let mut bad = whole.clone();
        let at = bad.len() / 3;
        bad[at] ^= 4;
        // A hard link shares its bytes: the file is replaced, not written to.
        std::fs::remove_file(&table).unwrap();
        std::fs::write(&table, &bad).unwrap();
        let checked = Copy::open(&to).and_then(|copy| copy.verify());
        assert!(
            matches!(checked, Err(Error::Corrupt { .. })),
            "{}",
            table.display()
        );
        std::fs::write(&table, &whole).unwrap();
    }
    Copy::open(&to).unwrap().verify().unwrap();
}
