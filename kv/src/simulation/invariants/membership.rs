//! Members come and go, under all faults: nothing of the rest changes.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn members_come_and_go() {
    let tally = hold(Plan {
        guests: 2,
        elections: 10,
        ..Plan::default()
    });
    assert!(
        tally.writes > 20 * runs() && tally.counts.installs > 0,
        "{tally:?}"
    );
}
