//! Random histories against a simple oracle: an ordered map for each revision. Transactions,
//! reads and ranges at random revisions, watches from random revisions, compactions, reopenings.
//! The ring is tiny, so that watches are served from memory and from disk.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use triad_kv::{Change, Compare, Condition, Entry, Error, Event, Revision, Txn, TxnOutcome, Watch};

use crate::support::TestStore;

/// Keys that are prefixes of each other, and keys with zero bytes.
const KEYS: [&[u8]; 9] = [
    b"a", b"a\0", b"a\0\0b", b"a\0b", b"a/1", b"a/2", b"ab", b"b", b"\xff",
];
const PREFIXES: [&[u8]; 5] = [b"", b"a", b"a/", b"a\0", b"zzz"];

#[derive(Clone, Debug)]
enum Act {
    Txn {
        compares: Vec<(usize, u8)>,
        changes: Vec<(usize, Option<u8>)>,
    },
    Get {
        key: usize,
        at: u8,
    },
    Range {
        start: usize,
        end: usize,
        at: u8,
        limit: usize,
    },
    Watch {
        prefix: usize,
        at: u8,
    },
    Compact {
        at: u8,
    },
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0..KEYS.len();
    let compares = prop::collection::vec((key.clone(), any::<u8>()), 0..3);
    let changes = prop::collection::vec(
        (key.clone(), prop::option::weighted(0.7, any::<u8>())),
        0..5,
    );
    let act = prop_oneof![
        12 => (compares, changes).prop_map(|(compares, changes)| Act::Txn { compares, changes }),
        3 => (key.clone(), any::<u8>()).prop_map(|(key, at)| Act::Get { key, at }),
        4 => (key.clone(), key, any::<u8>(), 0..4_usize)
            .prop_map(|(start, end, at, limit)| Act::Range { start, end, at, limit }),
        2 => (0..PREFIXES.len(), any::<u8>()).prop_map(|(prefix, at)| Act::Watch { prefix, at }),
        1 => any::<u8>().prop_map(|at| Act::Compact { at }),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..80)
}

/// What the store should hold.
#[derive(Default)]
struct Oracle {
    /// The state at each revision.
    states: Vec<BTreeMap<Bytes, Entry>>,
    /// The events of each revision.
    events: Vec<Vec<Event>>,
    compacted: u64,
}

impl Oracle {
    fn new() -> Self {
        Self {
            states: vec![BTreeMap::new()],
            events: vec![vec![]],
            compacted: 0,
        }
    }

    fn revision(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    fn now(&self) -> &BTreeMap<Bytes, Entry> {
        &self.states[self.states.len() - 1]
    }

    /// A revision between 0 and a little more than the newest.
    fn pick(&self, at: u8) -> u64 {
        (self.revision() + 2) * u64::from(at) / 256
    }

    fn holds(&self, compare: &Compare) -> bool {
        let entry = self.now().get(&compare.key);
        match compare.condition {
            Condition::Absent => entry.is_none(),
            Condition::Exists => entry.is_some(),
            Condition::ModRevision(revision) => entry.is_some_and(|e| e.mod_revision == revision),
        }
    }

    fn txn(&mut self, txn: &Txn) -> TxnOutcome {
        let failed: Vec<_> = txn
            .compares
            .iter()
            .enumerate()
            .filter(|(_, c)| !self.holds(c))
            .map(|(i, c)| (i, self.now().get(&c.key).cloned()))
            .collect();
        if !failed.is_empty() {
            return TxnOutcome::Conflict {
                revision: Revision(self.revision()),
                failed,
            };
        }
        let revision = Revision(self.revision() + 1);
        let (mut state, mut events) = (self.now().clone(), Vec::new());
        for (i, change) in txn.changes.iter().enumerate() {
            if txn.changes[i + 1..]
                .iter()
                .any(|later| later.key() == change.key())
            {
                continue;
            }
            let previous = state.get(change.key()).cloned();
            let entry = match change {
                Change::Delete { .. } => None,
                Change::Put { key, value, .. } => Some(Entry {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: previous.as_ref().map_or(revision, |p| p.create_revision),
                    mod_revision: revision,
                    version: previous.as_ref().map_or(1, |p| p.version + 1),
                    expires_at: None,
                }),
            };
            match &entry {
                Some(entry) => state.insert(entry.key.clone(), entry.clone()),
                None => state.remove(change.key()),
            };
            if previous.is_some() || entry.is_some() {
                events.push(Event {
                    key: change.key().clone(),
                    revision,
                    deleted: previous.clone().filter(|_| entry.is_none()),
                    entry,
                    previous: previous.map(|p| p.mod_revision),
                });
            }
        }
        if !events.is_empty() {
            self.states.push(state);
            self.events.push(events);
        }
        TxnOutcome::Committed {
            revision: Revision(self.revision()),
        }
    }

    /// The state at a revision, or the error that asking for it must give.
    fn at(&self, revision: u64) -> Result<&BTreeMap<Bytes, Entry>, &'static str> {
        if revision > self.revision() {
            return Err("future");
        }
        if revision < self.compacted {
            Err("compacted")
        } else {
            Ok(&self.states[revision as usize])
        }
    }

    fn events(&self, prefix: &[u8], after: u64) -> Vec<Event> {
        let all = self.events.iter().skip(after as usize + 1).flatten();
        all.filter(|e| e.key.starts_with(prefix)).cloned().collect()
    }
}

fn name(error: &Error) -> &'static str {
    match error {
        Error::FutureRevision { .. } => "future",
        Error::Compacted { .. } => "compacted",
        other => panic!("{other}"),
    }
}

fn key(index: usize) -> Bytes {
    Bytes::from_static(KEYS[index])
}

