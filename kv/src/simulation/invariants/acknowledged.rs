//! What was acknowledged is there for good, at its revision, on every member, whoever crashes: all of them at once too.

use super::super::disk::Flaws;
use super::super::plan::Plan;
use super::{find, hold, runs};

fn plan() -> Plan {
    Plan {
        crashes: 8,
        cuts: 1,
        weather: 1,
        ..Plan::default()
    }
}

#[test]
fn what_was_acknowledged_is_never_lost() {
    let tally = hold(plan());
    assert!(tally.writes > 20 * runs(), "{tally:?}");
}

/// A disk that says it has synced what it has not loses what was acknowledged.
#[test]
fn an_answer_before_the_sync_is_found() {
    let found = find(Plan {
        flaws: Flaws {
            answers_early: true,
            ..Flaws::default()
        },
        ..plan()
    });
    assert!(found.starts_with("seed "), "{found}");
}
