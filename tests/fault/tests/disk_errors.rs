//! A disk that is full, or fails writes or syncs: writes are answered with errors, nothing that
//! was acknowledged is lost, and the store serves again by itself when the disk does.

use std::time::Duration;

use triad_fault::{Dice, Disk};

use crate::ledger::Ledger;
use crate::power_loss::check;
use crate::victim::Victim;

const EIO: u64 = 5;
const ENOSPC: u64 = 28;

/// Lets the writer run into trouble, ends the trouble, and takes the power away at the end.
fn survive(seed: u64, begin: impl Fn(&Disk), end: impl Fn(&Disk)) {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("data");
    std::fs::create_dir(&dir).expect("a directory");
    let disk = Disk::new(&dir, scratch.path());
    let victim = Victim::start(&disk, &dir, seed, true);
    victim.wait_for_more("ack", 50);
    for _ in 0..2 {
        let errors = victim.count("error");
        begin(&disk);
        victim.wait_for_more("error", errors + 4);
        std::thread::sleep(Duration::from_millis(700));
        let acknowledged = victim.count("ack");
        end(&disk);
        victim.wait_for_more("ack", acknowledged + 50);
    }
    let mut ledger = Ledger::default();
    ledger
        .take(&victim.kill(), true)
        .expect("what it says makes sense");
    disk.lose_power(&mut Dice::new(seed));
    check(&dir, &mut ledger).expect("nothing acknowledged is lost");
}

#[test]
fn a_full_disk_answers_errors_and_loses_nothing() {
    survive(
        1,
        |disk| disk.set_space(Some(100_000)),
        |disk| disk.set_space(None),
    );
}

#[test]
fn failing_syncs_of_the_log_fence_the_node() {
    survive(
        2,
        |disk| disk.fail_syncs("/log/", EIO),
        |disk| disk.fail_syncs("", 0),
    );
}

#[test]
fn failing_writes_of_the_log_fence_the_node() {
    survive(
        3,
        |disk| disk.fail_writes("/log/", EIO),
        |disk| disk.fail_writes("", 0),
    );
}

#[test]
fn failing_writes_of_the_state_fence_the_node() {
    survive(
        4,
        |disk| disk.fail_writes("/state/", ENOSPC),
        |disk| disk.fail_writes("", 0),
    );
}

/// Writers are held back because the state's tables wait to become files, and then that fails: nobody
/// may wait for it for ever.
#[test]
fn a_state_that_fails_while_writers_wait_fences_the_node() {
    survive(
        7,
        |disk| {
            disk.delay_syncs("/state/", 2_000_000);
            disk.fail_syncs("/state/", ENOSPC);
        },
        |disk| {
            disk.delay_syncs("", 0);
            disk.fail_syncs("", 0);
        },
    );
}

/// As above, in the log's database.
#[test]
fn a_log_that_fails_while_its_writer_waits_fences_the_node() {
    survive(
        8,
        |disk| {
            disk.delay_syncs("/log/*.sst", 2_000_000);
            disk.fail_syncs("/log/*.sst", ENOSPC);
        },
        |disk| {
            disk.delay_syncs("", 0);
            disk.fail_syncs("", 0);
        },
    );
}

#[test]
fn a_failing_floor_fences_the_node() {
    survive(
        5,
        |disk| disk.fail_syncs("log.floor", EIO),
        |disk| disk.fail_syncs("", 0),
    );
}

#[test]
fn slow_syncs_slow_writes_and_nothing_else() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("data");
    std::fs::create_dir(&dir).expect("a directory");
    let disk = Disk::new(&dir, scratch.path());
    let victim = Victim::start(&disk, &dir, 6, true);
    victim.wait_for_more("ack", 20);
    disk.delay_syncs("", 100_000);
    let before = victim.count("ack");
    victim.wait_for_more("ack", before + 8);
    disk.delay_syncs("", 0);
    let before = victim.count("ack");
    victim.wait_for_more("ack", before + 100);
    assert_eq!(victim.count("error"), 0);
    victim.kill();
}
