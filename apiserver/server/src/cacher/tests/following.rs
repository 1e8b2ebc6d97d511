//! Snapshots, rings and watches while changes go by: what was handed out does not change, nothing is missed, memory is bounded.

use super::bed::{Bed, batch, entry, event};
use super::layout;
use crate::cacher::feed::apply;
use crate::cacher::{CacheWatch, Kind, Snapshot};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use triad_kv::{Change, Entry, Revision, Store, Txn, TxnOutcome};

/// A snapshot's keys with their revisions.
fn content(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let objects = snapshot.objects.iter();
    objects
        .map(|(key, object)| (key.to_string(), object.revision.0))
        .collect()
}

const NAMESPACES: [&str; 4] = ["a", "a-b", "aa", "b"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever holds a snapshot sees it as it was taken, whatever is written after it.
    #[test]
    fn a_snapshot_never_changes(steps in prop::collection::vec((0..40usize, any::<bool>(), any::<bool>()), 1..300)) {
        let bed = Bed::new(1 << 20);
        let (mut model, mut held) = (BTreeMap::new(), Vec::new());
        for (at, (name, present, hold)) in steps.into_iter().enumerate() {
            let revision = at as u64 + 1;
            let entry = entry("configmaps", ("n", &format!("x{name}")), "v", revision);
            let key = String::from_utf8(entry.key.to_vec()).unwrap();
            apply(&bed.cacher, batch(vec![event(&entry, present, revision)]));
            if present {
                model.insert(key, revision);
            } else {
                model.remove(&key);
            }
            if hold {
                held.push((bed.cache("configmaps").snapshot(), model.clone()));
            }
        }
        for (snapshot, model) in held {
            prop_assert_eq!(content(&snapshot), model);
        }
    }

    /// The objects of a namespace, and those behind one of them, are what a look at every object finds.
    #[test]
    fn a_range_misses_nothing(names in prop::collection::btree_set((0..4usize, 0..30usize), 0..80), namespace in 0..4usize, after in prop::option::of(0..30usize)) {
        let bed = Bed::new(1 << 20);
        let name = |number: &usize| format!("x{number}");
        let events = names.iter().enumerate().map(|(at, (namespace, number))| {
            let revision = at as u64 + 1;
            event(&entry("configmaps", (NAMESPACES[*namespace], &name(number)), "v", revision), true, revision)
        });
        apply(&bed.cacher, batch(events.collect()));
        let cache = bed.cache("configmaps");
        let scope = cache.layout.scope(NAMESPACES[namespace]);
        let after = after.map(|number| cache.layout.key(NAMESPACES[namespace], &name(&number)));
        let snapshot = cache.snapshot();
        let found: Vec<&str> = snapshot.range(&scope, after.as_deref()).map(|object| &*object.key).collect();
        let wanted: Vec<&str> = snapshot.all()
            .filter(|object| object.namespace() == NAMESPACES[namespace])
            .map(|object| &*object.key)
            .filter(|key| after.as_deref().is_none_or(|after| *key > after))
            .collect();
        prop_assert_eq!(found, wanted);
    }

    /// However changes fall on resources, their rings together stay within their bytes, and a ring knows what it has lost.
    #[test]
    fn rings_stay_within_their_bytes(sizes in prop::collection::vec((0..3usize, 1..20_000usize), 1..150)) {
        const BYTES: usize = 200_000;
        let bed = Bed::new(BYTES);
        let plurals = ["configmaps", "secrets", "events"];
        for (at, (plural, size)) in sizes.iter().enumerate() {
            let revision = at as u64 + 1;
            let entry = entry("configmaps", ("n", "x"), &"v".repeat(*size), revision);
            let entry = Entry { key: layout(plurals[*plural]).key("n", "x").into(), ..entry };
            apply(&bed.cacher, batch(vec![event(&entry, true, revision)]));
            let held: usize = plurals.iter().map(|plural| bed.cache(plural).ring.read().bytes()).sum();
            prop_assert!(held <= BYTES);
            prop_assert_eq!(bed.cacher.rings_hold.load(Ordering::Relaxed), held, "what is counted is what is there");
        }
        for plural in plurals {
            let ring = bed.cache(plural).ring.read();
            let from = ring.complete_after;
            prop_assert_eq!(ring.position(Revision(0)).is_some(), from == Revision(0));
            let at = ring.position(from).expect("where it begins");
            let mut events = Default::default();
            ring.read(at, usize::MAX, &mut events).expect("what it holds");
            prop_assert!(events.iter().all(|event| event.revision > from));
        }
    }
}

async fn put(store: &Store, name: &str, data: &str) -> Revision {
    let entry = entry("configmaps", ("n", name), data, 1);
    let put = Change::Put {
        key: entry.key,
        value: entry.value,
        ttl_seconds: None,
    };
    change(store, put).await
}

