//! What the server says of itself while it runs: on standard error or in a file, one line for each thing, as klog writes them or as
//! JSON (component-base logs, k8s.io/klog/v2).
//!
//! How much of it is set at start by -v and --vmodule, and changed while the server runs by PUT /debug/flags/v (apiserver
//! pkg/server/routes/flags.go). TRIAD_LOG, a filter of its own kind, goes before both.

mod json;
mod line;
mod output;
mod requests;
mod text;
mod verbosity;

pub(crate) use requests::{Request, Steps, log_request};
pub use verbosity::Modules;

use crate::rotating::Rotation;
use anyhow::Result;
use line::Lines;
use output::Output;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};
use verbosity::Verbosity;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// What flags say of logs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub format: Format,
    pub verbosity: i64,
    pub modules: Modules,
    /// Standard error without one.
    pub file: Option<LogFile>,
}

#[derive(Clone, Debug)]
pub struct LogFile {
    pub path: PathBuf,
    pub rotation: Rotation,
    pub also_stderr: bool,
}

static FILTER: OnceLock<(reload::Handle<Verbosity, Registry>, Modules)> = OnceLock::new();
/// Whether requests have lines.
static REQUESTS: AtomicBool = AtomicBool::new(false);

/// Logs from here on.
///
/// # Errors
/// The log file cannot be opened.
pub fn init(options: &Options) -> Result<()> {
    let form = match options.format {
        Format::Text => text::line,
        Format::Json => json::line,
    };
    let written = fmt::layer()
        .with_writer(Output::open(options.file.as_ref())?)
        .with_ansi(false)
        .event_format(Lines(form));
    if let Ok(own) = EnvFilter::try_from_env("TRIAD_LOG") {
        let lines = written.with_filter(own);
        tracing_subscriber::registry().with(lines).init();
        return Ok(());
    }
    let verbosity = Verbosity::new(options.verbosity, options.modules.clone());
    REQUESTS.store(verbosity.tells_requests(), Ordering::Relaxed);
    let (filter, handle) = reload::Layer::new(verbosity);
    let lines = written.with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    // Only the first call gets here: a second `init` panics.
    let _ = FILTER.set((handle, options.modules.clone()));
    Ok(())
}

/// Takes another verbosity; what to answer to whoever asked.
pub(crate) fn set(text: &str) -> Result<String, String> {
    let number: i64 = text.trim().parse().map_err(|_| {
        format!("failed set klog.logging.verbosity {text}: strconv.ParseInt: parsing {text:?}: invalid syntax")
    })?;
    if let Some((handle, modules)) = FILTER.get() {
        let verbosity = Verbosity::new(number, modules.clone());
        let requests = verbosity.tells_requests();
        let reloaded = handle.reload(verbosity);
        reloaded.map_err(|error| format!("failed set klog.logging.verbosity {text}: {error}"))?;
        REQUESTS.store(requests, Ordering::Relaxed);
    }
    Ok(format!("successfully set klog.logging.verbosity to {text}"))
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn a_number_is_taken() {
        assert_eq!(
            set("4"),
            Ok("successfully set klog.logging.verbosity to 4".to_owned())
        );
        assert!(set("loud").is_err());
    }
}
