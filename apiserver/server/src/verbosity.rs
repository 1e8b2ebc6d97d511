//! How much is logged: set at start by -v, changed while the server runs by PUT /debug/flags/v (apiserver
//! pkg/server/routes/flags.go).

use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Logs to standard error from here on. TRIAD_LOG, a filter of its own, goes before the verbosity.
pub fn init(verbosity: i64) {
    let filter = EnvFilter::try_from_env("TRIAD_LOG").unwrap_or_else(|_| filter(verbosity));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    // Only the first call gets here: a second `init` panics.
    let _ = FILTER.set(handle);
}

fn filter(verbosity: i64) -> EnvFilter {
    EnvFilter::new(match verbosity {
        // openraft repeats itself while a member is away, and complains of being stopped.
        i64::MIN..=1 => "info,openraft=off",
        2..=4 => "debug,openraft=warn,hyper=info,h2=info,rustls=info",
        _ => "trace,openraft=info,hyper=info,h2=info,rustls=info",
    })
}

/// Takes another verbosity; what to answer to whoever asked.
pub(crate) fn set(text: &str) -> Result<String, String> {
    let verbosity: i64 = text.trim().parse().map_err(|_| {
        format!("failed set klog.logging.verbosity {text}: strconv.ParseInt: parsing {text:?}: invalid syntax")
    })?;
    if let Some(handle) = FILTER.get() {
        let reloaded = handle.reload(filter(verbosity));
        reloaded.map_err(|error| format!("failed set klog.logging.verbosity {text}: {error}"))?;
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
