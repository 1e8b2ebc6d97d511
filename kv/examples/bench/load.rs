//! Clients that do one thing for a while, each as fast as it is answered.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use triad_kv::{Change, Compare, Condition, Error, Revision, Store, Txn, TxnOutcome};

use crate::process::cpu_seconds;

const VALUE_BYTES: usize = 1024;
/// Values are windows into this much text.
const TEXT_BYTES: usize = 1 << 20;
/// Keys that all clients share out among themselves.
const KEYS: u64 = 10_000;

#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Put,
    CompareAndSet,
    Get,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Put, Self::CompareAndSet, Self::Get];

    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::CompareAndSet => "cas",
            Self::Get => "get",
        }
    }
}

pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) clients: u64,
    pub(crate) time: Duration,
}

/// Displayed as the members of a JSON object.
pub(crate) struct Measured {
    operation: Operation,
    clients: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// Of each call, sorted.
    latencies_us: Vec<u32>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.latencies_us.len();
        let at = |share: f64| {
            let index = (calls as f64 * share) as usize;
            self.latencies_us.get(index.min(calls - 1)).copied()
        };
        write!(
            f,
            "\"operation\": \"{}\", \"clients\": {}, \"per_second\": {:.0}, \"p50_us\": {}, \"p99_us\": {}, \"cpu_seconds_per_1000\": {:.4}",
            self.operation.name(),
            self.clients,
            calls as f64 / self.seconds,
            at(0.5).unwrap_or(0),
            at(0.99).unwrap_or(0),
            self.cpu_seconds * 1e3 / calls as f64,
        )
    }
}

/// Makes so many writes, with many clients.
pub(crate) async fn writes(store: &Store, count: u64) -> crate::Outcome<()> {
    const CLIENTS: u64 = 256;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let work = Client::of(store, &text(), client, CLIENTS);
            let own = count / CLIENTS + u64::from(client < count % CLIENTS);
            tokio::spawn(async move {
                for turn in 0..usize::try_from(own).unwrap_or(0) {
                    let key = &work.keys[turn % work.keys.len()];
                    work.write(key, turn, None).await?;
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

impl Load {
    pub(crate) async fn run(&self, store: &Store) -> crate::Outcome<Measured> {
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let until = began + self.time;
        let text = text();
        let clients: Vec<_> = (0..self.clients)
            .map(|client| {
                let work = Client::of(store, &text, client, self.clients);
                tokio::spawn(work.run(self.operation, until))
            })
            .collect();
        let mut latencies_us = Vec::new();
        for client in clients {
            latencies_us.append(&mut client.await??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds() - cpu;
        latencies_us.sort_unstable();
        Ok(Measured {
            operation: self.operation,
            clients: self.clients,
            seconds,
            cpu_seconds,
            latencies_us,
        })
    }
}

/// Text that compresses about as well as base64 does: by a quarter.
fn text() -> Bytes {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        LETTERS[usize::try_from(state >> 58).unwrap_or(0)]
    });
    letters.take(TEXT_BYTES).collect()
}

struct Client {
    store: Store,
    text: Bytes,
    /// Its own: nobody else writes them.
    keys: Vec<Bytes>,
}

impl Client {
    /// One of so many clients.
    fn of(store: &Store, text: &Bytes, client: u64, clients: u64) -> Self {
        let keys = (client..KEYS.max(clients)).step_by(usize::try_from(clients).unwrap_or(1));
        Self {
            store: store.clone(),
            text: text.clone(),
            keys: keys
                .map(|n| format!("/registry/configmaps/bench/{n:06}").into())
                .collect(),
        }
    }

    async fn run(self, operation: Operation, until: Instant) -> Result<Vec<u32>, Error> {
        let mut latencies = Vec::new();
        let mut revisions: Vec<Option<Revision>> = vec![None; self.keys.len()];
        for n in (0..self.keys.len()).cycle() {
            let began = Instant::now();
            if began >= until {
                break;
            }
            let key = &self.keys[n];
            match operation {
                Operation::Get => {
                    self.store.read_barrier().await?;
                    self.store.get(key, None)?;
                }
                Operation::Put => {
                    self.write(key, latencies.len(), None).await?;
                }
                Operation::CompareAndSet => {
                    let seen = match revisions[n] {
                        Some(seen) => seen,
                        None => {
                            let entry = self.store.get(key, None)?;
                            entry.map_or(Revision(0), |entry| entry.mod_revision)
                        }
                    };
                    revisions[n] = self.write(key, latencies.len(), Some(seen)).await?;
                }
            }
            latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok(latencies)
    }

    /// Where the write lies; `None` when the key was not as it was seen.
    async fn write(
        &self,
        key: &Bytes,
        turn: usize,
        seen: Option<Revision>,
    ) -> Result<Option<Revision>, Error> {
        let window = (turn * 769) % (TEXT_BYTES - VALUE_BYTES);
        let compares = seen.map(|revision| Compare {
            key: key.clone(),
            condition: match revision {
                Revision(0) => Condition::Absent,
                seen => Condition::ModRevision(seen),
            },
        });
        let put = Change::Put {
            key: key.clone(),
            value: self.text.slice(window..window + VALUE_BYTES),
            ttl_seconds: None,
        };
        let txn = Txn {
            compares: compares.into_iter().collect(),
            changes: vec![put],
        };
        Ok(match self.store.txn(txn).await? {
            TxnOutcome::Committed { revision } => Some(revision),
            TxnOutcome::Conflict { .. } => None,
        })
    }
}
