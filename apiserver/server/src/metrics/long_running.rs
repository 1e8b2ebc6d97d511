//! Requests that run for long, counted while they do: watches, and what goes on to nodes, pods and services (apiserver
//! pkg/endpoints/metrics, RecordLongRunning).

use super::{head, line};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one is counted under. All are of fixed sets: no client can make these grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// WATCH or CONNECT.
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subresource: &'static str,
    /// resource, namespace or cluster.
    pub(crate) scope: &'static str,
}

type Counts = Arc<Mutex<BTreeMap<Kind, i64>>>;

#[derive(Default)]
pub(crate) struct LongRunning(Counts);

/// One that runs; its end is dropping this.
pub(crate) struct Running {
    counts: Counts,
    kind: Kind,
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.counts.lock().entry(self.kind).or_default() -= 1;
    }
}

impl LongRunning {
    pub(crate) fn begin(&self, kind: Kind) -> Running {
        *self.0.lock().entry(kind).or_default() += 1;
        Running {
            counts: self.0.clone(),
            kind,
        }
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "apiserver_longrunning_requests";
        let help = "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, subresource, scope and component. Not all requests are tracked this way.";
        head(out, name, "gauge", help);
        for (kind, count) in self.0.lock().iter() {
            let labels = [
                ("verb", kind.verb),
                ("group", kind.group),
                ("version", kind.version),
                ("resource", kind.resource),
                ("subresource", kind.subresource),
                ("scope", kind.scope),
                ("component", "apiserver"),
            ];
            line(out, name, &labels, *count);
        }
    }
}
