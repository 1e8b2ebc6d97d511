//! Several stores in one process: revisions, watches and hashes are the same on all of them, and
//! a store that was given another's state goes on where its watches stood.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use triad_kv::{
    Change, Compare, Condition, Identity, Member, PeerOptions, Revision, Store, StoreOptions, Txn,
    TxnOutcome, peer_name,
};

use crate::tls::{Authority, Tls, authority};

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Bed {
    authority: Authority,
    pub(crate) seats: Vec<(TempDir, StoreOptions)>,
}

impl Bed {
    fn new() -> Self {
        Self {
            authority: authority(),
            seats: Vec::new(),
        }
    }

    /// A new member's place; the first founds the cluster.
    pub(crate) fn seat(&mut self) -> StoreOptions {
        let dir = tempfile::tempdir().unwrap();
        // The port is free again once the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let founder = self.seats.first();
        let joining = founder.map(|(_, options)| {
            let identity = Identity::load_or_create(&options.dir).unwrap();
            (identity.cluster, identity.epoch)
        });
        let name = format!("n{}", self.seats.len());
        let mut options = StoreOptions::new(dir.path(), name);
        options.peers = Some(PeerOptions {
            listen: port,
            advertise: port.to_string(),
            joining,
            tls: Arc::new(Tls::new(&self.authority, &self.authority, peer_name)),
            answer: Arc::new(()),
        });
        self.seats.push((dir, options.clone()));
        options
    }

    pub(crate) async fn of(count: usize) -> (Self, Vec<Store>) {
        let mut bed = Self::new();
        let mut stores = Vec::new();
        for _ in 0..count {
            let store = Store::open(bed.seat()).await.unwrap();
            if let Some(first) = stores.first() {
                join(first, &store, &bed.seats[stores.len()].1).await;
            }
            stores.push(store);
        }
        (bed, stores)
    }
}

pub(crate) async fn join(cluster: &Store, store: &Store, options: &StoreOptions) {
    let member = Member {
        name: options.node_name.clone(),
        address: options.peers.as_ref().unwrap().advertise.clone(),
    };
    let id = store.identity().unwrap().node;
    let joined = cluster.add_member(id, &member);
    tokio::time::timeout(LIMIT, joined).await.unwrap().unwrap();
}

fn put(key: &str, value: impl Into<Bytes>) -> Change {
    Change::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
        ttl_seconds: None,
    }
}

