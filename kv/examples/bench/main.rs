//! Writes, compare-and-sets and linearizable reads of 1 KB values through the store's front door, syncing as in earnest, one JSON
//! line for each measurement. Usage: bench [--dir DIR] [--nodes N] [--seconds S] [--clients A,B,...]
//!
//! With several nodes every store has its own log, its own port and mutual TLS to the others, and the clients are measured once at
//! the leader and once at a follower. Everything shares one process, so the processor time holds the clients and all the members.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod bed;
mod load;
mod process;
#[path = "../../../raft/tests/tls.rs"]
mod tls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bed::Bed;
use load::{Load, Operation};

/// Writes that a member misses before it comes back.
const MISSED: u64 = 100_000;

struct Arguments {
    dir: PathBuf,
    nodes: usize,
    time: Duration,
    clients: Vec<u64>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn arguments() -> Outcome<Arguments> {
    let mut given = Arguments {
        dir: std::env::temp_dir(),
        nodes: 1,
        time: Duration::from_secs(5),
        clients: vec![1, 64, 256],
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--dir" => given.dir = value.into(),
            "--nodes" => given.nodes = value.parse()?,
            "--seconds" => given.time = Duration::from_secs(value.parse()?),
            "--clients" => {
                let numbers: Result<_, _> = value.split(',').map(str::parse).collect();
                given.clients = numbers?;
            }
            _ => return Err(format!("there is no {name}").into()),
        }
    }
    Ok(given)
}

fn main() -> Outcome<()> {
    let given = arguments()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&given))
}

async fn run(given: &Arguments) -> Outcome<()> {
    let mut bed = Bed::form(&given.dir, given.nodes).await?;
    let leader = bed.leader();
    let places = [
        ("leader", Some(leader)),
        (
            "follower",
            (given.nodes > 1).then_some((leader + 1) % given.nodes),
        ),
    ];
    for (at, node) in places {
        let Some(node) = node else { continue };
        for clients in &given.clients {
            for operation in Operation::ALL {
                let load = Load {
                    operation,
                    clients: *clients,
                    time: given.time,
                };
                let measured = load.run(&bed.stores[node]).await?;
                println!(
                    "{{\"store\": \"triad\", \"nodes\": {}, \"at\": \"{at}\", {measured}}}",
                    given.nodes
                );
            }
        }
    }
    if given.nodes > 2 {
        catch_up(&mut bed, leader).await?;
    }
    println!(
        "{{\"store\": \"triad\", \"nodes\": {}, \"resident_kb\": {}}}",
        given.nodes,
        process::resident_kb()
    );
    bed.end().await;
    Ok(())
}

/// How long a member takes that was away while many writes were made, from its start until it has them all.
async fn catch_up(bed: &mut Bed, leader: usize) -> Outcome<()> {
    let away = (leader + 1) % bed.stores.len();
    bed.stores[away].shutdown().await;
    load::writes(&bed.stores[leader], MISSED).await?;
    let last = bed.stores[leader].revision();
    let began = Instant::now();
    bed.reopen(away).await?;
    while bed.stores[away].revision() < last {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "{{\"store\": \"triad\", \"nodes\": {}, \"missed_writes\": {MISSED}, \"caught_up_after_ms\": {}}}",
        bed.stores.len(),
        began.elapsed().as_millis()
    );
    Ok(())
}
