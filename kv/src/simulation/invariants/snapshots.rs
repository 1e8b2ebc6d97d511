//! A state that was sent is the state that the log would have made: the hash at its index is that of the members that replayed.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn a_state_that_was_sent_equals_one_that_was_replayed() {
    let tally = hold(Plan {
        faults: 12,
        crashes: 5,
        cuts: 5,
        weather: 1,
        clients_each: 3,
        ..Plan::default()
    });
    assert!(tally.counts.installs > runs() / 4, "{tally:?}");
}
