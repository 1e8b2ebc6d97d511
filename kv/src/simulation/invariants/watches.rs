//! A watch is told every change once and in order, over crashes of its member and over states that came from another one; all
//! watches are told the same.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn watches_are_told_everything_once_and_in_order() {
    let tally = hold(Plan {
        crashes: 6,
        elections: 3,
        ..Plan::default()
    });
    assert!(tally.events > 50 * runs(), "{tally:?}");
}
