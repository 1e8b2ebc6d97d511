//! Seats and queues without time.

use super::*;
use crate::filters::flow::level::Level as Terms;
use serde_json::{Value, json};

/// A level of so many seats, of which so many per cent are lent.
fn level(name: &str, seats: usize, lendable: i64, queuing: Option<Queuing>) -> Limits {
    let object = json!({"metadata": {"name": name}, "spec": {"type": "Limited", "limited": {}}});
    let mut terms = Terms::new(&object);
    terms.queuing = queuing;
    let lent = seats * usize::try_from(lendable).expect("positive") / 100;
    Limits {
        level: terms,
        nominal: seats,
        kept: seats - lent,
        most: usize::MAX,
    }
}

fn queuing(queues: usize, hand: usize, length: usize) -> Option<Queuing> {
    Some(Queuing {
        queues,
        hand,
        length,
    })
}

fn exempt() -> Limits {
    let object: Value = json!({"metadata": {"name": "exempt"}, "spec": {"type": "Exempt"}});
    Limits {
        level: Terms::new(&object),
        nominal: 0,
        kept: 0,
        most: 0,
    }
}

fn seats(levels: &[Limits]) -> Seats<&'static str> {
    let mut seats = Seats::default();
    assert!(seats.configure(levels.to_vec()).is_empty());
    seats
}

const MOMENT: Duration = Duration::from_millis(3);

#[test]
fn without_queues_who_finds_no_seat_is_refused() {
    let mut seats = seats(&[level("a", 2, 0, None), exempt()]);
    let mut ask = |name| seats.ask(name, 0, || "a");
    assert_eq!(
        [ask("a"), ask("a"), ask("a")],
        [
            Asked::Runs(0),
            Asked::Runs(0),
            Asked::Refused(Reason::ConcurrencyLimit)
        ]
    );
    for _ in 0..10 {
        assert_eq!(ask("exempt"), Asked::Runs(0));
    }
    assert!(seats.end("a", 0, MOMENT).is_empty());
    assert_eq!(seats.ask("a", 0, || "a"), Asked::Runs(0));
}

#[test]
fn a_full_queue_takes_nobody_and_the_first_goes_first() {
    let mut seats = seats(&[level("a", 1, 0, queuing(1, 1, 2))]);
    assert_eq!(seats.ask("a", 0, || "never"), Asked::Runs(0));
    assert!(matches!(seats.ask("a", 0, || "one"), Asked::Waits(0, _)));
    let Asked::Waits(0, two) = seats.ask("a", 0, || "two") else {
        panic!("it waits");
    };
    assert_eq!(
        seats.ask("a", 0, || "full"),
        Asked::Refused(Reason::QueueFull)
    );
    assert_eq!(seats.end("a", 0, MOMENT), ["one"]);
    assert!(seats.leave("a", 0, two), "it waited");
    assert!(!seats.leave("a", 0, two), "it is gone");
    assert!(seats.end("a", 0, MOMENT).is_empty());
    let counts: Vec<_> = seats.counts().collect();
    assert_eq!(counts, [("a", 1, 0, 0)]);
}

#[test]
fn a_flow_that_asks_much_does_not_starve_another() {
    let mut seats = seats(&[level("a", 1, 0, queuing(8, 1, 100))]);
    assert_eq!(seats.ask("a", 0, || "much"), Asked::Runs(0));
    for _ in 0..50 {
        assert!(matches!(seats.ask("a", 0, || "much"), Asked::Waits(0, _)));
    }
    for _ in 0..5 {
        assert!(matches!(seats.ask("a", 1, || "little"), Asked::Waits(1, _)));
    }
    // One after another, by the queue that it came from.
    let mut order = seats.end("a", 0, MOMENT);
    for _ in 0..9 {
        let from = if order.last() == Some(&"much") { 0 } else { 1 };
        order.extend(seats.end("a", from, MOMENT));
    }
    let little = order.iter().filter(|who| **who == "little").count();
    assert_eq!(little, 5, "{order:?}");
}

