//! What the writer tried and what it was told, against what the store holds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use triad_kv::{Change, Event, Revision, Store, Txn, TxnOutcome};

#[derive(Default)]
pub(crate) struct Ledger {
    /// For each writer: the last count tried, and the last acknowledged.
    tried: BTreeMap<u64, u64>,
    acked: BTreeMap<u64, u64>,
    /// What an acknowledged revision holds: writer and count.
    revisions: BTreeMap<u64, (u64, u64)>,
    newest: u64,
    probes: u64,
}

impl Ledger {
    /// Takes in what a writer said; whether it may have been told of errors.
    pub(crate) fn take(&mut self, output: &str, errors: bool) -> Result<(), String> {
        for line in output.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| {
                words
                    .get(at)
                    .and_then(|w| w.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            match words[0] {
                "open" if number(1) < self.newest => {
                    return Err(format!(
                        "it opened at {}, but {} was acknowledged",
                        number(1),
                        self.newest
                    ));
                }
                "open" => {}
                // Its outcome is unknown, as that of any other that was tried and not acknowledged.
                "error" if errors => {}
                "try" => {
                    self.tried.insert(number(1), number(2));
                }
                "ack" => {
                    self.acked.insert(number(1), number(2));
                    self.newest = self.newest.max(number(3));
                    if let Some(other) = self.revisions.insert(number(3), (number(1), number(2))) {
                        return Err(format!(
                            "revision {} was given to {other:?} before: {line}",
                            number(3)
                        ));
                    }
                }
                _ => return Err(format!("the writer says: {line}")),
            }
        }
        Ok(())
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.revisions.len() as u64
    }

    pub(crate) async fn check(&mut self, store: &Store) -> Result<(), String> {
        let revision = store.revision().0;
        if revision < self.newest {
            return Err(format!(
                "the store is at {revision}, but {} was acknowledged",
                self.newest
            ));
        }
        for (writer, tried) in &self.tried {
            check_writer(
                store,
                *writer,
                self.acked.get(writer).copied().unwrap_or(0),
                *tried,
            )?;
        }
        self.check_history(store).await?;
        self.probe(store).await
    }

    /// Every revision that is retained is there once, and holds what was acknowledged.
    async fn check_history(&self, store: &Store) -> Result<(), String> {
        let (from, to) = (store.compacted(), store.revision());
        let mut watch = store.watch(b"", from).map_err(|e| e.to_string())?;
        let mut seen = from.0;
        while seen < to.0 {
            let batch = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
            let batch = batch.map_err(|_| format!("the history ends at {seen}, not {to}"))?;
            for event in batch.map_err(|e| e.to_string())?.events {
                if event.revision.0 != seen && event.revision.0 != seen + 1 {
                    return Err(format!("revision {} follows {seen}", event.revision));
                }
                seen = event.revision.0;
                self.check_event(&event)?;
            }
        }
        Ok(())
    }

    fn check_event(&self, event: &Event) -> Result<(), String> {
        let Some((writer, count)) = self.revisions.get(&event.revision.0) else {
            return Ok(());
        };
        let key = String::from_utf8_lossy(&event.key);
        let held = event
            .entry
            .as_ref()
            .map_or(Some(*count), |e| number(&e.value));
        if key.starts_with(&format!("/t/{writer}/")) && held == Some(*count) {
            return Ok(());
        }
        Err(format!(
            "revision {} was acknowledged to writer {writer} for {count}, it holds {key}",
            event.revision
        ))
    }

    /// The store takes a write, above everything before.
    async fn probe(&mut self, store: &Store) -> Result<(), String> {
        self.probes += 1;
        let (key, value) = (Bytes::from("/probe"), Bytes::from(self.probes.to_string()));
        let before = store.revision();
        let txn = Txn {
            compares: vec![],
            changes: vec![Change::Put {
                key,
                value,
                ttl_seconds: None,
            }],
        };
        match store.txn(txn).await {
            Ok(TxnOutcome::Committed { revision }) if revision == Revision(before.0 + 1) => {
                self.newest = revision.0;
                Ok(())
            }
            other => Err(format!("a write after {before} came to {other:?}")),
        }
    }
}

fn check_writer(store: &Store, writer: u64, acked: u64, tried: u64) -> Result<(), String> {
    let read = |part: &str| {
        store
            .get(format!("/t/{writer}/{part}").as_bytes(), None)
            .map_err(|e| e.to_string())
    };
    let entries = [read("a")?, read("b")?, read("c")?];
    let counts = entries
        .each_ref()
        .map(|e| e.as_ref().and_then(|e| number(&e.value)).unwrap_or(0));
    let count = counts[0];
    if counts.iter().any(|c| *c != count) {
        return Err(format!("writer {writer}: half a transaction, {counts:?}"));
    }
    if count < acked || count > tried {
        return Err(format!(
            "writer {writer}: {count} is there, {acked} was acknowledged and {tried} tried"
        ));
    }
    if count > 0 && read("d")?.is_some() != count.is_multiple_of(2) {
        return Err(format!(
            "writer {writer}: at {count} the fourth key is not as it was left"
        ));
    }
    Ok(())
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value.get(..20)?).ok()?.parse().ok()
}
