//! What can go wrong in the log, one variant for each thing a caller can do about it.

use std::path::PathBuf;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another member leads; `None` while nobody does.
    #[error("not the leader{}", .leader.as_deref().map(|l| format!(", {l} is")).unwrap_or_default())]
    NotLeader { leader: Option<String> },
    /// The node is fenced or starting: a proposal's outcome is unknown.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// The files are damaged and must not be used.
    #[error("{} is damaged: {what}", .file.display())]
    Corrupt { what: String, file: PathBuf },
    /// The file system refused.
    #[error("{what}: {why}")]
    Io { what: String, why: String },
    /// The node has been shut down.
    #[error("the log is closed")]
    Closed,
}

impl Error {
    pub fn io(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Io {
            what: what.into(),
            why: why.to_string(),
        }
    }

    pub fn corrupt(what: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self::Corrupt {
            what: what.into(),
            file: file.into(),
        }
    }

    /// Reads an error of the database: damage is told apart, and its file is found in the message.
    #[must_use]
    pub fn database(what: &str, error: &rocksdb::Error, dir: &std::path::Path) -> Self {
        let message = error.to_string();
        let damaged = error.kind() == rocksdb::ErrorKind::Corruption
            || message.contains("Corruption")
            || message.contains("No such file");
        if !damaged {
            return Self::io(what, message);
        }
        let named = message
            .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
            .map(|word| word.trim_end_matches([':', '.']))
            .find(|word| {
                [".sst", "MANIFEST-", ".log", "CURRENT"]
                    .iter()
                    .any(|part| word.contains(part))
            })
            .map(|word| dir.join(word.rsplit_once('/').map_or(word, |(_, name)| name)))
            .map(|file| match manifest_checks(&file) {
                None if !file.exists() => missing(&message, dir, file),
                // The database blames its manifest for tables that do not open.
                Some(true) => dir.to_path_buf(),
                _ => file,
            });
        Self::corrupt(
            format!("{what}: {message}"),
            named.unwrap_or_else(|| dir.to_path_buf()),
        )
    }
}

/// What is to blame for a file that is not there: whatever names it, when that is suspect itself.
fn missing(message: &str, dir: &std::path::Path, file: PathBuf) -> PathBuf {
    if file.extension().is_none_or(|end| end != "sst") {
        return dir.join("CURRENT");
    }
    let manifest = message
        .split(|c: char| c.is_whitespace() || c == '/')
        .find(|word| word.starts_with("MANIFEST-"))
        .map(|name| dir.join(name));
    match manifest {
        Some(manifest) if manifest_checks(&manifest) == Some(false) => manifest,
        _ => file,
    }
}

/// Whether a manifest is whole; `None` for other files and for one that cannot be read. Manifests
/// are written in the format of the write-ahead log.
fn manifest_checks(file: &std::path::Path) -> Option<bool> {
    let name = file.file_name()?.to_str()?;
    name.starts_with("MANIFEST-").then_some(())?;
    std::fs::read(file)
        .ok()
        .map(|bytes| crate::log_store::is_whole(&bytes))
}
