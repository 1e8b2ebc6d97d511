//! Reads behind a barrier, writes and swaps of each register have an order that explains all of them; a call of unknown end may
//! have happened or not.

use super::super::plan::Plan;
use super::{hold, runs};

#[test]
fn histories_are_linearizable() {
    let tally = hold(Plan {
        clients_each: 2,
        cuts: 5,
        weather: 4,
        ..Plan::default()
    });
    assert!(tally.reads.min(tally.writes) > 20 * runs(), "{tally:?}");
}
