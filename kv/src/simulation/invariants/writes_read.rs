//! A client reads its own write from the member that it wrote through, without a barrier.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn a_write_is_read_where_it_was_made() {
    let tally = hold(Plan {
        clients_each: 2,
        crashes: 1,
        weather: 8,
        ..Plan::default()
    });
    assert!(tally.writes > 20 * runs(), "{tally:?}");
}
