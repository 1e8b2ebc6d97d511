//! Three real processes under faults and traffic: a run is a seed -> faults and traffic -> healing -> checks. The history of
//! all reads and writes must be linearizable, every watch must have seen every event once and in order, and what was
//! acknowledged must be there in the end. TRIAD_CLUSTER_RUNS says how many runs, TRIAD_CLUSTER_SEED where they begin.
//! They need network namespaces (root); without them the runs leave out what cuts connections.

mod bed;
mod client;
mod faults;
mod history;
mod linear;
mod net;
mod run;
mod watching;

use std::time::{SystemTime, UNIX_EPOCH};

/// Runs of `make test`; `make torture` asks for more.
const RUNS: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "a run that fails is found again by its seed"
)]
fn histories_under_faults_are_linearizable() {
    let runs = number("TRIAD_CLUSTER_RUNS").unwrap_or(RUNS);
    let first = number("TRIAD_CLUSTER_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs()
    });
    let mut total = run::Tally::default();
    for seed in first..first + runs {
        println!("seed {seed}");
        let tally = run::one(seed);
        println!("seed {seed}: {tally}");
        total.add(&tally);
    }
    println!("seeds {first}..{}: {total}", first + runs);
    assert!(total.writes > 0 && total.events > 0);
}
