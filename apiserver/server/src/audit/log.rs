//! The log of events: one a line, in a file that is set aside when it is full, or on standard output.

use super::event::Written;
use crate::options::Log;
use crate::rotating::RotatingFile;
use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use std::io::{self, Write as _};

pub(super) struct LogFile {
    legacy: bool,
    to: To,
}

enum To {
    Stdout,
    File(Mutex<RotatingFile>),
}

impl LogFile {
    pub(super) fn open(options: &Log) -> Result<Self> {
        let to = match options.path.as_str() {
            "-" => To::Stdout,
            path => {
                let file = RotatingFile::open(path.into(), &options.rotation);
                let file = file.with_context(|| format!("cannot open the audit log {path}"))?;
                To::File(Mutex::new(file))
            }
        };
        Ok(LogFile {
            legacy: options.legacy,
            to,
        })
    }

    pub(super) fn keep(&self, event: &Written) -> Result<(), String> {
        let text = if self.legacy {
            event.line.as_bytes()
        } else {
            event.alone()
        };
        // In one write: lines of others do not get in between.
        let mut line = Vec::with_capacity(text.len() + 1);
        line.extend_from_slice(text);
        line.push(b'\n');
        let written = match &self.to {
            To::Stdout => io::stdout().lock().write_all(&line),
            To::File(file) => file.lock().write_all(&line),
        };
        written.map_err(|error| error.to_string())
    }
}
