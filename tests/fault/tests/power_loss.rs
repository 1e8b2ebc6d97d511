//! Power losses at random moments, one after another on the same directory: nothing acknowledged
//! is lost, no transaction is halved, no revision goes back or names two contents. And the same
//! with syncing switched off, which must be found out.
//!
//! TRIAD_TORTURE_RUNS sets how many losses there are, TRIAD_TORTURE_SEED where they begin.

#![allow(
    clippy::print_stderr,
    reason = "what a long run has proved is worth a line"
)]

use std::path::Path;
use std::time::Duration;

use triad_fault::{Dice, Disk};
use triad_kv::{Store, StoreOptions};

use crate::ledger::Ledger;
use crate::victim::Victim;

const DEFAULT_RUNS: u64 = 60;
/// Losses that one directory goes through before a new one is made.
const LOSSES_EACH: u64 = 12;

#[test]
fn nothing_acknowledged_is_lost() {
    let runs = setting("TRIAD_TORTURE_RUNS", DEFAULT_RUNS);
    let seed = setting("TRIAD_TORTURE_SEED", 1);
    let mut acknowledged = 0;
    for series in 0..runs.div_ceil(LOSSES_EACH) {
        let losses = LOSSES_EACH.min(runs - series * LOSSES_EACH);
        let seed = seed + series;
        match torture(seed, losses, true) {
            Ok(count) => acknowledged += count,
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    eprintln!(
        "{runs} losses from seed {seed}: all of {acknowledged} acknowledged writes are there"
    );
    assert!(
        2 * acknowledged > runs,
        "too little was written to prove anything"
    );
}

#[test]
fn switching_syncs_off_is_found_out() {
    let found = (100..120).find_map(|seed| {
        torture(seed, LOSSES_EACH, false)
            .err()
            .map(|what| (seed, what))
    });
    let (seed, what) = found.expect("a store that never syncs must lose something");
    eprintln!("seed {seed}: {what}");
}

/// One directory through a number of losses; how many writes were acknowledged in all.
fn torture(seed: u64, losses: u64, sync: bool) -> Result<u64, String> {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("data");
    std::fs::create_dir(&dir).expect("a directory");
    let disk = Disk::new(&dir, scratch.path());
    let (mut dice, mut ledger) = (Dice::new(seed), Ledger::default());
    for loss in 0..losses {
        let victim = Victim::start(&disk, &dir, dice.roll(), sync);
        // Mostly while it writes, sometimes while it recovers.
        let life = if dice.one_in(6) {
            dice.below(40)
        } else {
            victim.wait_for_more("ack", 0);
            dice.below(250)
        };
        std::thread::sleep(Duration::from_millis(life));
        ledger.take(&victim.kill(), false)?;
        disk.lose_power(&mut dice);
        check(&dir, &mut ledger).map_err(|what| format!("loss {loss}: {what}"))?;
    }
    Ok(ledger.acknowledged())
}

/// Opens what is left, in this process, and holds it against the ledger.
pub(crate) fn check(dir: &Path, ledger: &mut Ledger) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let opened = Store::open(StoreOptions::new(dir, "check")).await;
        let store = opened.map_err(|e| format!("the store does not open: {e}"))?;
        let outcome = ledger.check(&store).await;
        store.shutdown().await;
        outcome
    })
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}
