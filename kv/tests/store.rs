//! What the store promises to one caller: revisions, versions, conflicts, limits, reads at a
//! revision, expiry, reopening, and one process for each directory.

use std::time::Duration;

use crate::support::{
    TestStore, absent, at_revision, committed, delete, exists, put, put_ttl, txn,
};
use bytes::Bytes;
use triad_kv::{Election, Error, Revision, Store, StoreOptions, Txn, TxnOutcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_counts_versions_and_keeps_its_creation() {
    let store = TestStore::open().await;
    let first = committed(store.txn(txn([], [put("a", "1")])).await);
    let second = committed(store.txn(txn([], [put("a", "2")])).await);
    assert_eq!((first, second), (Revision(1), Revision(2)));
    let entry = store.get(b"a", None).unwrap().unwrap();
    assert_eq!(entry.value, "2");
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.version),
        (first, second, 2)
    );
    assert_eq!(store.get(b"a", Some(first)).unwrap().unwrap().value, "1");

    committed(store.txn(txn([], [delete("a")])).await);
    assert_eq!(store.get(b"a", None).unwrap(), None);
    let fourth = committed(store.txn(txn([], [put("a", "3")])).await);
    let entry = store.get(b"a", None).unwrap().unwrap();
    assert_eq!((entry.create_revision, entry.version), (fourth, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_takes_no_revision() {
    let store = TestStore::open().await;
    assert_eq!(committed(store.txn(Txn::default()).await), Revision(0));
    assert_eq!(
        committed(store.txn(txn([], [delete("absent")])).await),
        Revision(0)
    );
    assert_eq!(
        committed(store.txn(txn([], [put("a", "1"), delete("absent")])).await),
        Revision(1)
    );
    assert_eq!(store.revision(), Revision(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_compare_changes_nothing_and_shows_the_entry() {
    let store = TestStore::open().await;
    committed(store.txn(txn([absent("a")], [put("a", "1")])).await);
    let outcome = store
        .txn(txn(
            [absent("a"), at_revision("a", 1), exists("b")],
            [put("b", "x")],
        ))
        .await
        .unwrap();
    let TxnOutcome::Conflict { revision, failed } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(revision, Revision(1));
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (failed[0].0, failed[0].1.as_ref().map(|e| e.value.clone())),
        (0, Some(Bytes::from("1")))
    );
    assert_eq!((failed[1].0, &failed[1].1), (2, &None));
    assert_eq!(store.get(b"b", None).unwrap(), None);

    committed(
        store
            .txn(txn(
                [at_revision("a", 1), exists("a"), absent("b")],
                [put("b", "x")],
            ))
            .await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_changes_of_a_transaction_share_its_revision() {
    let store = TestStore::open().await;
    let revision = committed(
        store
            .txn(txn([], [put("a", "1"), put("b", "1"), put("a", "2")]))
            .await,
    );
    let range = store.range(b"", b"", None, 0).unwrap();
    let seen: Vec<_> = range
        .entries
        .iter()
        .map(|e| (&e.key[..], &e.value[..], e.mod_revision, e.version))
        .collect();
    assert_eq!(
        seen,
        [
            (&b"a"[..], &b"2"[..], revision, 1),
            (b"b", b"1", revision, 1)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_exact_at_every_revision() {
    let store = TestStore::open().await;
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        committed(store.txn(txn([], [put(key, "x")])).await);
    }
    committed(store.txn(txn([], [delete("a/2")])).await);
    committed(store.txn(txn([], [put("a/1", "y")])).await);
    let keys = |at: Option<u64>, limit| {
        let range = store.range(b"a/", b"a0", at.map(Revision), limit).unwrap();
        let keys: Vec<String> = range
            .entries
            .iter()
            .map(|e| {
                format!(
                    "{}={}",
                    String::from_utf8_lossy(&e.key),
                    String::from_utf8_lossy(&e.value)
                )
            })
            .collect();
        (keys.join(" "), range.more)
    };
    assert_eq!(keys(Some(0), 0), (String::new(), false));
    assert_eq!(keys(Some(2), 0), ("a/1=x a/2=x".into(), false));
    assert_eq!(keys(Some(4), 2), ("a/1=x a/2=x".into(), true));
    assert_eq!(keys(Some(5), 0), ("a/1=x a/3=x".into(), false));
    assert_eq!(keys(None, 0), ("a/1=y a/3=x".into(), false));
    assert_eq!(keys(Some(6), 1), ("a/1=y".into(), true));
    assert_eq!(store.count(b"a/", b"a0").unwrap(), 2);
    assert!(matches!(
        store.range(b"", b"", Some(Revision(7)), 0),
        Err(Error::FutureRevision { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_named() {
    let store = TestStore::open().await;
    let many: Vec<_> = (0..65).map(|i| put(&format!("k{i}"), "v")).collect();
    let error = store
        .txn(Txn {
            compares: vec![],
            changes: many,
        })
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the number of changes is 65, the limit is 64"
    );
    let error = store
        .txn(txn([], [put(&"k".repeat(5000), "v")]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "a key's length",
                ..
            }
        ),
        "{error}"
    );
    // Larger than a frame, smaller than a transaction may be.
    committed(
        store
            .txn(txn([], [put("large", &"v".repeat(3 << 20))]))
            .await,
    );
    assert_eq!(
        store.get(b"large", None).unwrap().unwrap().value.len(),
        3 << 20
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_expire_by_their_time() {
    let store = TestStore::open().await;
    committed(
        store
            .txn(txn(
                [],
                [
                    put_ttl("short", 1),
                    put_ttl("kept", 1),
                    put_ttl("long", 1000),
                ],
            ))
            .await,
    );
    committed(store.txn(txn([], [put("kept", "without a ttl")])).await);
    let mut watch = store.watch(b"", Revision(2)).unwrap();
    let batch = tokio::time::timeout(Duration::from_secs(60), watch.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(batch.events.len(), 1);
    assert_eq!(
        (&batch.events[0].key[..], &batch.events[0].entry),
        (&b"short"[..], &None)
    );
    let deleted = batch.events[0].deleted.as_ref();
    assert_eq!(deleted.map(|entry| entry.key.clone()), Some("short".into()));
    let keys: Vec<_> = store
        .range(b"", b"", None, 0)
        .unwrap()
        .entries
        .into_iter()
        .map(|e| e.key)
        .collect();
    assert_eq!(keys, ["kept", "long"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_reopening() {
    let mut store = TestStore::open().await;
    for i in 0..20 {
        committed(
            store
                .txn(txn([], [put(&format!("k{}", i % 7), &i.to_string())]))
                .await,
        );
    }
    store.compact(Revision(3)).await.unwrap();
    let before = (
        store.range(b"", b"", None, 0).unwrap(),
        store.range(b"", b"", Some(Revision(9)), 0).unwrap(),
    );
    for _ in 0..3 {
        store.reopen().await;
        assert_eq!(store.revision(), Revision(20));
        assert_eq!(store.compacted(), Revision(3));
        let after = (
            store.range(b"", b"", None, 0).unwrap(),
            store.range(b"", b"", Some(Revision(9)), 0).unwrap(),
        );
        assert_eq!(before, after);
        assert_eq!(store.read_barrier().await.unwrap(), Revision(20));
        let mut watch = store.watch(b"", Revision(19)).unwrap();
        assert_eq!(watch.next().await.unwrap().revision, Revision(20));
    }
    assert_eq!(
        committed(store.txn(txn([], [put("new", "x")])).await),
        Revision(21)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_opening_is_refused_by_name() {
    let store = TestStore::open().await;
    let again = Store::open(StoreOptions::new(store.dir(), "second")).await;
    let Err(Error::Locked { dir, holder }) = again else {
        panic!("{again:?}")
    };
    assert_eq!(dir, store.dir());
    assert!(holder.unwrap().starts_with("test, pid "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_says_so() {
    let store = TestStore::open().await;
    let mut watch = store.watch(b"", Revision(0)).unwrap();
    store.shutdown().await;
    assert!(matches!(watch.next().await, Err(Error::Closed)));
    assert!(matches!(
        store.txn(txn([], [put("a", "1")])).await,
        Err(Error::Closed)
    ));
    assert!(matches!(store.get(b"a", None), Err(Error::Closed)));
    assert!(!store.health().serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_store_is_ready_at_once() {
    let mut options = TestStore::options();
    // Whoever waited for an election to be due would wait for a minute.
    options.election = Election {
        timeout_min_ms: 60_000,
        timeout_max_ms: 120_000,
    };
    let mut store = TestStore::open_with(options).await;
    committed(store.txn(txn([], [put("a", "1")])).await);
    store.close().await;
    let started = std::time::Instant::now();
    store.open_again().await;
    let took = started.elapsed();
    committed(store.txn(txn([], [put("a", "2")])).await);
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    assert!(store.health().serving && store.health().leader);
}

/// The store goes while its process ends, and nobody waits for it.
#[ignore = "a process of its own: a_process_may_end_while_its_store_closes starts it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_nobody_closes() {
    let dir = std::env::var_os("TRIAD_STORE_DIR").expect("the directory of the store");
    let store = Store::open(StoreOptions::new(dir, "test")).await.unwrap();
    committed(store.txn(txn([], [put("a", "1")])).await);
}

#[test]
fn a_process_may_end_while_its_store_closes() {
    for run in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "store::a_store_that_nobody_closes"]);
        let ended = child.env("TRIAD_STORE_DIR", dir.path()).output().unwrap();
        assert!(
            ended.status.success(),
            "run {run}: {}: {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr)
        );
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(told.contains("1 passed"), "{told}");
    }
}
