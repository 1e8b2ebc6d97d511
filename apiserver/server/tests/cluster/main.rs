//! Three real processes under faults and traffic: a run is a seed -> faults and traffic -> healing -> checks. The history of
//! all reads and writes must be linearizable, every watch must have seen every event once and in order, and what was
//! acknowledged must be there in the end. TRIAD_CLUSTER_RUNS says how many runs, TRIAD_CLUSTER_SEED where they begin.
//! They need network namespaces (root); without them the runs leave out what cuts connections.

mod archive;
mod bed;
mod client;
mod faults;
mod history;
mod links;
mod net;
mod road;
mod run;
mod secrecy;
mod watching;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs of `make test`; `make torture` asks for more.
const RUNS: u64 = 20;
/// Runs at a time: most of one is waiting.
const SIDE_BY_SIDE: u64 = 2;

/// Also what was made in the first moments is durable by then: the directories, the PKI, the identity.
#[test]
fn a_cluster_that_loses_power_soon_is_the_same_afterwards() {
    run::power_loss();
}

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
    // Without networks of their own two clusters would be in each other's way.
    let side_by_side = if net::Net::is_possible() {
        SIDE_BY_SIDE
    } else {
        1
    };
    let (next, total) = (AtomicU64::new(first), Mutex::new(run::Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..side_by_side.min(runs) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        break;
                    }
                    println!("seed {seed}");
                    let tally = run::one(seed);
                    println!("seed {seed}: {tally}");
                    total.lock().unwrap().add(&tally);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("seeds {first}..{}: {total}", first + runs);
    assert!(total.writes > 0 && total.events > 0);
}
