//! Figures of one scenario: a line of JSON for programs, a row for people.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::process::Processes;
use super::tally::Tally;
use crate::table;

/// The time that was measured, and what the server and the load itself took of the processor in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) took: Duration,
    pub(crate) server: Duration,
    pub(crate) own: Duration,
}

/// A span that has begun.
pub(crate) struct Begun {
    at: Instant,
    server: Duration,
    own: Duration,
}

impl Span {
    pub(crate) fn begin(server: &Processes) -> Result<Begun> {
        Ok(Begun {
            server: server.cpu()?,
            own: Processes::own().cpu()?,
            at: Instant::now(),
        })
    }
}

impl Begun {
    pub(crate) fn end(self, server: &Processes) -> Result<Span> {
        Ok(Span {
            took: self.at.elapsed(),
            server: server.cpu()?.saturating_sub(self.server),
            own: Processes::own().cpu()?.saturating_sub(self.own),
        })
    }
}

/// One scenario's figures.
pub(crate) struct Figures {
    pub(crate) scenario: &'static str,
    pub(crate) label: String,
    pub(crate) clients: usize,
    pub(crate) rate: Option<f64>,
    pub(crate) tally: Tally,
    pub(crate) span: Span,
    /// The server's memory at the end; none when its processes were not named.
    pub(crate) resident: Option<u64>,
    /// What else a scenario has to say.
    pub(crate) more: Map<String, Value>,
}

pub(crate) const HEAD: [&str; 12] = [
    "SCENARIO",
    "CLIENTS",
    "OPS",
    "OPS/S",
    "P50 MS",
    "P90 MS",
    "P99 MS",
    "P99.9 MS",
    "MAX MS",
    "FAILED",
    "CPU MS/OP",
    "RSS MIB",
];

impl Figures {
    fn per_second(&self) -> f64 {
        self.tally.done as f64 / self.span.took.as_secs_f64().max(1e-9)
    }

    /// Processor milliseconds of the server for each operation; none when there is nothing to divide.
    fn cpu_ms(&self) -> Option<f64> {
        let known = self.resident.is_some() && self.tally.done > 0;
        known.then(|| self.span.server.as_secs_f64() * 1e3 / self.tally.done as f64)
    }

    /// One JSON object; times in the unit of their name, bytes are those of bodies.
    pub(crate) fn json(&self) -> Value {
        let tally = &self.tally;
        let failures: Vec<Value> = tally
            .failures()
            .map(|(kind, count, first)| json!({"kind": kind, "count": count, "first": first}))
            .collect();
        let mut line = json!({
            "scenario": self.scenario, "label": self.label, "clients": self.clients, "rate": self.rate,
            "seconds": round(self.span.took.as_secs_f64(), 6), "operations": tally.done,
            "per_second": round(self.per_second(), 1), "failed": tally.failed, "failures": failures,
            "bytes_sent": tally.sent, "bytes_received": tally.received,
            "p50_ms": tally.quantile_ms(0.5), "p90_ms": tally.quantile_ms(0.9), "p99_ms": tally.quantile_ms(0.99),
            "p999_ms": tally.quantile_ms(0.999), "max_ms": tally.max_ms(),
            "server_cpu_seconds": self.resident.map(|_| round(self.span.server.as_secs_f64(), 2)),
            "cpu_ms_per_operation": self.cpu_ms().map(|ms| round(ms, 5)),
            "server_resident_bytes": self.resident,
            "load_cpu_seconds": round(self.span.own.as_secs_f64(), 2),
        });
        if let Value::Object(line) = &mut line {
            line.extend(self.more.clone());
        }
        line
    }

    pub(crate) fn row(&self) -> Vec<String> {
        let tally = &self.tally;
        let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
        let ms = |part: f64| format!("{:.2}", tally.quantile_ms(part));
        vec![
            self.scenario.to_owned(),
            self.clients.to_string(),
            tally.done.to_string(),
            format!("{:.1}", self.per_second()),
            ms(0.5),
            ms(0.9),
            ms(0.99),
            ms(0.999),
            format!("{:.2}", tally.max_ms()),
            tally.failed.to_string(),
            or_dash(self.cpu_ms().map(|ms| format!("{ms:.3}"))),
            or_dash(
                self.resident
                    .map(|bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))),
            ),
        ]
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let shift = 10_f64.powi(digits);
    (value * shift).round() / shift
}

/// The table of several scenarios, with what failed and what they said besides below it.
pub(crate) fn table(all: &[Figures]) -> String {
    let rows: Vec<Vec<String>> = all.iter().map(Figures::row).collect();
    let mut text = table::render(&HEAD, &rows);
    for one in all {
        for (name, value) in &one.more {
            text.push_str(&format!("{}: {name} {value}\n", one.scenario));
        }
        for (kind, count, first) in one.tally.failures() {
            text.push_str(&format!(
                "{}: {kind}, {count} times: {first}\n",
                one.scenario
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::link::Failure;
    use super::super::tally::Done;
    use super::*;

    fn figures() -> Figures {
        let mut tally = Tally::new();
        let done = Done {
            sent: 10,
            received: 100,
        };
        for _ in 0..200 {
            tally.note(Duration::from_millis(5), Ok(done));
        }
        Figures {
            scenario: "get-pod",
            label: "a".to_owned(),
            clients: 2,
            rate: None,
            tally,
            span: Span {
                took: Duration::from_secs(2),
                server: Duration::from_millis(500),
                own: Duration::from_millis(100),
            },
            resident: Some(3 << 20),
            more: Map::new(),
        }
    }

    #[test]
    fn a_line_has_what_the_table_has() {
        let mut figures = figures();
        let line = figures.json();
        assert_eq!(line["per_second"], 100.0);
        assert_eq!(line["cpu_ms_per_operation"], 2.5);
        assert_eq!(
            (&line["bytes_sent"], &line["bytes_received"]),
            (&json!(2000), &json!(20000))
        );
        assert_eq!(figures.row()[10], "2.500");
        figures.resident = None;
        assert_eq!(figures.json()["cpu_ms_per_operation"], Value::Null);
        assert_eq!(figures.row()[10..], ["-", "-"]);
    }

    #[test]
    fn a_server_that_only_fails_has_no_speed() {
        let mut figures = figures();
        figures.tally = Tally::new();
        figures.tally.fail(&Failure::lost("cut"));
        let line = figures.json();
        assert_eq!(
            (&line["operations"], &line["failed"]),
            (&json!(0), &json!(1))
        );
        assert_eq!(line["per_second"], 0.0);
        assert_eq!(line["cpu_ms_per_operation"], Value::Null);
        assert!(table(&[figures]).ends_with("get-pod: no answer, 1 times: cut\n"));
    }
}
