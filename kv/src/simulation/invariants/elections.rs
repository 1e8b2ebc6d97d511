//! A vote elects one leader, and whoever is elected has every committed entry in its log (Raft, sections 5.2 and 5.4).

use super::super::disk::Flaws;
use super::super::plan::Plan;
use super::{find, hold, runs};

#[test]
fn each_vote_elects_one_that_has_all_that_is_committed() {
    let tally = hold(Plan {
        elections: 6,
        cuts: 6,
        ..Plan::default()
    });
    assert!(tally.counts.leaders > runs(), "{tally:?}");
}

/// A member that forgets its vote votes twice.
#[test]
fn a_forgotten_vote_is_found() {
    let found = find(Plan {
        crashes: 8,
        faults: 16,
        flaws: Flaws {
            forgets_votes: true,
            ..Flaws::default()
        },
        ..Plan::default()
    });
    assert!(found.starts_with("seed "), "{found}");
}