async fn change(store: &Store, change: Change) -> Revision {
    let txn = Txn {
        compares: Vec::new(),
        changes: vec![change],
    };
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict { .. } => panic!("there was nothing to compare"),
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, what).await.expect("no hang")
}

/// The state that changes lead to from another.
async fn follow(watch: &mut CacheWatch, state: &mut BTreeMap<String, u64>, until: Revision) {
    let mut seen = Revision(0);
    while seen < until {
        for event in within(watch.next()).await.expect("a watch that goes on") {
            assert!(event.revision > seen, "events go forward");
            seen = event.revision;
            let key = event.object.key.to_string();
            match event.kind {
                Kind::Put => drop(state.insert(key, event.revision.0)),
                Kind::Delete => drop(state.remove(&key)),
            }
        }
    }
}

#[test]
fn what_there_was_and_what_changed_since_is_what_there_is() {
    let bed = Bed::new(1 << 20);
    let following = bed.following();
    bed.runtime.block_on(async {
        let (cacher, store) = (bed.cacher.clone(), bed.cacher.store().clone());
        let cache = bed.cache("configmaps").clone();
        let writer = tokio::spawn(async move {
            let mut last = Revision(0);
            for round in 0..120 {
                let name = format!("x{}", round % 17);
                last = put(&store, &name, "v").await;
                if round % 5 == 0 {
                    let key = layout("configmaps").key("n", &name).into();
                    last = change(&store, Change::Delete { key }).await;
                }
            }
            last
        });
        // Views taken at any moment of the writing.
        let mut views = Vec::new();
        while !writer.is_finished() {
            let (revision, snapshot) = cacher.view(&cache);
            let watch = CacheWatch::new(cacher.clone(), cache.clone(), revision).unwrap();
            views.push((content(&snapshot), watch));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let last = writer.await.unwrap();
        within(cacher.wait_for(last)).await;
        let there = content(&cache.snapshot());
        for (mut state, mut watch) in views {
            if watch.complete_up_to() < last {
                follow(&mut watch, &mut state, last).await;
            }
            assert_eq!(state, there);
        }
    });
    following.abort();
}

#[test]
fn a_stalled_watcher_costs_the_others_nothing_and_comes_back_through_the_store() {
    const WATCHERS: usize = 1000;
    const BYTES: usize = 64 << 10;
    let bed = Bed::new(BYTES);
    let following = bed.following();
    bed.runtime.block_on(async {
        let (cacher, cache) = (bed.cacher.clone(), bed.cache("configmaps").clone());
        let from = cacher.progress();
        let open = || CacheWatch::new(cacher.clone(), cache.clone(), from).unwrap();
        let mut stalled = open();
        let mut others: Vec<CacheWatch> = (0..WATCHERS).map(|_| open()).collect();
        let mut last = from;
        for round in 0..60 {
            last = put(cacher.store(), &format!("x{round}"), &"v".repeat(3000)).await;
            within(cacher.wait_for(last)).await;
            // All others have the event at once: it is in the ring, whoever else has not read it.
            for watch in &mut others {
                let events = watch.next().now_or_never().expect("without waiting");
                assert_eq!(events.unwrap().len(), 1);
            }
            assert!(cache.ring.read().bytes() <= BYTES);
        }
        assert!(
            cache.ring.read().position(from).is_none(),
            "the ring has moved on"
        );
        let mut state = BTreeMap::new();
        follow(&mut stalled, &mut state, last).await;
        assert_eq!(state, content(&cache.snapshot()));
    });
    following.abort();
}

#[test]
fn what_is_read_from_the_store_says_what_was_before() {
    let bed = Bed::new(1 << 10);
    let following = bed.following();
    bed.runtime.block_on(async {
        let (cacher, cache) = (bed.cacher.clone(), bed.cache("configmaps").clone());
        let store = cacher.store();
        let from = cacher.progress();
        let made = put(store, "x", "made").await;
        let changed = put(store, "x", "changed").await;
        let key = layout("configmaps").key("n", "x").into();
        let gone = change(store, Change::Delete { key }).await;
        let last = put(store, "y", &"v".repeat(3000)).await;
        within(cacher.wait_for(last)).await;
        let mut watch = CacheWatch::new(cacher.clone(), cache.clone(), from).unwrap();
        let lost = cache.ring.read().position(from).is_none();
        assert!(lost, "the ring has moved on");
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.extend(within(watch.next()).await.expect("a watch that goes on"));
        }
        let told: Vec<_> = seen
            .iter()
            .map(|event| {
                (
                    event.kind,
                    event.revision,
                    event.previous.as_ref().map(|p| p.revision),
                )
            })
            .collect();
        let expected = [
            (Kind::Put, made, None),
            (Kind::Put, changed, Some(made)),
            (Kind::Delete, gone, Some(changed)),
            (Kind::Put, last, None),
        ];
        assert_eq!(told, expected);
        // Shown as it last was, at the revision of its deletion.
        assert_eq!(seen[2].object.revision, gone);
    });
    following.abort();
}