fn make_txn(oracle: &Oracle, compares: &[(usize, u8)], changes: &[(usize, Option<u8>)]) -> Txn {
    let compares = compares.iter().map(|(k, kind)| {
        let key = key(*k);
        let condition = match kind % 4 {
            0 => Condition::Absent,
            1 => Condition::Exists,
            2 => Condition::ModRevision(Revision(oracle.pick(*kind))),
            _ => oracle.now().get(&key).map_or(Condition::Absent, |e| {
                Condition::ModRevision(e.mod_revision)
            }),
        };
        Compare { key, condition }
    });
    let changes = changes.iter().map(|(k, value)| match value {
        Some(v) => Change::Put {
            key: key(*k),
            value: Bytes::from(vec![*v; usize::from(*v)]),
            ttl_seconds: None,
        },
        None => Change::Delete { key: key(*k) },
    });
    Txn {
        compares: compares.collect(),
        changes: changes.collect(),
    }
}

/// A watch that is under way, and what it should see.
struct Following {
    watch: Watch,
    prefix: &'static [u8],
    after: u64,
}

impl Following {
    /// Reads to the end; each batch holds whole transactions.
    async fn check(mut self, oracle: &Oracle) {
        let expected = oracle.events(self.prefix, self.after);
        let mut seen: Vec<Event> = Vec::new();
        while seen.len() < expected.len() {
            let batch = tokio::time::timeout(Duration::from_secs(60), self.watch.next()).await;
            let batch = batch
                .unwrap_or_else(|_| panic!("{} of {} events came", seen.len(), expected.len()))
                .unwrap();
            assert_eq!(batch.revision, batch.events.last().unwrap().revision);
            seen.extend(batch.events);
            let whole = expected
                .get(seen.len())
                .is_none_or(|next| next.revision > batch.revision);
            assert!(whole, "a transaction was split");
        }
        assert_eq!(seen, expected);
        let more = tokio::time::timeout(Duration::from_millis(1), self.watch.next()).await;
        assert!(more.is_err(), "one event too many: {more:?}");
        assert_eq!(
            self.watch.progress().0.max(self.after),
            oracle.revision().max(self.after)
        );
    }
}

async fn run(acts: Vec<Act>) {
    let mut options = TestStore::options();
    options.limits.ring_bytes = 4 << 10;
    let (mut store, mut oracle) = (TestStore::open_with(options).await, Oracle::new());
    let mut following: Vec<Following> = Vec::new();
    for act in acts {
        match act {
            Act::Txn { compares, changes } => {
                let txn = make_txn(&oracle, &compares, &changes);
                let expected = oracle.txn(&txn);
                assert_eq!(store.txn(txn).await.unwrap(), expected);
            }
            Act::Get { key: k, at } => {
                let at = oracle.pick(at);
                let read = store.get(&key(k), Some(Revision(at)));
                assert_eq!(
                    read.map_err(|e| name(&e)),
                    oracle.at(at).map(|s| s.get(&key(k)).cloned()),
                    "at {at}"
                );
                assert_eq!(
                    store.get(&key(k), None).unwrap(),
                    oracle.now().get(&key(k)).cloned()
                );
            }
            Act::Range {
                start,
                end,
                at,
                limit,
            } => check_range(&store, &oracle, start, end, oracle.pick(at), limit),
            Act::Watch { prefix, at } => {
                let after = oracle.pick(at);
                match store.watch(PREFIXES[prefix], Revision(after)) {
                    Ok(watch) => following.push(Following {
                        watch,
                        prefix: PREFIXES[prefix],
                        after,
                    }),
                    Err(e) => assert!(name(&e) == "compacted" && after < oracle.compacted),
                }
            }
            Act::Compact { at } => {
                let at = oracle.pick(at);
                // Watches that lag may lose what they have not read, which they then say.
                for ready in following.drain(..) {
                    ready.check(&oracle).await;
                }
                let possible = at <= oracle.revision() && at > oracle.compacted;
                assert_eq!(store.compact(Revision(at)).await.is_ok(), possible);
                if possible {
                    oracle.compacted = at;
                }
            }
            Act::Reopen => {
                for ready in following.drain(..) {
                    ready.check(&oracle).await;
                }
                store.reopen().await;
            }
        }
        assert_eq!(store.revision().0, oracle.revision());
        assert_eq!(store.compacted().0, oracle.compacted);
    }
    for ready in following {
        ready.check(&oracle).await;
    }
    for at in oracle.compacted..=oracle.revision() {
        check_range(&store, &oracle, 0, 0, at, 0);
    }
}

/// An `end` before `start` stands for no end.
fn check_range(
    store: &TestStore,
    oracle: &Oracle,
    start: usize,
    end: usize,
    at: u64,
    limit: usize,
) {
    let (start, end) = (key(start), key(end));
    let end = if end > start { end } else { Bytes::new() };
    let inside = |k: &Bytes| *k >= start && (end.is_empty() || *k < end);
    let expected = oracle.at(at).map(|state| {
        let all: Vec<Entry> = state.values().filter(|e| inside(&e.key)).cloned().collect();
        let cut = if limit == 0 {
            all.len()
        } else {
            limit.min(all.len())
        };
        (all[..cut].to_vec(), cut < all.len())
    });
    let read = store.range(&start, &end, Some(Revision(at)), limit);
    assert_eq!(
        read.map(|r| (r.entries, r.more)).map_err(|e| name(&e)),
        expected,
        "at {at}"
    );
    let now = oracle.now().keys().filter(|k| inside(k)).count() as u64;
    assert_eq!(store.count(&start, &end).unwrap(), now);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_histories_agree_with_the_oracle(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(acts));
    }
}
