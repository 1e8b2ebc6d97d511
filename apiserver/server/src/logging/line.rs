//! What a line says, taken from an event: its message, and what it says beside.

use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How an event is written: as a whole line.
pub(super) struct Lines(pub(super) fn(&Event<'_>) -> String);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        fmt::Write::write_str(&mut writer, &(self.0)(event))
    }
}

#[derive(Default)]
pub(super) struct Line {
    pub(super) message: String,
    pub(super) values: Vec<(&'static str, Said)>,
}

/// A value, as far as its form matters.
pub(super) enum Said {
    Text(String),
    /// A number or a truth.
    Bare(String),
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Line::default();
        event.record(&mut line);
        line
    }

    fn say(&mut self, field: &Field, value: Said) {
        match (field.name(), value) {
            ("message", Said::Text(text) | Said::Bare(text)) => self.message = text,
            // klog's name for it.
            ("error", value) => self.values.push(("err", value)),
            (name, value) => self.values.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, Said::Text(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.say(field, Said::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.say(field, Said::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.say(field, Said::Bare(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say(field, Said::Text(format!("{value:?}")));
    }
}

/// The name of an event's file and its line.
pub(super) fn place(event: &Event<'_>) -> String {
    let file = event.metadata().file().unwrap_or("unknown");
    let file = file.rsplit('/').next().unwrap_or(file);
    format!("{file}:{}", event.metadata().line().unwrap_or(0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io::Write;
    use std::sync::Arc;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is logged meanwhile.
    pub(in crate::logging) fn logged(
        form: fn(&Event<'_>) -> String,
        work: impl FnOnce(),
    ) -> String {
        let kept = Kept::default();
        let lines = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .event_format(Lines(form))
            .finish();
        tracing::subscriber::with_default(lines, work);
        let bytes = kept.0.lock();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
