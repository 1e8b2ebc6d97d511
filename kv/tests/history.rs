//! History: compaction, giving it up by age, and the past of a key.

use std::time::Duration;

use crate::support::{TestStore, committed, delete, put, txn, until};
use triad_kv::{Change, Error, Revision, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_keeps_the_newest_version_at_its_mark() {
    let store = TestStore::open().await;
    for value in ["1", "2", "3"] {
        committed(store.txn(txn([], [put("a", value)])).await);
    }
    committed(store.txn(txn([], [put("b", "1")])).await);
    committed(store.txn(txn([], [delete("b")])).await);
    let mut early = store.watch(b"", Revision(1)).unwrap();
    store.compact(Revision(5)).await.unwrap();
    assert_eq!(store.compacted(), Revision(5));
    assert!(matches!(
        store.get(b"a", Some(Revision(4))),
        Err(Error::Compacted { .. })
    ));
    assert!(matches!(
        store.watch(b"", Revision(4)),
        Err(Error::Compacted { .. })
    ));
    assert!(matches!(
        store.compact(Revision(5)).await,
        Err(Error::Compacted { .. })
    ));
    assert!(matches!(
        store.compact(Revision(9)).await,
        Err(Error::FutureRevision { .. })
    ));
    committed(store.txn(txn([], [put("a", "4")])).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        store.get(b"a", Some(Revision(5))).unwrap().unwrap().value,
        "3"
    );
    assert_eq!(store.get(b"b", Some(Revision(5))).unwrap(), None);
    assert_eq!(
        store
            .range(b"", b"", Some(Revision(5)), 0)
            .unwrap()
            .entries
            .len(),
        1
    );
    // A watch that the ring still covers is served; what is behind it ends with `Compacted`.
    assert_eq!(early.next().await.unwrap().events[0].revision, Revision(2));
    let mut late = store.watch(b"", Revision(5)).unwrap();
    let event = late.next().await.unwrap().events.remove(0);
    assert_eq!(
        (event.revision, event.previous),
        (Revision(6), Some(Revision(3)))
    );
    assert_eq!(store.mod_revision(b"a").unwrap(), Some(Revision(6)));
    assert_eq!(store.mod_revision(b"b").unwrap(), None);
    let before = store.get(b"a", Some(Revision(5))).unwrap().unwrap();
    assert_eq!(before.value, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_given_up_by_age() {
    let mut options = TestStore::options();
    options.history.max_age = Duration::from_secs(2);
    let store = TestStore::open_with(options).await;
    let started = std::time::Instant::now();
    while store.compacted() < Revision(1) {
        committed(store.txn(txn([], [put("a", "x")])).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "history is never given up"
        );
    }
    assert!(store.get(b"a", Some(store.compacted())).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_of_a_key_is_told_with_its_deletions_and_moments() {
    let store = TestStore::open().await;
    let first = committed(store.txn(txn([], [put("/k", "1")])).await);
    committed(store.txn(txn([], [put("/kk", "another")])).await);
    let second = committed(store.txn(txn([], [put("/k", "2")])).await);
    let gone = committed(store.txn(txn([], [delete("/k")])).await);
    let again = committed(store.txn(txn([], [put("/k", "3")])).await);
    let past = store.past(b"/k", 10).unwrap();
    let told: Vec<_> = past
        .iter()
        .map(|version| {
            let value = version.entry.as_ref().map(|entry| entry.value.clone());
            (version.revision, value)
        })
        .collect();
    let expected = [
        (again, Some("3".into())),
        (gone, None),
        (second, Some("2".into())),
        (first, Some("1".into())),
    ];
    assert_eq!(told, expected);
    assert!(
        past[3].by.is_some(),
        "the first write is a moment that is kept"
    );
    assert_eq!(store.past(b"/k", 2).unwrap().len(), 2);
    assert_eq!(store.past(b"/none", 2).unwrap(), []);
    store.compact(second).await.unwrap();
    until("what is older is given up", || {
        let past = store.past(b"/k", 10).unwrap();
        past.last().unwrap().revision == second
    })
    .await;
    store.close().await;
}

/// 4 MB that do not compress, on keys that are overwritten: nearly all of it is history.
async fn overwrite(store: &Store) {
    let mut noise = 1_u64;
    for n in 0..400 {
        let value: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(10 << 10)
        .collect();
        let change = Change::Put {
            key: format!("/k{}", n % 10).into(),
            value: value.into(),
            ttl_seconds: None,
        };
        committed(store.txn(txn([], [change])).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_gets_back_what_history_is_given_up() {
    let store = TestStore::open().await;
    overwrite(&store).await;
    store.flush().await.unwrap();
    until("history is on disk", || {
        store.metrics().state_db_bytes > 4_000_000
    })
    .await;
    let before = store.metrics().state_db_bytes;
    store.compact(store.revision()).await.unwrap();
    until("history is swept", || {
        store.metrics().swept == store.compacted()
    })
    .await;
    store.flush().await.unwrap();
    until("its space is free", || {
        store.metrics().state_db_bytes < before / 4
    })
    .await;
    store.close().await;
}