#[test]
fn who_takes_long_is_next_more_seldom() {
    let mut seats = seats(&[level("a", 1, 0, queuing(8, 1, 100))]);
    assert_eq!(seats.ask("a", 0, || "long"), Asked::Runs(0));
    for _ in 0..20 {
        seats.ask("a", 0, || "long");
        seats.ask("a", 1, || "short");
    }
    let mut order = seats.end("a", 0, MOMENT * 4);
    for _ in 0..14 {
        let (from, took) = match order.last() {
            Some(&"long") => (0, MOMENT * 4),
            _ => (1, MOMENT),
        };
        order.extend(seats.end("a", from, took));
    }
    let short = order.iter().filter(|who| **who == "short").count();
    assert!((11..=13).contains(&short), "four of five: {order:?}");
}

#[test]
fn seats_are_lent_but_not_those_that_are_kept() {
    let mut seats = seats(&[
        level("lends", 10, 50, queuing(1, 1, 100)),
        level("asks", 2, 0, queuing(1, 1, 100)),
    ]);
    for running in 0..7 {
        assert_eq!(seats.ask("asks", 0, || "asks"), Asked::Runs(0), "{running}");
    }
    assert!(matches!(seats.ask("asks", 0, || "asks"), Asked::Waits(..)));
    // What was kept is there at once, what was lent only when it is given back: then the lender is first.
    for _ in 0..5 {
        assert_eq!(seats.ask("lends", 0, || "lends"), Asked::Runs(0));
    }
    assert!(matches!(
        seats.ask("lends", 0, || "lends"),
        Asked::Waits(..)
    ));
    assert_eq!(seats.end("asks", 0, MOMENT), ["lends"]);
    assert!(matches!(
        seats.ask("lends", 0, || "lends"),
        Asked::Waits(..)
    ));
    assert_eq!(seats.end("lends", 0, MOMENT), ["lends"]);
}

#[test]
fn nobody_borrows_more_than_it_may() {
    let mut asks = level("asks", 2, 0, None);
    asks.most = 3;
    let mut seats = seats(&[level("lends", 10, 100, None), asks]);
    let runs = (0..10).filter(|_| seats.ask("asks", 0, || "asks") == Asked::Runs(0));
    assert_eq!(runs.count(), 3);
}

#[test]
fn new_limits_count_at_once_and_a_level_goes_when_it_is_empty() {
    let mut seats = seats(&[level("a", 1, 0, queuing(4, 2, 100))]);
    seats.ask("a", 0, || "first");
    for _ in 0..3 {
        seats.ask("a", 0, || "later");
    }
    assert_eq!(
        seats
            .configure(vec![level("a", 3, 0, queuing(2, 1, 100))])
            .len(),
        2
    );
    assert!(seats.configure(vec![level("b", 1, 0, None)]).is_empty());
    for (ended, woken) in [(1, 1), (2, 0), (3, 0)] {
        assert_eq!(seats.end("a", 0, MOMENT).len(), woken, "{ended}");
    }
    assert_eq!(seats.counts().count(), 2);
    seats.end("a", 0, MOMENT);
    assert_eq!(
        seats.counts().map(|count| count.0).collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(seats.ask("a", 0, || "unknown"), Asked::Runs(0));
}

#[test]
fn hands_are_dealt_without_repeats_and_over_all_queues() {
    let mut seats = seats(&[level("a", 0, 0, queuing(128, 6, 1))]);
    for flow in 0..2000_u64 {
        let spread = flow.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        seats.ask("a", spread, || "waits");
    }
    let counts: Vec<_> = seats.counts().collect();
    assert_eq!(counts, [("a", 0, 0, 128)], "each queue has one");
    let level = &seats.levels["a"];
    let one = queuing(128, 6, 1).expect("queuing");
    // The same flow has the same hand: with all else alike the same queue.
    assert_eq!(level.queue_of(77, one), level.queue_of(77, one));
}
