//! Lines as klog writes them: `I1122 08:59:18.123456    4711 file.rs:12] "Message" key="value"`. The time is UTC. Whatever was said is
//! quoted where anything is said beside the message, so that no value can end a line or begin another.

use super::line::{Line, Said, place};
use crate::clock::Clock;
use std::fmt::Write as _;
use tracing::{Event, Level};
use triad_machinery::goformat::quote;

pub(super) fn line(event: &Event<'_>) -> String {
    format(event, &Clock.now_micro())
}

/// The line at a time such as 2006-01-02T15:04:05.000000Z.
fn format(event: &Event<'_>, at: &str) -> String {
    let severity = match *event.metadata().level() {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        Level::INFO | Level::DEBUG | Level::TRACE => 'I',
    };
    let part = |from: usize, to: usize| at.get(from..to).unwrap_or_default();
    let mut out = format!(
        "{severity}{}{} {} {:7} {}] ",
        part(5, 7),
        part(8, 10),
        part(11, 26),
        std::process::id(),
        place(event)
    );
    let line = Line::of(event);
    match line.values.is_empty() {
        true => out.push_str(&line.message.replace('\n', "\\n")),
        false => out.push_str(&quote(&line.message)),
    }
    for (name, value) in &line.values {
        // Writing to a text does not fail.
        let _ = match value {
            Said::Text(text) => write!(out, " {name}={}", quote(text)),
            Said::Bare(text) => write!(out, " {name}={text}"),
        };
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::line::tests::logged;

    #[test]
    fn lines_are_klogs() {
        let text = logged(line, || {
            tracing::info!("serving");
            tracing::warn!(pod = "a/b", count = 3, "odd \"thing\"\nforged");
            tracing::error!(error = %std::io::Error::other("broken\nI0101 forged"), "failed");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "nothing begins a line of its own: {text}");
        assert!(
            lines[0].starts_with('I') && lines[0].ends_with("] serving"),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains(" text.rs:"), "{}", lines[0]);
        assert!(
            lines[1].ends_with("] \"odd \\\"thing\\\"\\nforged\" pod=\"a/b\" count=3"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].starts_with('E') && lines[2].contains("err=\"broken\\nI0101 forged\""),
            "{}",
            lines[2]
        );
    }
}
