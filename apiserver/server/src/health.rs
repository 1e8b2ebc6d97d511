//! /livez, /readyz and /healthz: named checks, verbose output, exclusion; and the state of start and drain.

use crate::query::Query;
use crate::reply::{self, Reply};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use triad_kv::Store;

/// Start-up hooks that upstream lists; here they are one thing, the bootstrap, and pass together.
const HOOKS: [&str; 30] = [
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers",
    "start-kubernetes-service-cidr-controller",
    "peer-endpoint-reconciler-controller",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "aggregator-reload-proxy-client-cert",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
    "storage-readiness",
];

/// The checks of an endpoint, in the order of its verbose answer.
fn checks(root: &str) -> Option<Vec<String>> {
    let before: &[&str] = match root {
        "livez" | "healthz" => &["ping", "log", "etcd", "loopback-serving-certificate"],
        "readyz" => &["ping", "log", "etcd", "etcd-readiness", "informer-sync"],
        _ => return None,
    };
    let hooks = HOOKS.iter().map(|hook| format!("poststarthook/{hook}"));
    let mut all: Vec<String> = before
        .iter()
        .map(|name| (*name).to_owned())
        .chain(hooks)
        .collect();
    all.push("autoregister-completion".to_owned());
    if root == "readyz" {
        all.push("shutdown".to_owned());
    }
    Some(all)
}

/// Every path of health checks, for the index.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    ["healthz", "livez", "readyz"].into_iter().flat_map(|root| {
        let single = checks(root)
            .unwrap_or_default()
            .into_iter()
            .map(move |check| format!("/{root}/{check}"));
        std::iter::once(format!("/{root}")).chain(single)
    })
}

pub(crate) struct Health {
    store: Store,
    bootstrapped: AtomicBool,
    draining: watch::Sender<bool>,
    /// The checks that failed when a path was last asked for: each change is logged once, not each question.
    failing: Mutex<BTreeMap<String, String>>,
}

impl Health {
    pub(crate) fn new(store: Store) -> Self {
        Health {
            store,
            bootstrapped: AtomicBool::new(false),
            draining: watch::channel(false).0,
            failing: Mutex::default(),
        }
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
        let _ = self
            .draining
            .subscribe()
            .wait_for(|draining| *draining)
            .await;
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

    /// Logs what has changed since the path was last asked for.
    fn note(&self, root: &str, failures: &[&str]) {
        let mut failing = self.failing.lock();
        let checks = failures.join(",");
        if failures.is_empty() {
            if failing.remove(root).is_some() {
                tracing::info!(check = root, "all health checks pass again");
            }
        } else if failing.get(root) != Some(&checks) {
            tracing::warn!(check = root, checks, "health checks fail");
            failing.insert(root.to_owned(), checks);
        }
    }

    /// Answers a health path; None when the path is none.
    pub(crate) fn answer(&self, path: &str, query: &Query) -> Option<Reply> {
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (root, single) = (parts.next()?, parts.next());
        let checks = checks(root)?;
        if let Some(single) = single {
            let known = checks.iter().any(|check| check == single);
            return known.then(|| {
                if self.passes(single) {
                    reply::text(200, "ok")
                } else {
                    failed(&format!("internal server error: {single} failed\n"))
                }
            });
        }
        let mut excluded: BTreeSet<&str> = query
            .all("exclude")
            .flat_map(|v| v.split(','))
            .filter(|v| !v.is_empty())
            .collect();
        let mut text = String::new();
        let mut failures = Vec::new();
        for check in &checks {
            let check = check.as_str();
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
            text.push_str(&format!(
                "warn: some health checks cannot be excluded: no matches for {}\n",
                names.join(",")
            ));
        }
        self.note(root, &failures);
        if !failures.is_empty() {
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