pub(crate) async fn write(store: &Store, key: &str, value: impl Into<Bytes>) -> Revision {
    let txn = Txn {
        compares: Vec::new(),
        changes: vec![put(key, value)],
    };
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict { .. } => panic!("there was nothing to compare"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_tell_the_same_history() {
    let (_bed, stores) = Bed::of(3).await;
    let mut watches: Vec<_> = stores
        .iter()
        .map(|store| store.watch(b"/", Revision(0)).unwrap())
        .collect();
    let mut last = Revision(0);
    for n in 0..60 {
        let store = &stores[n % 3];
        last = write(store, &format!("/k{}", n % 7), format!("v{n}")).await;
        let own = store
            .get(format!("/k{}", n % 7).as_bytes(), None)
            .unwrap()
            .unwrap();
        assert_eq!(
            own.value,
            format!("v{n}"),
            "a write is read where it was made"
        );
    }
    let mut told = Vec::new();
    for watch in &mut watches {
        let mut events: Vec<(Revision, Bytes, Option<Bytes>)> = Vec::new();
        while events.last().is_none_or(|(revision, ..)| *revision < last) {
            let batch = tokio::time::timeout(LIMIT, watch.next())
                .await
                .unwrap()
                .unwrap();
            for event in batch.events {
                let value = event.entry.map(|entry| entry.value);
                events.push((event.revision, event.key, value));
            }
        }
        told.push(events);
    }
    assert_eq!(told[0].len(), 60);
    assert!(told.iter().all(|events| *events == told[0]));
    for store in &stores {
        store.compare().await.unwrap();
    }
    for store in &stores {
        store.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_that_create_a_key_on_different_members_wins() {
    let (_bed, stores) = Bed::of(3).await;
    for round in 0..20 {
        let key = Bytes::from(format!("/once/{round}"));
        let attempts = stores.iter().enumerate().map(|(n, store)| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move {
                let txn = Txn {
                    compares: vec![Compare {
                        key: key.clone(),
                        condition: Condition::Absent,
                    }],
                    changes: vec![Change::Put {
                        key,
                        value: n.to_string().into(),
                        ttl_seconds: None,
                    }],
                };
                matches!(store.txn(txn).await.unwrap(), TxnOutcome::Committed { .. })
            })
        });
        let attempts: Vec<_> = attempts.collect();
        let mut won = Vec::new();
        for (n, attempt) in attempts.into_iter().enumerate() {
            if attempt.await.unwrap() {
                won.push(n);
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        for store in &stores {
            store.read_barrier().await.unwrap();
            let entry = store.get(&key, None).unwrap().unwrap();
            assert_eq!(entry.value, won[0].to_string());
        }
    }
    for store in &stores {
        store.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_over_a_state_that_came_from_another_member() {
    let (mut bed, stores) = Bed::of(1).await;
    let mut model = BTreeMap::new();
    for n in 0..300 {
        let (key, value) = (format!("/k{}", n % 50), format!("v{n}"));
        write(&stores[0], &key, value.clone()).await;
        model.insert(key, value);
    }
    stores[0].flush().await.unwrap();
    let began = Instant::now();
    while stores[0].metrics().purged_index < 250 {
        assert!(began.elapsed() < LIMIT, "the log is purged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let options = bed.seat();
    let newcomer = Store::open(options.clone()).await.unwrap();
    let mut watch = newcomer.watch(b"/", Revision(0)).unwrap();
    assert_eq!(newcomer.revision(), Revision(0));
    join(&stores[0], &newcomer, &options).await;
    let last = write(&newcomer, "/k0", "after").await;
    model.insert("/k0".into(), "after".into());
    let mut events = Vec::new();
    while events.last().is_none_or(|revision| *revision < last) {
        let batch = tokio::time::timeout(LIMIT, watch.next())
            .await
            .unwrap()
            .unwrap();
        events.extend(batch.events.iter().map(|event| event.revision));
    }
    let expected: Vec<Revision> = (1..=301).map(Revision).collect();
    assert_eq!(events, expected, "every event once, in order");
    let range = newcomer.range(b"/", b"0", None, 0).unwrap();
    let found: BTreeMap<String, String> = range
        .entries
        .iter()
        .map(|e| {
            let text = |b: &Bytes| String::from_utf8(b.to_vec()).unwrap();
            (text(&e.key), text(&e.value))
        })
        .collect();
    assert_eq!(found, model);
    newcomer.compare().await.unwrap();
    // The installed state is what a restart finds.
    newcomer.shutdown().await;
    let newcomer = Store::open(options).await.unwrap();
    newcomer.read_barrier().await.unwrap();
    assert_eq!(newcomer.get(b"/k0", None).unwrap().unwrap().value, "after");
    newcomer.shutdown().await;
    stores[0].shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_away_is_not_dialled_in_a_loop() {
    let (bed, stores) = Bed::of(3).await;
    write(&stores[0], "/k", "v").await;
    stores[2].shutdown().await;
    let place = bed.seats[2].1.peers.as_ref().unwrap().listen;
    let port = tokio::net::TcpListener::bind(place).await.unwrap();
    let mut dialled = 0;
    let counting = async {
        loop {
            // Taken and let go: no better than refused.
            drop(port.accept().await.unwrap());
            dialled += 1;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), counting)
            .await
            .is_err()
    );
    assert!(dialled > 0, "nobody looks whether it is back");
    assert!(dialled < 1000, "dialled {dialled} times in ten seconds");
    write(&stores[0], "/k", "w").await;
    for store in &stores[..2] {
        store.shutdown().await;
    }
}
