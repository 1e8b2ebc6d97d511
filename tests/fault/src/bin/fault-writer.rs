//! The program that is killed: it writes without pause and says on its standard output what it
//! is about to write and what the store has acknowledged. Usage: fault-writer DIR SEED [no-sync]

use triad_fault::{load, say};
use triad_kv::{Store, StoreOptions};

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
    tokio::spawn(load::disturb(store.clone(), seed));
    let writers =
        (0..WRITERS).map(|w| tokio::spawn(load::write(store.clone(), w, seed, || true, say)));
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}
