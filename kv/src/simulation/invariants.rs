//! What holds in every run, one invariant a file: each drives the faults that endanger it most, for a number of seeds, and shows
//! where it can that a member which breaks it is found out. Every run is judged by all of them.

mod acknowledged;
mod agreement;
mod elections;
mod linearizable;
mod membership;
mod repeatable;
mod snapshots;
mod watches;
mod writes_read;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::plan::Plan;
use super::world::{Tally, run};

/// Seeds of each invariant in `make test`.
const RUNS: u64 = 25;
const SIDE_BY_SIDE: u64 = 2;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a plan for the wanted seeds; all of them have to hold.
fn hold(plan: Plan) -> Tally {
    let runs = runs();
    let first = setting("TRIAD_SIM_SEED").unwrap_or(1);
    let (next, total) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    let tally = run(seed, plan).unwrap_or_else(|what| panic!("{what}"));
                    add(&mut total.lock().unwrap(), &tally);
                }
            });
        }
    });
    total.into_inner().unwrap()
}

/// How many runs there were, for what is to be seen in each of them on average.
fn runs() -> u64 {
    setting("TRIAD_SIM_RUNS").unwrap_or(RUNS)
}

fn add(total: &mut Tally, tally: &Tally) {
    total.counts.leaders += tally.counts.leaders;
    total.counts.installs += tally.counts.installs;
    total.counts.applies += tally.counts.applies;
    total.writes += tally.writes;
    total.reads += tally.reads;
    total.unknown += tally.unknown;
    total.events += tally.events;
}

/// Plays a plan that must be found out within some seeds; what was found.
fn find(plan: Plan) -> String {
    let found = (1..=60).find_map(|seed| run(seed, plan).err());
    found.unwrap_or_else(|| panic!("nothing was found in 60 seeds of {plan:?}"))
}
