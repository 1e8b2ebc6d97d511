//! /livez, /readyz and /healthz: named checks, verbose output, exclusion; and the state of start and drain.

use crate::query::Query;
use crate::reply::{self, Reply};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use triad_kv::Store;

/// Checks in upstream's order; those of hooks that are one thing here pass together.
const CHECKS: [&str; 8] = ["ping", "log", "etcd", "poststarthook/start-apiserver-admission-initializer", "poststarthook/generic-apiserver-start-informers", "poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes", "poststarthook/priority-and-fairness-config-producer"];
const READY_ONLY: [&str; 3] = ["etcd-readiness", "informer-sync", "shutdown"];

pub(crate) struct Health {
    store: Store,
    bootstrapped: AtomicBool,
    draining: watch::Sender<bool>,
}

impl Health {
    pub(crate) fn new(store: Store) -> Self {
        Health { store, bootstrapped: AtomicBool::new(false), draining: watch::channel(false).0 }
    }

    pub(crate) fn set_bootstrapped(&self) {
        self.bootstrapped.store(true, Ordering::Release);
    }

    /// From now on /readyz fails and watches end.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Completes when the server drains.
    pub(crate) async fn draining(&self) {
        // The sender lives as long as self.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn store_is_well(&self) -> bool {
        self.store.health().serving
    }

    fn passes(&self, check: &str) -> bool {
        match check {
            "etcd" | "etcd-readiness" => self.store_is_well(),
            "shutdown" => !self.is_draining(),
            name if name.starts_with("poststarthook/") => self.bootstrapped.load(Ordering::Acquire),
            _ => true,
        }
    }

    /// Answers a health path; None when the path is none.
    pub(crate) fn answer(&self, path: &str, query: &Query) -> Option<Reply> {
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (root, single) = (parts.next()?, parts.next());
        let mut checks: Vec<&str> = CHECKS.to_vec();
        match root {
            "livez" | "healthz" => {}
            "readyz" => checks.splice(3..3, READY_ONLY).for_each(drop),
            _ => return None,
        }
        if let Some(single) = single {
            let known = checks.contains(&single);
            return known.then(|| if self.passes(single) { reply::text(200, "ok") } else { failed(&format!("internal server error: {single} failed\n")) });
        }
        let mut excluded: BTreeSet<&str> = query.all("exclude").flat_map(|v| v.split(',')).filter(|v| !v.is_empty()).collect();
        let mut text = String::new();
        let mut failures = Vec::new();
        for check in checks {
            if excluded.remove(check) {
                text.push_str(&format!("[+]{check} excluded: ok\n"));
            } else if self.passes(check) {
                text.push_str(&format!("[+]{check} ok\n"));
            } else {
                failures.push(check);
                text.push_str(&format!("[-]{check} failed: reason withheld\n"));
            }
        }
        if !excluded.is_empty() {
            let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
            text.push_str(&format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(",")));
        }
        if !failures.is_empty() {
            tracing::warn!(checks = failures.join(","), path, "health check failed");
            return Some(failed(&format!("{text}{root} check failed\n")));
        }
        if query.get("verbose").is_some() {
            return Some(reply::text(200, format!("{text}{root} check passed\n")));
        }
        Some(reply::text(200, "ok"))
    }
}

fn failed(text: &str) -> Reply {
    reply::text(500, text)
}
