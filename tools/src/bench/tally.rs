//! What a load came to: latencies in a histogram of high dynamic range, operations, failures by what was said, bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::link::Failure;

/// Three significant digits from a microsecond to an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;
/// Kinds of failure kept apart; more are counted under one name.
const KINDS: usize = 8;

/// One turn of a client that went well.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Bytes of bodies, out and in.
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

#[derive(Clone)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
    pub(crate) done: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) failed: u64,
    failures: BTreeMap<String, (u64, String)>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self {
            latencies: latencies.expect("the bounds are in order"),
            done: 0,
            sent: 0,
            received: 0,
            failed: 0,
            failures: BTreeMap::new(),
        }
    }

    /// An operation that went well counts as speed, one that failed as a failure and nothing else.
    pub(crate) fn note(&mut self, took: Duration, outcome: Result<Done, Failure>) {
        match outcome {
            Ok(done) => {
                self.done += 1;
                self.sent += done.sent;
                self.received += done.received;
                self.latency(took);
            }
            Err(failure) => self.fail(&failure),
        }
    }

    pub(crate) fn latency(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
        self.latencies.saturating_record(us.max(1));
    }

    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.failed += 1;
        let kind = match failure.status {
            Some(status) => status.to_string(),
            None => "no answer".to_owned(),
        };
        let known = self.failures.contains_key(&kind) || self.failures.len() < KINDS;
        let kind = if known { kind } else { "others".to_owned() };
        let first = || (0, failure.text.clone());
        self.failures.entry(kind).or_insert_with(first).0 += 1;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.latencies
            .add(&other.latencies)
            .expect("all tallies have the same bounds");
        self.done += other.done;
        self.sent += other.sent;
        self.received += other.received;
        self.failed += other.failed;
        for (kind, (count, text)) in &other.failures {
            let first = || (0, text.clone());
            self.failures.entry(kind.clone()).or_insert_with(first).0 += count;
        }
    }

    /// Milliseconds that this part of the operations took at most; 0 when there were none.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        self.latencies.value_at_quantile(part) as f64 / 1e3
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.latencies.max() as f64 / 1e3
    }

    /// Kind, how often, and what was said the first time.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&str, u64, &str)> {
        let each = self.failures.iter();
        each.map(|(kind, (count, text))| (kind.as_str(), *count, text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_operations_that_went_well() {
        let mut tally = Tally::new();
        for ms in 1..=1000 {
            tally.note(Duration::from_millis(ms), Ok(Done::default()));
        }
        for (part, ms) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = tally.quantile_ms(part);
            assert!((found / ms - 1.0).abs() < 0.002, "{part}: {found}");
        }
        assert!((tally.max_ms() / 1000.0 - 1.0).abs() < 0.002);
        let refused = Failure {
            status: Some(503),
            text: "503: away".to_owned(),
        };
        tally.note(Duration::from_secs(9), Err(refused.clone()));
        tally.note(Duration::from_secs(9), Err(Failure::lost("cut")));
        assert!(tally.max_ms() < 1100.0, "a failure is no latency");
        let mut sum = Tally::new();
        sum.add(&tally);
        sum.note(Duration::ZERO, Err(refused));
        assert_eq!((sum.done, sum.failed), (1000, 3));
        let failures: Vec<_> = sum.failures().collect();
        assert_eq!(failures, [("503", 2, "503: away"), ("no answer", 1, "cut")]);
    }
}
