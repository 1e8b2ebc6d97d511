//! /metrics in Prometheus' text form, under upstream's names. Counters are atomics in fixed tables: labels come from the
//! resource table and fixed sets, so no client can make them grow.

pub(crate) mod long_running;
pub(crate) mod streams;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use triad_kv::Store;

/// Upper bounds of request durations in seconds (apiserver pkg/endpoints/metrics).
const BUCKETS: [f64; 14] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 5.0, 60.0,
];

/// What a request is counted under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Labels {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) scope: &'static str,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(Labels, u16), u64>>,
    durations: Mutex<BTreeMap<Labels, Histogram>>,
    pub(crate) long_running: long_running::LongRunning,
    inflight: Mutex<[i64; 2]>,
    pub(crate) streams: Arc<streams::Streams>,
}

impl Metrics {
    pub(crate) fn request(&self, labels: Labels, code: u16, took: Duration, long_running: bool) {
        *self
            .requests
            .lock()
            .entry((labels.clone(), code))
            .or_default() += 1;
        if long_running {
            return;
        }
        let seconds = took.as_secs_f64();
        let mut durations = self.durations.lock();
        let histogram = durations.entry(labels).or_default();
        histogram.sum += seconds;
        histogram.count += 1;
        if let Some(at) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            histogram.buckets[at] += 1;
        }
    }

    /// Counts a request in flight until the guard goes.
    pub(crate) fn start(&self, mutating: bool) {
        self.inflight.lock()[usize::from(mutating)] += 1;
    }

    pub(crate) fn end(&self, mutating: bool) {
        self.inflight.lock()[usize::from(mutating)] -= 1;
    }

    pub(crate) fn in_flight(&self) -> i64 {
        self.inflight.lock().iter().sum()
    }

    /// The whole page.
    pub(crate) fn render(&self, store: &Store) -> String {
        let mut out = String::with_capacity(16 * 1024);
        self.render_requests(&mut out);
        let [reading, writing] = *self.inflight.lock();
        head(
            &mut out,
            "apiserver_current_inflight_requests",
            "gauge",
            "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
        );
        line(
            &mut out,
            "apiserver_current_inflight_requests",
            &[("request_kind", "mutating")],
            writing,
        );
        line(
            &mut out,
            "apiserver_current_inflight_requests",
            &[("request_kind", "readOnly")],
            reading,
        );
        self.long_running.render(&mut out);
        self.streams.render(&mut out);
        render_store(&mut out, store);
        crate::cluster::backup::render(&mut out, store);
        render_process(&mut out);
        out
    }

    fn render_requests(&self, out: &mut String) {
        head(
            out,
            "apiserver_request_total",
            "counter",
            "Counter of apiserver requests broken out for each verb, group, version, resource, scope and HTTP response code.",
        );
        for ((labels, code), count) in self.requests.lock().iter() {
            let code = code.to_string();
            let mut all = labels.pairs();
            all.push(("code", &code));
            line(out, "apiserver_request_total", &all, *count);
        }
        head(
            out,
            "apiserver_request_duration_seconds",
            "histogram",
            "Response latency distribution in seconds for each verb, group, version, resource and scope.",
        );
        for (labels, histogram) in self.durations.lock().iter() {
            let mut total = 0;
            for (bound, count) in BUCKETS.iter().zip(histogram.buckets) {
                total += count;
                let bound = bound.to_string();
                let mut all = labels.pairs();
                all.push(("le", &bound));
                line(
                    out,
                    "apiserver_request_duration_seconds_bucket",
                    &all,
                    total,
                );
            }
            let mut all = labels.pairs();
            all.push(("le", "+Inf"));
            line(
                out,
                "apiserver_request_duration_seconds_bucket",
                &all,
                histogram.count,
            );
            line(
                out,
                "apiserver_request_duration_seconds_sum",
                &labels.pairs(),
                histogram.sum,
            );
            line(
                out,
                "apiserver_request_duration_seconds_count",
                &labels.pairs(),
                histogram.count,
            );
        }
    }
}

impl Labels {
    fn pairs(&self) -> Vec<(&str, &str)> {
        vec![
            ("verb", self.verb),
            ("group", self.group),
            ("version", self.version),
            ("resource", self.resource),
            ("scope", self.scope),
        ]
    }
}

