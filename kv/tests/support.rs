//! A store in a directory of its own, and short forms for transactions.

#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use triad_kv::{Change, Compare, Condition, Error, Revision, Store, StoreOptions, Txn, TxnOutcome};

pub(crate) struct TestStore {
    store: Store,
    options: StoreOptions,
    dir: TempDir,
}

impl TestStore {
    pub(crate) fn options() -> StoreOptions {
        StoreOptions::new("", "test")
    }

    pub(crate) async fn open() -> Self {
        Self::open_with(Self::options()).await
    }

    pub(crate) async fn open_with(mut options: StoreOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        options.dir = dir.path().to_path_buf();
        let store = Store::open(options.clone()).await.unwrap();
        Self {
            store,
            options,
            dir,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn close(&self) {
        self.store.shutdown().await;
    }

    pub(crate) async fn try_open_again(&mut self) -> Result<(), Error> {
        self.store = Store::open(self.options.clone()).await?;
        Ok(())
    }

    pub(crate) async fn open_again(&mut self) {
        self.try_open_again().await.unwrap();
    }

    pub(crate) async fn reopen(&mut self) {
        self.close().await;
        self.open_again().await;
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

pub(crate) fn txn<const A: usize, const B: usize>(
    compares: [Compare; A],
    changes: [Change; B],
) -> Txn {
    Txn {
        compares: compares.into(),
        changes: changes.into(),
    }
}

pub(crate) fn put(key: &str, value: &str) -> Change {
    Change::Put {
        key: bytes(key),
        value: bytes(value),
        ttl_seconds: None,
    }
}

pub(crate) fn put_ttl(key: &str, ttl: u32) -> Change {
    Change::Put {
        key: bytes(key),
        value: bytes("v"),
        ttl_seconds: Some(ttl),
    }
}

pub(crate) fn delete(key: &str) -> Change {
    Change::Delete { key: bytes(key) }
}

pub(crate) fn absent(key: &str) -> Compare {
    Compare {
        key: bytes(key),
        condition: Condition::Absent,
    }
}

pub(crate) fn exists(key: &str) -> Compare {
    Compare {
        key: bytes(key),
        condition: Condition::Exists,
    }
}

pub(crate) fn at_revision(key: &str, revision: u64) -> Compare {
    Compare {
        key: bytes(key),
        condition: Condition::ModRevision(Revision(revision)),
    }
}

pub(crate) fn committed(outcome: Result<TxnOutcome, Error>) -> Revision {
    match outcome {
        Ok(TxnOutcome::Committed { revision }) => revision,
        other => panic!("{other:?}"),
    }
}

/// Waits for what the store does by itself, however slow the machine is.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it never was true that {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
