//! The program that is killed: it writes without pause and says on its standard output what it
//! is about to write and what the store has acknowledged. Usage: fault-writer DIR SEED [no-sync]

#![allow(clippy::print_stdout, reason = "the harness reads it")]

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use triad_fault::Dice;
use triad_kv::{Change, Error, Revision, Store, StoreOptions, Txn, TxnOutcome};

const WRITERS: u64 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let mut options = StoreOptions::new(&args[1], "writer");
    let seed: u64 = args[2].parse()?;
    options.sync = args.get(3).is_none_or(|a| a != "no-sync");
    // Small, so that files are made and removed within a short life.
    options.limits.write_buffer_bytes = 128 << 10;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(options, seed))
}

async fn run(options: StoreOptions, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    let store = match Store::open(options).await {
        Ok(store) => store,
        Err(e) => {
            say(&format!("refused {e}"));
            return Err(e.into());
        }
    };
    say(&format!("open {}", store.revision()));
    let writers = (0..WRITERS).map(|w| tokio::spawn(write(store.clone(), w, seed)));
    let mut tasks: Vec<_> = writers.collect();
    tasks.push(tokio::spawn(disturb(store.clone(), seed)));
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Writes rising numbers, each to three keys at once, and now and then to a fourth that it then
/// deletes.
async fn write(store: Store, writer: u64, seed: u64) -> Result<(), Error> {
    let mut dice = Dice::new(seed ^ (writer << 32));
    let key = |part: &str| Bytes::from(format!("/t/{writer}/{part}"));
    let last = store.get(&key("a"), None)?.map_or(0, |e| number(&e.value));
    for count in last + 1.. {
        let most = if dice.one_in(10) { 20_000 } else { 500 };
        let filler = "x".repeat(usize::try_from(dice.below(most)).unwrap_or(0));
        let value = Bytes::from(format!("{count:020}{filler}"));
        let put = |part| Change::Put {
            key: key(part),
            value: value.clone(),
            ttl_seconds: None,
        };
        let mut changes = vec![put("a"), put("b"), put("c")];
        changes.push(if count % 2 == 0 {
            put("d")
        } else {
            Change::Delete { key: key("d") }
        });
        say(&format!("try {writer} {count}"));
        match store
            .txn(Txn {
                compares: vec![],
                changes,
            })
            .await
        {
            Ok(TxnOutcome::Committed { revision }) => {
                say(&format!("ack {writer} {count} {revision}"))
            }
            Ok(other) => say(&format!("odd {other:?}")),
            Err(e) => {
                say(&format!("error {writer} {count} {e}"));
                tokio::time::sleep(Duration::from_millis(20)).await;
                // Its outcome is unknown; what comes next must not be mixed up with it.
            }
        }
    }
    Ok(())
}

/// Flushes and compacts now and then.
async fn disturb(store: Store, seed: u64) -> Result<(), Error> {
    let mut dice = Dice::new(!seed);
    loop {
        tokio::time::sleep(Duration::from_millis(10 + dice.below(60))).await;
        if dice.one_in(2) {
            // While the store is down there is nothing to flush or compact.
            let _ = store.flush().await;
        } else {
            let (from, to) = (store.compacted().0, store.revision().0);
            let _ = store
                .compact(Revision(from + dice.below((to - from) / 2 + 1)))
                .await;
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(&value[..20])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// One line in one write, so that a kill leaves whole lines.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}
