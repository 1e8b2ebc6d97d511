//! The log copied away while it is written, and a copy of the state brought forward by it: to every revision exactly what the store
//! itself remembers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use triad_kv::{
    Change, Copied, Copy, Error, Reached, Replay, Revision, Segment, Shipment, Store, Until,
};

use crate::support::{TestStore, put, txn, until};

/// A few entries, however many commands share one.
const SEGMENT_BYTES: usize = 600;

async fn held(bytes: u64) -> TestStore {
    let mut options = TestStore::options();
    options.held_log_bytes = Some(bytes);
    TestStore::open_with(options).await
}

/// Writers at once, so that entries carry several commands; puts, deletes, conflicts and keys that expire.
async fn write(store: &Store, round: usize) {
    let writers = (0..8).map(|w| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..12 {
                let key = format!("/k{:02}", (round * 7 + w * 5 + n) % 40);
                let change = match (w + n) % 5 {
                    0 => Change::Delete { key: key.into() },
                    1 => Change::Put {
                        key: key.into(),
                        value: Bytes::from(format!("short {round} {w} {n}")),
                        ttl_seconds: Some(1),
                    },
                    _ => put(&key, &format!("v {round} {w} {n}")),
                };
                store.txn(txn([], [change])).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

async fn ship(store: &Store, from: u64) -> Vec<Segment> {
    let (mut segments, mut next) = (Vec::new(), from);
    loop {
        match store.shipment(next, SEGMENT_BYTES).await.unwrap() {
            Shipment::Nothing => return segments,
            Shipment::Segment(segment) => {
                assert_eq!(segment.first, next);
                next = segment.last + 1;
                segments.push(segment);
            }
            Shipment::Purged { upto } => panic!("purged up to {upto}"),
        }
    }
}

fn copy_of(dir: &Path, to: PathBuf) -> PathBuf {
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

fn replay(dir: &Path, cluster: u64, until: Until, segments: &[Segment]) -> Result<Reached, Error> {
    let mut replay = Replay::open(dir, cluster, until)?;
    for segment in segments {
        replay.feed(&format!("segment {}", segment.first), &segment.bytes)?;
    }
    replay.finish()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_and_the_log_make_every_revision_that_the_store_remembers() {
    let store = held(1 << 30).await;
    let cluster = store.identity().unwrap().cluster;
    write(&store, 0).await;
    let base = store.dir().join("base");
    let copied: Copied = store.checkpoint(&base).await.unwrap();
    for round in 1..4 {
        write(&store, round).await;
        // What is flushed and purged is what the archive has.
        store.flush().await.unwrap();
    }
    // Expired keys are deletions that the leader proposes.
    until("what has a time to live is gone", || {
        let range = store.range(b"/", b"0", None, 0).unwrap();
        !range.entries.iter().any(|e| e.value.starts_with(b"short"))
    })
    .await;
    let segments = ship(&store, copied.index + 1).await;
    assert!(segments.len() > 3, "{} segments", segments.len());
    let end = store.revision();
    let scratch = tempfile::tempdir().unwrap();
    let revisions = (copied.revision.0..=end.0).step_by(11).chain([end.0]);
    for revision in revisions {
        let dir = copy_of(
            &base,
            scratch.path().join(format!(
                "{revision}-{}",
                fs::read_dir(scratch.path()).unwrap().count()
            )),
        );
        let reached = replay(&dir, cluster, Until::Revision(revision), &segments).unwrap();
        assert_eq!((reached.revision, reached.met), (revision, true));
        let copy = Copy::open(&dir).unwrap();
        copy.verify().unwrap();
        let then = store
            .range(b"/", b"0", Some(Revision(revision)), 0)
            .unwrap();
        assert_eq!(copy.range(b"/", b"0").unwrap(), then.entries, "{revision}");
    }
    let dir = copy_of(&base, scratch.path().join("beyond"));
    let reached = replay(&dir, cluster, Until::Revision(end.0 + 1), &segments).unwrap();
    assert_eq!((reached.revision, reached.met), (end.0, false));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_stops_before_the_first_command_of_a_later_time() {
    let store = held(1 << 30).await;
    let cluster = store.identity().unwrap().cluster;
    let base = store.dir().join("base");
    let copied = store.checkpoint(&base).await.unwrap();
    let mut moments = Vec::new();
    for round in 0..3 {
        for n in 0..20 {
            let change = put(&format!("/t{n}"), &format!("{round}"));
            store.txn(txn([], [change])).await.unwrap();
        }
        moments.push((now(), store.revision()));
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    let segments = ship(&store, copied.index + 1).await;
    let scratch = tempfile::tempdir().unwrap();
    for (n, (time, revision)) in moments.iter().enumerate() {
        let dir = copy_of(&base, scratch.path().join(n.to_string()));
        let reached = replay(&dir, cluster, Until::Time(time + 1), &segments).unwrap();
        assert_eq!(reached.revision, revision.0);
        assert_eq!(
            reached.met,
            n < 2,
            "after the last there is no later command"
        );
    }
    // A copy says by when all that is in it had happened.
    let later = store.checkpoint(&store.dir().join("later")).await.unwrap();
    assert!(later.time >= moments[2].0 && later.time <= now() + 5);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_repeats_and_foreign_segments_are_told_apart() {
    let store = held(1 << 30).await;
    let cluster = store.identity().unwrap().cluster;
    let base = store.dir().join("base");
    let copied = store.checkpoint(&base).await.unwrap();
    for round in 0..3 {
        write(&store, round).await;
    }
    let segments = ship(&store, copied.index + 1).await;
    assert!(segments.len() > 3, "{} segments", segments.len());
    let scratch = tempfile::tempdir().unwrap();
    let copy = |name: &str| copy_of(&base, scratch.path().join(name));
    let twice = [&segments[..2], &segments[1..]].concat();
    let reached = replay(&copy("twice"), cluster, Until::End, &twice).unwrap();
    let once = replay(&copy("once"), cluster, Until::End, &segments).unwrap();
    assert_eq!(reached.revision, once.revision);
    let gap = [&segments[..1], &segments[2..]].concat();
    let error = replay(&copy("gap"), cluster, Until::End, &gap).unwrap_err();
    assert!(error.to_string().contains("does not follow"), "{error}");
    let error = replay(&copy("foreign"), cluster ^ 1, Until::End, &segments).unwrap_err();
    assert!(error.to_string().contains("another cluster"), "{error}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_waits_for_the_archive_but_not_for_ever() {
    let store = held(256 << 10).await;
    write(&store, 0).await;
    store.flush().await.unwrap();
    // The purge follows the flush at the next look.
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(
        store.metrics().purged_index,
        0,
        "nothing has been taken yet"
    );
    let taken = ship(&store, 1).await.last().unwrap().last;
    store.hold_log(taken + 1).unwrap();
    store.flush().await.unwrap();
    until("the log is purged", || store.metrics().purged_index > 0).await;
    let purged = store.metrics().purged_index;
    assert!(purged <= taken, "{purged} of {taken}");
    // The archive stands still while more is written than is held for it.
    for n in 0..80 {
        let change = put(&format!("/big{n}"), &"x".repeat(8 << 10));
        store.txn(txn([], [change])).await.unwrap();
    }
    store.flush().await.unwrap();
    until("the log is purged", || store.metrics().purged_index > taken).await;
    match store.shipment(taken + 1, 1 << 20).await.unwrap() {
        Shipment::Purged { upto } => assert!(upto > taken),
        other => panic!("{other:?}"),
    }
    store.close().await;
}
