//! What is wrong with an expression, and how that reads: cel-go's common/error.go and common/errors.go.

use crate::source::{Location, Source};

/// More errors than this are counted, not shown (common/errors.go).
const SHOWN: usize = 100;
/// A longer line is not repeated under its error (common/error.go), in bytes.
const SNIPPET_BYTES: usize = 16_384;

#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) location: Location,
    pub(crate) message: String,
}

/// The errors of one expression in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    found: Vec<Issue>,
    count: usize,
}

impl Issues {
    pub(crate) fn report(&mut self, location: Location, message: impl Into<String>) {
        self.count += 1;
        if self.count <= SHOWN {
            self.found.push(Issue {
                location,
                message: message.into(),
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// All errors by their place, one after another, each with its line and a mark under it.
    pub(crate) fn render(&self, source: &Source) -> String {
        let mut sorted: Vec<&Issue> = self.found.iter().collect();
        sorted.sort_by_key(|issue| issue.location);
        let mut lines: Vec<String> = sorted.iter().map(|issue| one(issue, source)).collect();
        if self.count > SHOWN {
            lines.push(format!("{} more errors were truncated", self.count - SHOWN));
        }
        lines.join("\n")
    }
}

fn one(issue: &Issue, source: &Source) -> String {
    let at = issue.location;
    let head = format!(
        "ERROR: <input>:{}:{}: {}",
        at.line,
        at.column + 1,
        issue.message
    );
    match source.snippet(at.line) {
        Some(line) if line.len() <= SNIPPET_BYTES => {
            let line = line.replace('\t', " ");
            let mark = mark_under(&line, at.column);
            format!("{head}\n | {line}\n | {mark}")
        }
        _ => head,
    }
}

/// Dots up to the column and a mark at it; wide forms under what takes more than one byte.
fn mark_under(line: &str, column: i32) -> String {
    let mut chars = line.chars();
    let mut mark = String::new();
    for _ in 0..column {
        match chars.next() {
            None => break,
            Some(c) => mark.push(if c.len_utf8() > 1 { '\u{ff0e}' } else { '.' }),
        }
    }
    let wide = chars.next().is_some_and(|c| c.len_utf8() > 1);
    mark.push(if wide { '\u{ff3e}' } else { '^' });
    mark
}