fn render_store(out: &mut String, store: &Store) {
    let metrics = store.metrics();
    let mut gauge = |name: &str, kind: &str, help: &str, value: f64| {
        head(out, name, kind, help);
        line(out, name, &[], value);
    };
    gauge(
        "apiserver_storage_size_bytes",
        "gauge",
        "Size of the storage database file physically allocated in bytes.",
        (metrics.state_db_bytes + metrics.log_db_bytes) as f64,
    );
    gauge(
        "etcd_server_has_leader",
        "gauge",
        "Whether or not a leader exists. 1 is existence, 0 is not.",
        f64::from(u8::from(store.health().leader_name.is_some())),
    );
    gauge(
        "etcd_server_leader_changes_seen_total",
        "counter",
        "The number of leader changes seen.",
        metrics.elections_total as f64,
    );
    gauge(
        "etcd_server_proposals_committed_total",
        "gauge",
        "The total number of consensus proposals committed.",
        metrics.last_index as f64,
    );
    gauge(
        "etcd_server_proposals_applied_total",
        "gauge",
        "The total number of consensus proposals applied.",
        metrics.applied_index as f64,
    );
    gauge(
        "etcd_server_proposals_pending",
        "gauge",
        "The current number of pending proposals to commit.",
        metrics.proposals_queued as f64,
    );
    gauge(
        "etcd_server_proposals_failed_total",
        "counter",
        "The total number of failed proposals seen.",
        metrics.proposals_failed as f64,
    );
    gauge(
        "etcd_debugging_mvcc_current_revision",
        "gauge",
        "The current revision of store.",
        metrics.revision.0 as f64,
    );
    gauge(
        "etcd_debugging_mvcc_compact_revision",
        "gauge",
        "The revision of the last compaction in store.",
        metrics.compacted.0 as f64,
    );
    gauge(
        "triad_swept_revision",
        "gauge",
        "The revision up to which the rows of compacted history are deleted.",
        metrics.swept.0 as f64,
    );
    gauge(
        "etcd_debugging_mvcc_watcher_total",
        "gauge",
        "Total number of watchers.",
        metrics.watchers as f64,
    );
    gauge(
        "triad_log_bytes_total",
        "counter",
        "Bytes written to the raft log.",
        metrics.log_bytes_total as f64,
    );
    gauge(
        "triad_memtable_bytes",
        "gauge",
        "Memory of writes not yet in a file.",
        metrics.memtable_bytes as f64,
    );
    gauge(
        "triad_block_cache_bytes",
        "gauge",
        "Memory of blocks read from disk.",
        metrics.block_cache_bytes as f64,
    );
    let name = "etcd_disk_wal_fsync_duration_seconds";
    head(
        out,
        name,
        "histogram",
        "The latency distributions of fsync called by WAL.",
    );
    for (bound, count) in &metrics.fsync_buckets {
        line(
            out,
            &format!("{name}_bucket"),
            &[("le", &bound.to_string())],
            count,
        );
    }
    line(
        out,
        &format!("{name}_bucket"),
        &[("le", "+Inf")],
        metrics.fsyncs_total,
    );
    line(
        out,
        &format!("{name}_sum"),
        &[],
        metrics.fsync_time_total.as_secs_f64(),
    );
    line(out, &format!("{name}_count"), &[], metrics.fsyncs_total);
}

fn render_process(out: &mut String) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    head(
        out,
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
    );
    line(out, "process_resident_memory_bytes", &[], pages * 4096);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|at| fields.get(*at)?.parse::<u64>().ok())
        .sum();
    head(
        out,
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
    );
    line(out, "process_cpu_seconds_total", &[], ticks as f64 / 100.0);
    head(
        out,
        "kubernetes_build_info",
        "gauge",
        "A metric with a constant '1' value labeled by version of the API and of this program.",
    );
    line(
        out,
        "kubernetes_build_info",
        &[
            ("git_version", crate::version::GIT_VERSION),
            ("triad_version", env!("CARGO_PKG_VERSION")),
        ],
        1,
    );
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

pub(crate) fn line(
    out: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    value: impl std::fmt::Display,
) {
    out.push_str(name);
    if !labels.is_empty() {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        let _ = write!(out, "{{{}}}", pairs.join(","));
    }
    let _ = writeln!(out, " {value}");
}
