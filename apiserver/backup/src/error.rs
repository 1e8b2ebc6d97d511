//! What can go wrong, by what the caller does about it: restore another copy, bring the right key, name something else, try again.

use std::fmt::Display;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A file is not what was written: cut short, changed, or no file of a backup.
    #[error("{file} is damaged: {what}")]
    Damaged { file: String, what: String },
    /// A file is encrypted, and what was given does not open it.
    #[error("{file} stays closed: {what}")]
    Key { file: String, what: String },
    /// What was named is not there.
    #[error("{0}")]
    Missing(String),
    /// What was asked for is not done, and why.
    #[error("{0}")]
    Refused(String),
    /// A disk, a network or a service failed.
    #[error("{what}: {why}")]
    Io { what: String, why: String },
}

impl Error {
    pub(crate) fn damaged(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.into(),
            what: what.into(),
        }
    }

    pub(crate) fn key(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Key {
            file: file.into(),
            what: what.into(),
        }
    }

    pub(crate) fn io(what: impl Into<String>, why: impl Display) -> Self {
        Self::Io {
            what: what.into(),
            why: why.to_string(),
        }
    }
}
