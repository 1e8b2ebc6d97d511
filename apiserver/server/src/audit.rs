//! Audit: what a policy says of each request is kept in a log, sent to a webhook, or both (apiserver pkg/audit,
//! plugin/pkg/audit). Without a policy there is none of this, and requests pay nothing for it.
//!
//! `trail` is what a request carries with it, `event` what is written, `backend` where that goes.

mod backend;
mod batch;
mod content;
mod event;
mod log;
mod policy;
mod trail;
mod webhook;

pub(crate) use policy::Level;
pub(crate) use trail::{Asked, Trail, is_long_running};

use crate::metrics::{head, line};
use crate::options;
use anyhow::{Result, anyhow};
use backend::Backend;
use event::Forms;
use policy::Policy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What can go wrong in keeping events, by upstream's names.
#[derive(Clone, Copy)]
enum Plugin {
    Log,
    Webhook,
    Buffered,
    Truncate,
}

const PLUGINS: [&str; 4] = ["log", "webhook", "buffered", "truncate"];
const LEVELS: [Level; 4] = [
    Level::None,
    Level::Metadata,
    Level::Request,
    Level::RequestResponse,
];

#[derive(Default)]
struct Counts {
    events: AtomicU64,
    rejected: AtomicU64,
    levels: [AtomicU64; 4],
    errors: [AtomicU64; 4],
}

impl Counts {
    /// Events could not be kept: counted, and said.
    fn failed(&self, plugin: Plugin, events: usize, why: &str) {
        self.errors[plugin as usize].fetch_add(events as u64, Ordering::Relaxed);
        let plugin = PLUGINS[plugin as usize];
        tracing::error!(plugin, events, why, "audit events are lost");
    }
}

pub(crate) struct Audit {
    policy: Policy,
    backends: Vec<Backend>,
    forms: Forms,
    counts: Arc<Counts>,
}

impl Audit {
    /// By the flags; none where nothing is to be kept, or nowhere.
    pub(crate) fn new(options: &options::Audit) -> Result<Option<Arc<Self>>> {
        let Some(file) = &options.policy_file else {
            if options.log.is_some() || options.webhook.is_some() {
                tracing::warn!("no --audit-policy-file: no audit events are recorded");
            }
            return Ok(None);
        };
        let policy =
            Policy::load(file).map_err(|why| anyhow!("loading audit policy file: {why}"))?;
        let counts = Arc::new(Counts::default());
        let mut backends = Vec::new();
        if let Some(options) = &options.log {
            backends.push(Backend::log(options, &counts)?);
        }
        if let Some(options) = &options.webhook {
            backends.push(Backend::webhook(options, &counts)?);
        }
        if backends.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Audit {
            policy,
            forms: Forms {
                line: options.log.as_ref().is_some_and(|log| log.legacy),
                cut: backends.iter().any(Backend::cuts),
            },
            backends,
            counts,
        })))
    }

    /// Has all backends keep an event; false where one that must not fail did.
    async fn keep(&self, event: event::Written) -> bool {
        self.counts.events.fetch_add(1, Ordering::Relaxed);
        let event = Arc::new(event);
        let mut kept = true;
        for backend in &self.backends {
            kept &= backend.keep(&event).await;
        }
        kept
    }

    /// What waits is sent before the program ends, within a time.
    pub(crate) async fn shutdown(&self) {
        for backend in &self.backends {
            backend.shutdown().await;
        }
    }
}

/// The counters, under upstream's names; all zero where nothing is audited.
pub(crate) fn render(audit: Option<&Arc<Audit>>, out: &mut String) {
    let count = |of: &dyn Fn(&Counts) -> &AtomicU64| {
        audit.map_or(0, |audit| of(&audit.counts).load(Ordering::Relaxed))
    };
    for (name, help, value) in [
        (
            "apiserver_audit_event_total",
            "Counter of audit events generated and sent to the audit backend.",
            count(&|counts| &counts.events),
        ),
        (
            "apiserver_audit_requests_rejected_total",
            "Counter of apiserver requests rejected due to an error in audit logging backend.",
            count(&|counts| &counts.rejected),
        ),
    ] {
        head(out, name, "counter", help);
        line(out, name, &[], value);
    }
    let Some(Audit { counts, .. }) = audit.map(|audit| &**audit) else {
        return;
    };
    let name = "apiserver_audit_level_total";
    head(
        out,
        name,
        "counter",
        "Counter of policy levels for audit events (1 per request).",
    );
    for (level, count) in LEVELS.iter().zip(&counts.levels) {
        let count = count.load(Ordering::Relaxed);
        line(out, name, &[("level", level.text())], count);
    }
    let name = "apiserver_audit_error_total";
    head(
        out,
        name,
        "counter",
        "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
    );
    for (plugin, count) in PLUGINS.iter().zip(&counts.errors) {
        let count = count.load(Ordering::Relaxed);
        line(out, name, &[("plugin", plugin)], count);
    }
}

#[cfg(test)]
mod tests;
