//! What a priority level's object says, and how many requests of each level follow from all of them (apiserver
//! pkg/util/flowcontrol/apf_controller.go).

use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;

/// A level in shares of the whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) name: Arc<str>,
    pub(super) exempt: bool,
    shares: i64,
    lendable_percent: i64,
    /// None: all that is there.
    borrowing_percent: Option<i64>,
    /// None: who finds no seat is refused at once.
    pub(super) queuing: Option<Queuing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queuing {
    pub(super) queues: usize,
    pub(super) hand: usize,
    /// So many requests wait in one queue at most; who comes then is refused.
    pub(super) length: usize,
}

/// A level in seats. One request takes one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) level: Level,
    pub(super) nominal: usize,
    /// What is never lent to others.
    pub(super) kept: usize,
    /// With all that it may borrow.
    pub(super) most: usize,
}

impl Level {
    pub(super) fn new(object: &Value) -> Self {
        let exempt = object.pointer("/spec/type").and_then(Value::as_str) == Some("Exempt");
        let part = if exempt { "exempt" } else { "limited" };
        let number = |at: &str| {
            let at = format!("/spec/{part}/{at}");
            object.pointer(&at).and_then(Value::as_i64)
        };
        let queuing = |field: &str, default: i64| {
            let number = number(&format!("limitResponse/queuing/{field}")).unwrap_or(default);
            usize::try_from(number).unwrap_or(0)
        };
        let waits = object.pointer("/spec/limited/limitResponse/type");
        let waits = waits.and_then(Value::as_str) == Some("Queue");
        let queues = queuing("queues", 64);
        Level {
            name: meta::name(object).into(),
            exempt,
            shares: number("nominalConcurrencyShares").unwrap_or(if exempt { 0 } else { 30 }),
            lendable_percent: number("lendablePercent").unwrap_or(0),
            borrowing_percent: number("borrowingLimitPercent"),
            queuing: (waits && queues > 0).then(|| Queuing {
                queues,
                hand: queuing("handSize", 8).clamp(1, queues),
                length: queuing("queueLengthLimit", 50),
            }),
        }
    }
}

/// Divides a server's seats.
pub(super) fn divided(total: usize, levels: Vec<Level>) -> Vec<Limits> {
    let shares: i64 = levels.iter().map(|level| level.shares).sum();
    let part = |of: usize, percent: i64| (of as f64 * percent as f64 / 100.0).round() as usize;
    let limits = levels.into_iter().map(|level| {
        let nominal = total as f64 * level.shares as f64 / shares.max(1) as f64;
        let nominal = nominal.ceil() as usize;
        let borrowed = level.borrowing_percent;
        Limits {
            nominal,
            kept: nominal - part(nominal, level.lendable_percent).min(nominal),
            most: nominal + borrowed.map_or(total, |percent| part(nominal, percent)),
            level,
        }
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn seats_follow_from_shares() {
        let level = |name: &str, limited: Value| {
            Level::new(
                &json!({"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}),
            )
        };
        let queuing = json!({"queues": 16, "handSize": 4, "queueLengthLimit": 7});
        let waiting = json!({"type": "Queue", "queuing": queuing});
        let exempt = json!({"metadata": {"name": "e"}, "spec": {"type": "Exempt", "exempt": {}}});
        let limits = divided(
            600,
            vec![
                level(
                    "w",
                    json!({"nominalConcurrencyShares": 100, "lendablePercent": 90, "limitResponse": waiting}),
                ),
                level(
                    "l",
                    json!({"nominalConcurrencyShares": 10, "borrowingLimitPercent": 50, "limitResponse": {"type": "Reject"}}),
                ),
                level("c", json!({"nominalConcurrencyShares": 5})),
                Level::new(&exempt),
            ],
        );
        let seats: Vec<_> = limits.iter().map(|l| (l.nominal, l.kept, l.most)).collect();
        // 600 * 100 / 115, rounded up, as upstream.
        assert_eq!(
            seats,
            [(522, 52, 1122), (53, 53, 80), (27, 27, 627), (0, 0, 600)]
        );
        let queues = Queuing {
            queues: 16,
            hand: 4,
            length: 7,
        };
        let waits: Vec<_> = limits.iter().map(|l| l.level.queuing).collect();
        assert_eq!(waits, [Some(queues), None, None, None]);
        assert!(limits[3].level.exempt && !limits[0].level.exempt);
    }
}
