//! A client reads its own write from the member that it wrote through, without a barrier.

use super::super::plan::Plan;
use super::super::world::run;
use super::{hold, runs};

fn plan() -> Plan {
    Plan {
        clients_each: 2,
        crashes: 1,
        weather: 8,
        ..Plan::default()
    }
}

#[test]
fn a_write_is_read_where_it_was_made() {
    let tally = hold(plan());
    assert!(tally.writes > 20 * runs(), "{tally:?}");
}

/// Here a leader goes on with a stream whose entries it has purged meanwhile.
#[test]
fn a_purge_leaves_no_hole_in_the_log_of_another() {
    run(90113, plan()).unwrap();
}
