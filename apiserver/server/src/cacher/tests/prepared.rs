//! What a handler has read off an object is what the feed would have read, and is taken for that object alone.

use super::bed::{Bed, batch, entry, event};
use crate::cacher::feed::apply;
use crate::cacher::{Cached, ResourceCache};
use proptest::prelude::*;
use std::sync::Arc;
use triad_kv::{Entry, Revision};

/// All that an object is asked for.
fn seen(cache: &ResourceCache, object: &Cached) -> (String, Vec<u8>, usize, Revision) {
    let mut json = Vec::new();
    object
        .json_at(&cache.layout, object.revision, &mut json, true)
        .unwrap();
    let told = format!(
        "{:?} {} {} {:?}",
        object.key,
        object.namespace(),
        object.name(),
        object.lineage()
    );
    let protobuf = object.protobuf(&cache.layout).unwrap();
    assert_eq!(protobuf.len(), object.message_len());
    (
        told + &String::from_utf8(json).unwrap(),
        protobuf,
        object.message_len(),
        object.revision,
    )
}

fn cached(cache: &ResourceCache, entry: &Entry) -> Arc<Cached> {
    let key = std::str::from_utf8(&entry.key).unwrap();
    cache.get(key).expect("it was written")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was prepared for a key, and at whichever revision it was expected: what is written is what is there.
    #[test]
    fn what_is_cached_is_what_was_written(writes in prop::collection::vec((0..4usize, 0..3usize, 0..3usize, any::<bool>(), 0..200u64), 1..40)) {
        let bed = Bed::new(1 << 20);
        let cache = bed.cache("configmaps");
        let data = ["a", "b", "longer than the others"];
        let mut revision = 90;
        for (name, prepared, written, gone, expected) in writes {
            let name = format!("x{name}");
            revision += 1;
            let prepared = entry("configmaps", ("n", &name), data[prepared], revision);
            let written = entry("configmaps", ("n", &name), data[written], revision);
            let preparation = cache.prepare((&prepared.key, &prepared.value), Revision(expected + 1));
            prop_assert!(preparation.settled().is_some());
            apply(&bed.cacher, batch(vec![event(&written, true, revision)]));
            let found = cached(cache, &written);
            prop_assert_eq!(found.revision, Revision(revision));
            prop_assert_eq!(seen(cache, &found), seen(cache, &Cached::new(&cache.layout, &written).unwrap()));
            drop(preparation);
            prop_assert_eq!(cache.prepared.len(), 0, "nothing is left of a write that is over");
            if gone {
                // A deletion shows what there was at a revision of its own, with as many digits as that has.
                revision += 1 + expected * 37;
                apply(&bed.cacher, batch(vec![event(&written, false, revision)]));
                let events = cache.events_after(Revision(revision - 1)).expect("in the ring");
                let last = Entry { mod_revision: Revision(revision), ..written };
                prop_assert_eq!(seen(cache, &events[0].object), seen(cache, &Cached::new(&cache.layout, &last).unwrap()));
            }
        }
    }
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
    let bed = Bed::new(1 << 20);
    let cache = bed.cache("configmaps");
    let entry = entry("configmaps", ("n", "x"), "v", 1);
    drop(cache.prepare((&entry.key, &entry.value), Revision(1)));
    assert_eq!(cache.prepared.len(), 0);
    // What cannot be shown without a tree is not prepared.
    let raw = (&entry.key, &bytes::Bytes::from_static(b"{}"));
    assert!(cache.prepare(raw, Revision(1)).settled().is_none());
    assert_eq!(cache.prepared.len(), 0);
}
