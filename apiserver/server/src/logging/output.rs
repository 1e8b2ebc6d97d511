//! Where lines go: to standard error, or into a file that is set aside when it is full.

use super::LogFile;
use crate::rotating::RotatingFile;
use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

pub(super) struct Output {
    file: Option<Mutex<RotatingFile>>,
    stderr: bool,
}

impl Output {
    pub(super) fn open(file: Option<&LogFile>) -> Result<Self> {
        let Some(file) = file else {
            return Ok(Output {
                file: None,
                stderr: true,
            });
        };
        let opened = RotatingFile::open(file.path.clone(), &file.rotation);
        let cannot = || format!("--log-file: cannot open {}", file.path.display());
        Ok(Output {
            file: Some(Mutex::new(opened.with_context(cannot)?)),
            stderr: file.also_stderr,
        })
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = &'a Output;

    fn make_writer(&'a self) -> &'a Output {
        self
    }
}

/// Each write is of a whole line.
impl Write for &Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = self.stderr;
        if let Some(file) = &self.file
            && let Err(error) = file.lock().write_all(line)
        {
            // A full disk, say: what cannot be kept is at least said.
            let _ = writeln!(io::stderr(), "the log file cannot be written: {error}");
            stderr = true;
        }
        if stderr {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{json, line::Lines};
    use super::*;
    use crate::rotating::Rotation;
    use std::fs;

    #[test]
    fn lines_of_many_threads_stay_whole_while_files_are_set_aside() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("triad.log");
        let output = Output::open(Some(&LogFile {
            path: path.clone(),
            rotation: Rotation {
                max_mebibytes: 1,
                ..Rotation::default()
            },
            also_stderr: false,
        }))
        .expect("opened");
        let lines = tracing_subscriber::fmt()
            .with_writer(output)
            .event_format(Lines(json::line))
            .finish();
        let dispatch = tracing::Dispatch::new(lines);
        let long = "x".repeat(1000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (dispatch, long) = (&dispatch, &long);
                scope.spawn(move || {
                    tracing::dispatcher::with_default(dispatch, || {
                        for number in 0..600 {
                            tracing::info!(thread, number, long, "said");
                        }
                    });
                });
            }
        });
        let mut seen = std::collections::BTreeSet::new();
        let mut files = 0;
        for entry in fs::read_dir(dir.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            files += 1;
            assert!(fs::metadata(&path).expect("a file").len() <= 1 << 20);
            for line in fs::read_to_string(&path).expect("readable").lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect("a whole line");
                seen.insert((line["thread"].to_string(), line["number"].to_string()));
            }
        }
        assert_eq!((seen.len(), files), (2400, 3));
    }

    #[test]
    fn a_file_that_cannot_be_had_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let refused = Output::open(Some(&LogFile {
            path: dir.path().to_owned(),
            rotation: Rotation::default(),
            also_stderr: false,
        }));
        let why = format!("{:#}", refused.err().expect("refused"));
        assert!(
            why.contains("--log-file: cannot open") && why.contains("directory"),
            "{why}"
        );
    }
}
