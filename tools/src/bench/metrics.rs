//! The server's own account of its latencies: the histogram apiserver_request_duration_seconds of /metrics, by verb and scope, as
//! upstream's objectives for clusters are written (sig-scalability, "API call latency").

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::link::{Call, Failure, Link};

const BUCKET: &str = "apiserver_request_duration_seconds_bucket{";

/// Upper bound in seconds and how many calls took at most that, in rising order; the last bound is infinite.
type Buckets = Vec<(f64, f64)>;

/// Latencies so far, by verb and scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Latencies {
    by_call: BTreeMap<(String, String), Buckets>,
}

impl Latencies {
    pub(crate) async fn read(link: &mut Link) -> Result<Self, Failure> {
        let answer = link
            .fetch(Call::get("/metrics".to_owned(), "text/plain"))
            .await?;
        Ok(Self::parse(&String::from_utf8_lossy(&answer)))
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((labels, count)) = line.strip_prefix(BUCKET).and_then(|l| l.rsplit_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                let value = labels.split_once(&format!("{name}=\""))?.1;
                Some(value.split_once('"')?.0.to_owned())
            };
            let (Some(verb), Some(scope), Some(bound)) =
                (label("verb"), label("scope"), label("le"))
            else {
                continue;
            };
            let (Ok(bound), Ok(count)) = (bound.replace("+Inf", "inf").parse(), count.parse())
            else {
                continue;
            };
            found.add(verb, scope, bound, count);
        }
        found
    }

    fn add(&mut self, verb: String, scope: String, bound: f64, count: f64) {
        let buckets: &mut Buckets = self.by_call.entry((verb, scope)).or_default();
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => {
                buckets.push((bound, count));
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
        }
    }

    /// Calls and their p99 in seconds since an earlier reading, for each verb and scope.
    pub(crate) fn since(&self, before: &Self) -> Map<String, Value> {
        let mut out = Map::new();
        for ((verb, scope), buckets) in &self.by_call {
            let earlier = before.by_call.get(&(verb.clone(), scope.clone()));
            let earlier = |bound: f64| {
                let found = earlier?.iter().find(|(known, _)| *known == bound);
                found.map(|(_, count)| *count)
            };
            let new: Buckets = buckets
                .iter()
                .map(|(bound, count)| (*bound, count - earlier(*bound).unwrap_or(0.0)))
                .collect();
            let calls = new.last().map_or(0.0, |(_, count)| *count);
            if calls > 0.0 {
                let p99 = quantile(&new, 0.99);
                out.insert(
                    format!("{verb} {scope}"),
                    json!({"calls": calls, "p99_seconds": p99}),
                );
            }
        }
        out
    }
}

/// As Prometheus' histogram_quantile: straight lines within a bucket, the last finite bound for what lies above it.
fn quantile(buckets: &[(f64, f64)], part: f64) -> f64 {
    let rank = part * buckets.last().map_or(0.0, |(_, count)| *count);
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            if bound.is_infinite() {
                return low;
            }
            return low + (bound - low) * ((rank - below) / (count - below).max(f64::MIN_POSITIVE));
        }
        (low, below) = (*bound, *count);
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, resource: &str, le: &str, count: u32) -> String {
        format!(
            "{BUCKET}component=\"apiserver\",resource=\"{resource}\",scope=\"resource\",verb=\"{verb}\",le=\"{le}\"}} {count}\n"
        )
    }

    #[test]
    fn resources_add_up_and_what_was_before_does_not_count() {
        let at = |fast: u32, slow: u32| {
            let mut text = "# TYPE x histogram\n".to_owned();
            for resource in ["pods", "leases"] {
                text += &line("PUT", resource, "0.1", fast);
                text += &line("PUT", resource, "0.5", fast);
                text += &line("PUT", resource, "+Inf", fast + slow);
            }
            Latencies::parse(&text)
        };
        let since = at(200, 50).since(&at(100, 50));
        assert_eq!(since["PUT resource"]["calls"], 200.0);
        let p99 = since["PUT resource"]["p99_seconds"].as_f64().unwrap();
        assert!((p99 - 0.099).abs() < 1e-9, "{p99}");
        let slow = at(100, 60).since(&at(100, 50));
        assert_eq!(slow["PUT resource"]["p99_seconds"], 0.5);
        assert!(at(1, 1).since(&at(1, 1)).is_empty());
    }
}
