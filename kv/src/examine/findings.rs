//! What an examination finds: each with its file, and with key and revision where it has them. The list is bounded; what does
//! not fit is counted.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Examined;
use crate::Error;

/// Findings that are listed; a directory with more is damaged enough.
const LISTED: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    pub file: PathBuf,
    pub key: Option<String>,
    pub revision: Option<u64>,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        if let Some(revision) = self.revision {
            write!(f, "revision {revision}: ")?;
        }
        f.write_str(&self.what)
    }
}

#[derive(Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    known: HashSet<Finding>,
    unlisted: u64,
    notes: Vec<String>,
}

impl Findings {
    pub(super) fn any(&self) -> bool {
        !self.listed.is_empty()
    }

    pub(super) fn add(&mut self, file: impl Into<PathBuf>, what: impl Into<String>) {
        self.push(Finding {
            file: file.into(),
            key: None,
            revision: None,
            what: what.into(),
        });
    }

    /// Something is wrong with a key, or with one revision of it.
    pub(super) fn at(&mut self, file: &Path, key: &[u8], revision: u64, what: impl Into<String>) {
        self.push(Finding {
            file: file.to_path_buf(),
            key: Some(String::from_utf8_lossy(key).into_owned()),
            revision: (revision > 0).then_some(revision),
            what: what.into(),
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.listed.len() == LISTED {
            self.unlisted += 1;
        } else if self.known.insert(finding.clone()) {
            self.listed.push(finding);
        }
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Notes damage; an error of another kind has no place here.
    pub(super) fn damage(&mut self, error: Error) {
        match error {
            Error::Corrupt { what, file } => self.add(file, what),
            other => self.add(PathBuf::new(), other.to_string()),
        }
    }

    /// Notes damage and goes on; what cannot be read at all ends the examination.
    pub(super) fn keep<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ Error::Corrupt { .. }) => {
                self.damage(error);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    pub(super) fn give(self, examined: &mut Examined) {
        examined.findings = self.listed;
        examined.unlisted = self.unlisted;
        examined.notes = self.notes;
    }
}
