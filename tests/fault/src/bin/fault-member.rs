//! One member of a cluster, which dies when it is told to: it is opened, says who it is, and does what its standard input
//! says until that ends. Usage: fault-member DIR NAME LISTEN KEYS SEED [CLUSTER EPOCH]

use std::path::Path;

use tokio::sync::mpsc;
use triad_fault::{load, member, say};
use triad_kv::Store;

/// The first writer's number; the others in the cluster have their own.
const WRITERS: std::ops::Range<u64> = 0..3;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let joining = match args.get(6..8) {
        Some([cluster, epoch]) => Some((cluster.parse()?, epoch.parse()?)),
        _ => None,
    };
    let (dir, keys) = (Path::new(&args[1]), Path::new(&args[4]));
    let options = member::options(dir, &args[2], args[3].parse()?, keys, joining);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let seed = args[5].parse()?;
    runtime.block_on(async move {
        let store = Store::open(options).await?;
        say(&format!("member {}", store.identity()?.node));
        obey(store, seed).await
    })
}

async fn obey(store: Store, seed: u64) -> Result<(), Failure> {
    let (given, mut orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for order in std::io::stdin().lines().map_while(Result::ok) {
            if given.blocking_send(order).is_err() {
                return;
            }
        }
    });
    while let Some(order) = orders.recv().await {
        match order.as_str() {
            "write" => {
                tokio::spawn(load::disturb(store.clone(), seed));
                for writer in WRITERS {
                    tokio::spawn(load::write(store.clone(), writer, seed, || true, say));
                }
            }
            "stop" => {
                store.shutdown().await;
                return Ok(());
            }
            other => return Err(format!("there is no order {other}").into()),
        }
    }
    // Whoever gave the orders is gone.
    Ok(())
}
