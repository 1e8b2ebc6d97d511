//! All members apply the same entry at an index, and have the same state after it, by its hash.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn members_agree_at_every_index() {
    let tally = hold(Plan {
        members: 5,
        cuts: 6,
        ..Plan::default()
    });
    assert!(tally.counts.applies > 150 * runs(), "{tally:?}");
}
